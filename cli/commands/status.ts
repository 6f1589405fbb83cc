import { setTimeout as sleep } from 'node:timers/promises';
import { KINDS, type Lease } from '../../operator/api/objects.ts';
import type { PeerObject, StoredNode } from '../../operator/plan/observed/observed.ts';
import { CLUSTER } from '../args/command.ts';
import { UsageError } from '../args/parse.ts';
import type { Cluster } from '../io/cluster.ts';
import { listed, peerNamed } from '../io/resources.ts';
import { statusText } from '../status/format.ts';
import { operatorReport } from '../status/operator.ts';
import {
  type Found,
  needsLooks,
  type PeerLooks,
  type StatusReport,
  statusReport,
  withLooks,
} from '../status/report.ts';
import { type Call, clusterOf, defineCommand } from './command.ts';
import { machineText, OUTPUT } from './output.ts';

/** How long a second look is waited for: the operator writes a status every 10 s while something changes. */
const SECOND_LOOK_MS = 15_000;
const POLL_MS = 1_000;
const WATCH_MS = 2_000;
const LEASE = 'lfh-sync-operator';

const OPTIONS = {
  'all-namespaces': { type: 'boolean', short: 'A', meaning: 'Of all namespaces.' },
  watch: { type: 'boolean', short: 'w', meaning: 'Goes on looking until Ctrl-C.' },
  quick: { type: 'boolean', meaning: 'Looks once. Without it, a backlog is looked at twice, for its rate.' },
  output: OUTPUT,
  ...CLUSTER,
} as const;
type StatusCall = Call<typeof OPTIONS>;

export const status = defineCommand({
  name: 'status',
  summary: 'Shows whether messages flow in both directions, how much waits, and who has to act.',
  description: [
    'There is a line for each node, and one for each peer and direction. Below are the conditions that do not hold, each with what ' +
      'it means and what to do. WHO ACTS is `us`, `them` (the administrator of the peer) or `wait`, where it passes by itself.',
    'RATE and ETA need two looks: where something waits, it takes up to 15 seconds, or the next lines of `-w`. ETA says `grows` ' +
      'where the backlog does not shrink. REJECTED counts since a sidecar took the peer over.',
    'Everything comes from the status that the operator writes. Where no operator works, a note says so.',
  ],
  arguments: [{ name: 'PEER', required: false, meaning: 'Only this peer, and its node.', completes: 'peers' }],
  options: OPTIONS,
  examples: [
    { line: 'status -n lfh', meaning: 'all peers of a namespace' },
    { line: 'status hospital-b -n lfh -w', meaning: 'one peer, until Ctrl-C' },
    { line: 'status -A -o json', meaning: 'everything, for a script' },
  ],
  notWell:
    'a node or a direction of a peer is not as it was asked for, or nothing recent is known of it, or no operator works.',
  async run(call) {
    const { options, terminal, signal } = call;
    const cluster = await clusterOf(call);
    if (options['all-namespaces'] && call.arguments[0] !== undefined)
      throw new UsageError('name a peer, or ask for -A');
    const looked = options.watch || options.quick ? look : lookTwice;
    let { found, looks } = await looked(cluster, call, new Map());
    let report = statusReport(found, looks);
    show(report, call);
    while (options.watch && !signal.aborted) {
      await sleep(WATCH_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      ({ found, looks } = await look(cluster, call, looks));
      report = statusReport(found, looks);
      terminal.clear();
      show(report, call);
    }
    return report.well ? 'well' : 'notWell';
  },
});

function show(report: StatusReport, call: StatusCall): void {
  const { options, terminal } = call;
  const shown = {
    namespaces: options['all-namespaces'],
    wide: options.output === 'wide',
    details: call.arguments.length > 0,
    width: terminal.width,
    now: Date.now(),
  };
  terminal.print(machineText(options.output, report) ?? statusText(report, shown));
}

interface Looked {
  readonly found: Found;
  readonly looks: PeerLooks;
}

async function look(cluster: Cluster, { options, arguments: [name] }: StatusCall, looks: PeerLooks): Promise<Looked> {
  const namespace = options['all-namespaces'] ? undefined : cluster.namespace;
  const [nodes, peers, lease] = await Promise.all([
    listed<StoredNode>(cluster, KINDS.node, namespace),
    name === undefined ? listed<PeerObject>(cluster, KINDS.peer, namespace) : [await peerNamed(cluster, name)],
    // Who may read the peers may perhaps not read this.
    cluster.api.get<Lease>(KINDS.lease, cluster.namespace, LEASE).catch(() => undefined),
  ]);
  const now = Date.now();
  return { found: { nodes, peers, operator: operatorReport(lease, now) }, looks: withLooks(looks, peers, now) };
}

/** Looks until the operator has written of each backlog again, or for as long as that may take. */
async function lookTwice(cluster: Cluster, call: StatusCall, looks: PeerLooks): Promise<Looked> {
  const until = Date.now() + SECOND_LOOK_MS;
  let looked = await look(cluster, call, looks);
  while (needsLooks(looked.looks) && Date.now() < until && !call.signal.aborted) {
    const left = Math.ceil((until - Date.now()) / 1000);
    call.terminal.progress(`looking at the backlog a second time, ${left} s at most; --quick leaves this out`);
    await sleep(POLL_MS, undefined, { signal: call.signal }).catch(() => undefined);
    looked = await look(cluster, call, looked.looks);
  }
  return looked;
}

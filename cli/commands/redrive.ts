import { REJECT_REASONS } from '../../common/contract/reasons.ts';
import { KINDS } from '../../operator/api/objects.ts';
import type { PeerObject } from '../../operator/plan/observed/observed.ts';
import { CLUSTER, WAIT } from '../args/command.ts';
import { UsageError } from '../args/parse.ts';
import { didYouMean } from '../args/suggest.ts';
import { isOver, redrivePatch, redriveText } from '../change/redrive.ts';
import { follow } from '../io/follow.ts';
import { CLI_MANAGER, peerNamed } from '../io/resources.ts';
import { clusterOf, defineCommand, timeoutOf } from './command.ts';

const REASONS = Object.keys(REJECT_REASONS);
const { timeout } = WAIT;

export const redrive = defineCommand({
  name: 'redrive',
  summary: 'Replays from LFH_EXCEPTION what the settings of today accept, each message once.',
  description: [
    'It sets spec.receive.redrive of the peer, and tells how far it is until it is done. Ctrl-C ends only the telling. Correct the ' +
      'setting for which the messages were rejected first, such as spec.receive.allowFormats.',
    'What is replayed comes late, behind what was replayed before. docs/operations.md says what that means for applications.',
  ],
  arguments: [{ name: 'PEER', required: true, meaning: 'The peer whose messages they are.', completes: 'peers' }],
  options: {
    reason: {
      type: 'string',
      value: 'REASONS',
      meaning: 'Only what was rejected for one of these, with commas between. Absent: for any. `explain` knows them.',
    },
    since: {
      type: 'string',
      value: 'TIME',
      meaning: 'Only what was rejected since then, such as 2026-11-24T08:00:00Z.',
    },
    'dry-run': { type: 'boolean', meaning: 'Only counts what would be replayed.' },
    id: { type: 'string', value: 'WORD', meaning: 'A word of your own for it. Absent: the next one that is free.' },
    timeout,
    ...CLUSTER,
  },
  examples: [
    { line: 'redrive hospital-b --reason FormatNotAllowed --dry-run -n lfh', meaning: 'how many would be replayed' },
    { line: 'redrive hospital-b --reason FormatNotAllowed -n lfh', meaning: 'replay them' },
  ],
  notWell: 'it was not done in time, or some messages are missing.',
  async run(call) {
    const { options, terminal, signal } = call;
    const timeoutMs = timeoutOf(options);
    const reasons = reasonsOf(options.reason);
    if (options.since !== undefined && Number.isNaN(Date.parse(options.since))) {
      throw new UsageError('--since is a time with a time zone, such as 2026-11-24T08:00:00Z');
    }
    const cluster = await clusterOf(call);
    const peer = await peerNamed(cluster, call.arguments[0] ?? '');
    const { name } = peer.metadata;
    const wish = { reasons, since: options.since, dryRun: options['dry-run'], id: options.id };
    const asked = redrivePatch(peer, wish, new Date().toISOString().slice(0, 10));
    await cluster.api.merge<PeerObject>(CLI_MANAGER, KINDS.peer, cluster.namespace, name, {
      spec: { receive: { redrive: asked } },
    });
    const { last, done } = await follow({
      look: () => peerNamed(cluster, name),
      tell: ({ status }) => terminal.progress(redriveText(status?.redrive, asked)),
      isDone: ({ status }) => isOver(status?.redrive, asked),
      timeoutMs,
      signal,
    });
    terminal.print(redriveText(last.status?.redrive, asked));
    if (!done) terminal.say(`It is not done yet, and goes on by itself; lfh-sync status ${name} shows how far it is.`);
    return done && (last.status?.redrive?.missing ?? 0) === 0 ? 'well' : 'notWell';
  },
});

/** @throws UsageError for a reason that there is not */
function reasonsOf(typed: string | undefined): readonly string[] | undefined {
  const reasons = typed?.split(',').map((each) => each.trim());
  const unknown = reasons?.find((reason) => !REASONS.includes(reason));
  if (unknown === undefined) return reasons;
  throw new UsageError(
    `${unknown} is no reason for which messages are rejected${didYouMean(unknown, REASONS) || `: ${REASONS.join(', ')}`}`,
  );
}

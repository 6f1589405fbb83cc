import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type ConfigMap, KINDS } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { type OperatorOptions, OperatorProcess } from '../../kit/processes/operator.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { ControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const PEERS = 200;
/** The node receives from so many of them; the others receive only. */
const RECEIVED_FROM = 20;
/** Once nothing was on its way for two minutes there is one every 10 s. */
const REST_RECONCILES = 3;
/** What each asks of NATS: a look into 25 accounts, a canary, a stranger's key, and its own questions. */
const AT_REST = { connections: 28, messages: 120 };

/** They are generous, for a busy machine. They show only what has become many times worse. */
const BOUNDS = { convergeMs: 240_000, oneMoreMs: 60_000, residentMb: 250, requestsAtRest: 100 };

/** This has a control plane of its own, because it counts every request. */
describe('a node with two hundred peers', function () {
  this.timeout(600_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let options: OperatorOptions;
  let site: OperatedSite;
  let monitorPort: number;

  before(async function () {
    this.timeout(1_200_000);
    plane = await ControlPlane.start();
    await plane.installCrds();
    ({ operator, options } = await OperatorProcess.startOver(plane, ['many']));
    monitorPort = await freePort();
    site = await OperatedSite.start(plane, options.namespaces[0] ?? '', 'hospital-a', { kafka: false, monitorPort });
  });

  after(async () => {
    await site?.stop();
    await operator?.stop();
    await plane?.stop();
  });

  it('lets all of them in within the time that an administrator waits for', async () => {
    const { apiVersion, kind } = KINDS.peer;
    const { ca } = await createCertificateAuthority('a-peer');
    const receiving = { servers: ['tls://127.0.0.1:1'], ca: { inline: ca } };
    const peers = Array.from({ length: PEERS }, (_, index) => {
      const name = `peer-${index}`;
      const spec = { lfhId: name, publicKeys: [makeKey().publicKey], ...(index < RECEIVED_FROM && receiving) };
      return { apiVersion, kind, metadata: { name }, spec };
    });
    const started = performance.now();
    await plane.apply(peers, site.namespace);
    const applied = performance.now() - started;
    await until('all are let in', async () => (await awaiting()) === PEERS, BOUNDS.convergeMs, 500);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const converged = performance.now() - started;
    const { data = {} } = (await site.get<ConfigMap>(KINDS.configMap, 'local-nats')) ?? {};
    const size = Object.values(data).join('').length;
    assert.equal((await site.node()).status?.peers?.total, PEERS);
    const work = `${await operator.reconciles()} reconciles and ${(await cpuSeconds()).toFixed(1)} s of CPU since its start`;
    print(
      `applied after ${seconds(applied)}, all let in after ${seconds(converged)}, ${work}, ${kilobytes(size)} for NATS`,
    );
    assert.ok(converged < BOUNDS.convergeMs);
  });

  it('lets in one more as soon as a node with few peers does', async () => {
    const started = performance.now();
    await site.apply(KINDS.peer, 'late', { spec: { lfhId: 'late', publicKeys: [makeKey().publicKey] } });
    await site.waitForReason('lfhpeer', 'late', 'SendReady', 'AwaitingPeer', BOUNDS.oneMoreMs);
    print(`one more let in after ${seconds(performance.now() - started)}`);
  });

  it('takes little memory, and asks at rest only for watches and its lease, and NATS for a bounded number of looks', async () => {
    const resident = await residentMb();
    assert.ok(resident < BOUNDS.residentMb, `${resident} MB`);
    // Until every peer's account was looked into once, and nothing is on its way any more.
    await until('a reconcile writes nothing', async () => Object.keys(await writtenByOne()).length === 0, 120_000, 0);
    const [before, natsBefore, cpu, began] = [await requests(), await nats(), await cpuSeconds(), performance.now()];
    await operator.reconciled(REST_RECONCILES);
    const asked = difference(await requests(), before);
    const ofNats = difference(await nats(), natsBefore);
    const total = Object.values(asked).reduce((sum, count) => sum + count, 0);
    const rest = `${REST_RECONCILES} reconciles, ${((await cpuSeconds()) - cpu).toFixed(1)} s of CPU`;
    const span = seconds(performance.now() - began);
    const requested = `${total} requests: ${JSON.stringify(asked)}; of NATS: ${JSON.stringify(ofNats)}`;
    print(`${resident} MB resident; at rest in ${span} ${rest}, ${requested}`);
    // The one that was under way when it began counts as well.
    for (const [what, most] of Object.entries(AT_REST)) {
      assert.ok((ofNats[what] ?? 0) <= most * (REST_RECONCILES + 1), requested);
    }
    assert.ok(total < BOUNDS.requestsAtRest, JSON.stringify(asked));
    const writes = Object.keys(asked).filter((each) => /POST|PUT|PATCH|DELETE|APPLY/.test(each));
    assert.deepEqual(
      writes.filter((each) => !each.includes('leases')),
      [],
    );
  });

  /** How many peers are let in and have not asked for a message yet. */
  async function awaiting(): Promise<number> {
    const path = '{range .items[*]}{.status.conditions[?(@.type=="SendReady")].reason}{"\\n"}{end}';
    const reasons = (await site.kubectl('get', 'lfhpeer', '-o', `jsonpath=${path}`)).split('\n');
    return reasons.filter((reason) => reason === 'AwaitingPeer').length;
  }

  /** What is asked of the API server about what the operator reads or writes, by verb and resource. */
  async function requests(): Promise<Record<string, number>> {
    const { stdout } = await plane.kubectl(['get', '--raw', '/metrics']);
    const counts: Record<string, number> = {};
    for (const line of stdout.split('\n')) {
      const [, labels = '', count] = /^apiserver_request_total\{(.*)\} (\S+)$/.exec(line) ?? [];
      const of = (name: string): string => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
      if (count === undefined || !OURS.has(of('resource'))) continue;
      const key = `${of('verb')} ${of('resource')}${of('subresource') && `/${of('subresource')}`}`;
      counts[key] = (counts[key] ?? 0) + Number(count);
    }
    return counts;
  }

  /** How many connections the nats-server has had, and how many messages it was sent. */
  async function nats(): Promise<Record<string, number>> {
    const response = await fetch(`http://127.0.0.1:${monitorPort}/varz`);
    const { total_connections: connections, in_msgs: messages } = (await response.json()) as Record<string, number>;
    return { connections: Number(connections), messages: Number(messages) };
  }

  /** What a whole reconcile writes, but for the lease. */
  async function writtenByOne(): Promise<Record<string, number>> {
    const before = await requests();
    // The first may have been under way.
    await operator.reconciled(2);
    const entries = Object.entries(difference(await requests(), before));
    return Object.fromEntries(entries.filter(([key]) => /POST|PUT|PATCH|APPLY/.test(key) && !key.includes('leases')));
  }

  async function cpuSeconds(): Promise<number> {
    const text = await (await operator.get('/metrics')).text();
    return Number(/^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]);
  }

  async function residentMb(): Promise<number> {
    const status = await readFile(`/proc/${operator.process.pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024);
  }
});

/** The rest is what the control plane asks of itself. */
const OURS: ReadonlySet<string> = new Set([
  'configmaps',
  'deployments',
  'endpointslices',
  'events',
  'leases',
  'lfhsyncnodes',
  'lfhsyncpeers',
  'pods',
  'secrets',
  'services',
  'statefulsets',
]);

function difference(after: Record<string, number>, before: Record<string, number>): Record<string, number> {
  const entries = Object.entries(after).map(([key, count]) => [key, count - (before[key] ?? 0)] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1024)} kB`;
}

/** Prints figures into the test's output. */
function print(figures: string): void {
  process.stdout.write(`      ${figures}\n`);
}

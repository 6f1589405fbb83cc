import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../cluster/cluster.ts';
import { ClusterSite } from '../cluster/cluster-site.ts';
import { importImages } from '../cluster/images.ts';
import { KUBECONFIG } from '../cluster/layout.ts';
import { siteImages } from '../cluster/site-images.ts';
import { step } from '../cluster/steps.ts';
import { execute } from '../servers/cache.ts';
import { until } from '../servers/process.ts';
import { readTopic, replayedUuids } from '../servers/topic-reader.ts';

/** Two hospitals in two namespaces of a real cluster: installed, peered, disturbed, and taken apart. Needs `make cluster-up` and `make image`. */

const TREE = join(import.meta.dirname, '..', '..');
const HELM = process.env.HELM ?? 'helm';
const PATIENCE_MS = 240_000;
const PROMISED_MS = 15_000;
const PATIENT = { resourceType: 'Patient' };

const cluster = await Cluster.connect();
const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-e2e-'));

async function helm(site: ClusterSite, args: readonly string[]): Promise<void> {
  await execute(HELM, [...args, '-n', site.namespace, '--kubeconfig', KUBECONFIG, '--timeout', '240s'], {
    maxBuffer: 16e6,
  });
}

async function values(site: ClusterSite, crds: boolean, more: object = {}): Promise<string> {
  const file = join(directory, `${site.namespace}.json`);
  const node = {
    lfhId: site.lfhId,
    connect: { workloadRef: { kind: 'Deployment', name: 'connect' } },
    nats: {
      servers: ['tls://nats:4222'],
      advertise: [site.natsUrl],
      ca: { secretRef: { name: 'nats-tls' } },
      workloadRef: { kind: 'StatefulSet', name: 'nats' },
      reload: 'Reloader',
    },
    kafka: { brokers: ['kafka:9092'] },
  };
  await writeFile(file, JSON.stringify({ crds: { enabled: crds }, node, ...more }));
  return file;
}

const wait = (site: ClusterSite, what: string, condition = 'Ready'): Promise<unknown> =>
  cluster.kubectl(['wait', '-n', site.namespace, ...what.split(' '), `--for=condition=${condition}`, '--timeout=240s']);

async function accept(from: ClusterSite, at: ClusterSite): Promise<void> {
  const { data } = await cluster.get<{ data: Record<string, string> }>(
    'configmap/local-invitation',
    '-n',
    from.namespace,
  );
  await cluster.kubectl(['apply', '-n', at.namespace, '-f', '-'], data['syncpeer.yaml']);
}

async function pods(site: ClusterSite, labels: string): Promise<string[]> {
  const { stdout } = await cluster.kubectl(['get', 'pods', '-n', site.namespace, '-l', labels, '-o', 'name']);
  return stdout.split('\n').filter(Boolean);
}

/** Who has started: nothing may, when only a peer changes. */
async function starts(site: ClusterSite): Promise<string> {
  const { items } = await cluster.get<{
    items: {
      metadata: { uid: string };
      status: { containerStatuses?: { restartCount: number }[]; initContainerStatuses?: { restartCount: number }[] };
    }[];
  }>('pods', '-n', site.namespace, '-l', 'app in (connect,nats,kafka)');
  return items
    .map(({ metadata, status }) =>
      [
        metadata.uid,
        ...[...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])].map(
          (each) => each.restartCount,
        ),
      ].join(' '),
    )
    .sort()
    .join('\n');
}

const sent: string[] = [];
async function takeIn(site: ClusterSite, count = 1): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    // A connect pod that is being deleted may refuse one message; its sender sends it again, as a new one.
    await until(
      'connect takes it in',
      async () => sent.push((await site.takeIn('/fhir/Patient', PATIENT)).uuid) > 0,
      60_000,
      250,
    );
  }
}

/** Everything that A took in is in B's Kafka, once, in its order. */
async function arrived(b: ClusterSite, timeoutMs = PATIENCE_MS): Promise<void> {
  const all = async (): Promise<boolean> => (await replayedUuids(await b.kafka())).length >= sent.length;
  await until(`${sent.length} messages are in Kafka of ${b.lfhId}`, all, timeoutMs, 100);
  assert.deepEqual(await replayedUuids(await b.kafka()), sent);
  assert.deepEqual(await readTopic(await b.kafka(), 'LFH_EXCEPTION'), []);
}

await step('images', async () => importImages([...(await siteImages()), join(TREE, 'dist/image/lfh-sync.oci.tar')]));
const sites: ClusterSite[] = [];
for (const lfhId of ['hospital-a', 'hospital-b']) {
  sites.push(await ClusterSite.create(cluster, await cluster.createNamespace(lfhId), lfhId));
}
const [a, b] = sites as [ClusterSite, ClusterSite];
for (const site of sites) {
  const file = await values(site, site === a);
  await step(`helm install, ${site.lfhId}`, () =>
    helm(site, ['install', 'lfh-sync', join(TREE, 'charts/lfh-sync'), '-f', file]),
  );
}
for (const site of sites) await step(`NATS, Kafka and connect run, ${site.lfhId}`, () => site.running(PATIENCE_MS));
for (const site of sites) await step(`LfhSyncNode Ready, ${site.lfhId}`, () => wait(site, 'lfhnode/local'));
const before = await Promise.all(sites.map(starts));
await step('invitations exchanged, both peers Ready', async () => {
  await accept(a, b);
  await accept(b, a);
  await takeIn(a);
  for (const site of sites) await wait(site, 'lfhpeer --all');
});
await step('one FHIR message is at B, once', () => arrived(b, PROMISED_MS));
await step('no pod was restarted for it', async () => assert.deepEqual(await Promise.all(sites.map(starts)), before));
await step('helm test', async () => {
  for (const site of sites) await helm(site, ['test', 'lfh-sync']);
});

await step('connect scaled to 3 at both', async () => {
  for (const site of sites) {
    await cluster.kubectl(['scale', 'deployment/connect', '-n', site.namespace, '--replicas=3']);
    await site.running(PATIENCE_MS);
  }
  await takeIn(a, 20);
  await arrived(b);
});
await step('pods of connect deleted while messages come', async () => {
  for (let round = 0; round < 3; round += 1) {
    const found = await pods(b, 'app=connect');
    const victim = found[Math.floor(Math.random() * found.length)] as string;
    await cluster.kubectl(['delete', '-n', b.namespace, victim, '--wait=false']);
    await takeIn(a, 20);
  }
  await b.running(PATIENCE_MS);
  await arrived(b);
});
await step('the node drained, and taking pods again', async () => {
  await cluster.kubectl([
    'drain',
    'node',
    '--ignore-daemonsets',
    '--delete-emptydir-data',
    '--force',
    '--timeout=240s',
    '--pod-selector=app in (connect,nats)',
  ]);
  await cluster.kubectl(['uncordon', 'node']);
  for (const site of sites) await site.running(PATIENCE_MS);
  await takeIn(a, 20);
  await arrived(b);
});
await step('NATS restarted at both', async () => {
  for (const site of sites) await cluster.kubectl(['delete', 'pod/nats-0', '-n', site.namespace]);
  for (const site of sites) await site.running(PATIENCE_MS);
  await takeIn(a, 20);
  await arrived(b);
});
await step('chart upgraded', async () => {
  for (const site of sites) {
    const file = await values(site, site === a, { logLevel: 'debug' });
    await helm(site, ['upgrade', 'lfh-sync', join(TREE, 'charts/lfh-sync'), '-f', file, '--wait']);
  }
  await takeIn(a, 5);
  await arrived(b);
});
await step('key of B rotated, and its invitation given to A', async () => {
  const keys = async (): Promise<string[]> =>
    (await cluster.get<{ status: { publicKeys: string[] } }>('lfhnode/local', '-n', b.namespace)).status.publicKeys;
  const [old] = await keys();
  await cluster.kubectl([
    'patch',
    'lfhnode/local',
    '-n',
    b.namespace,
    '--type=merge',
    '-p',
    '{"spec":{"key":{"rotation":1}}}',
  ]);
  await until('there is another key', async () => (await keys())[0] !== old, 60_000, 250);
  const text = async (): Promise<string> =>
    (await cluster.get<{ data: Record<string, string> }>('configmap/local-invitation', '-n', b.namespace)).data[
      'syncpeer.yaml'
    ] ?? '';
  await until(
    'the invitation has it',
    async () => text().then(async (yaml) => yaml.includes((await keys())[0] as string)),
    60_000,
    250,
  );
  await accept(b, a);
  await takeIn(a, 5);
  await arrived(b);
  for (const site of sites) await wait(site, 'lfhpeer --all');
});
await step('peer B deleted at A: cut within 15 s', async () => {
  await cluster.kubectl(['delete', 'lfhpeer/hospital-b', '-n', a.namespace, '--wait=false']);
  await until(
    'B is told',
    async () => {
      const { status } = await cluster.get<{
        status: { conditions: { type: string; status: string; reason: string }[] };
      }>('lfhpeer/hospital-a', '-n', b.namespace);
      return status.conditions.some(({ type, status: is }) => type === 'ReceiveReady' && is === 'False');
    },
    PROMISED_MS,
    100,
  );
});
for (const site of [b, a]) await step(`helm uninstall, ${site.lfhId}`, () => helm(site, ['uninstall', 'lfh-sync']));
await step('keys are left, sidecars are not', async () => {
  for (const site of sites) {
    await cluster.kubectl(['get', 'secret/local-nkey', '-n', site.namespace]);
    const { stdout } = await cluster.kubectl(['get', 'deployment/connect', '-n', site.namespace, '-o', 'json']);
    assert.ok(!stdout.includes('lfh-sync:'), 'a sidecar is left');
  }
});
for (const site of sites) await step(`namespace removed, ${site.lfhId}`, () => cluster.removeNamespace(site.namespace));
await rm(directory, { recursive: true });

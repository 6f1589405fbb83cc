import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { createUser } from 'nkeys.js';
import type { ConfigMap, KubeObject } from '../../../operator/api/objects.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { type Installation, InstalledSite, PUBLISHED_SEED, withConnectKey } from '../../kit/sites/installed-site.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const EXAMPLES = join(ROOT, 'docs', 'examples');
const CERTIFICATE = ['tls.crt', 'tls.key', 'ca.crt'] as const;

const NEW_SITE: Installation = {
  page: 'install.md',
  examples: 'new-site',
  nats: { workload: 'nats-js', container: 'lfh-nats' },
  certificate: CERTIFICATE,
};
const OFFICIAL_CHART: Installation = {
  page: 'install.md',
  examples: 'official-chart',
  nats: { workload: 'nats', container: 'nats' },
  certificate: CERTIFICATE,
};

/** What the official chart renders with values of the page; it is not in this repository. */
async function rendered(values: string): Promise<{ readonly objects: readonly KubeObject[]; readonly config: string }> {
  const golden = join(ROOT, 'test', 'kit', 'golden', 'nats-chart', values);
  const found = load(await readFile(golden, 'utf8')) as { values: object; objects: readonly KubeObject[] };
  const ours = load(await readFile(join(EXAMPLES, 'official-chart', values), 'utf8'));
  assert.deepEqual(found.values, ours, `${golden} is what the chart renders with other values: render it again`);
  const config = found.objects.find(({ kind }) => kind === 'ConfigMap') as ConfigMap;
  return { objects: found.objects, config: config.data?.['nats.conf'] ?? '' };
}

/** Two hospitals take two of the paths of docs/install.md, and peer as it says. The third path: connect-manifests.test.ts. */
describe('docs/install.md', function () {
  this.timeout(180_000);
  // Each goes on where the one before it ended.
  this.bail(true);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let a: InstalledSite;
  let b: InstalledSite;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const own = await plane.createNamespace('operator');
    const namespaces = [await plane.createNamespace('new-site'), await plane.createNamespace('official-chart')];
    const kubeconfig = await grantOperatorRights(plane, own, namespaces, { nats: ['nats-js', 'nats'] });
    operator = await OperatorProcess.start(plane, { kubeconfig, namespace: own, namespaces, image: 'sync:1' });
    const [inA = '', inB = ''] = namespaces;
    a = await InstalledSite.start(plane, inA, NEW_SITE, { receives: true });
    b = await InstalledSite.start(plane, inB, OFFICIAL_CHART, { receives: true });
  });

  after(async () => {
    for (const site of [a, b]) await site?.stop();
    await operator?.stop();
  });

  /** What connect does when it starts, with the key that is in its pods: its stream. */
  async function startConnect(site: InstalledSite): Promise<void> {
    const connection = await site.connect();
    const answer = await connection.request('$JS.API.STREAM.CREATE.EVENTS', JSON.stringify(EVENTS_STREAM), {
      timeout: 20_000,
    });
    assert.equal(answer.json<{ error?: object }>().error, undefined);
    await connection.close();
    const injected = '--for=jsonpath={.spec.template.spec.initContainers[?(@.name=="lfh-sync")].name}=lfh-sync';
    await site.kubectl('wait', 'deployment/connect', injected, '--timeout=60s');
    await Promise.all([site.runPods(), site.startSidecar()]);
  }

  /** Has connect take something in. @returns its uuid */
  async function takeIn(site: InstalledSite, lfhId: string): Promise<string> {
    const { uuid, payload } = connectMessage({ lfhId, content: { resourceType: 'Patient' } });
    const connection = await site.connect();
    await connection.jetstream().publish('EVENTS.sync', payload);
    await connection.close();
    return uuid;
  }

  it('makes a node of which NATS runs the configuration, where everything is new and applied at once', async () => {
    await a.follow('kubectl apply -n lfh -k docs/examples/new-site');
    await assert.rejects(a.kubectl('get', 'configmap', 'local-nats'), /not found/);
    // The pod of NATS waits for the ConfigMap that the operator makes of the node.
    await Promise.all([a.restartNats(), a.install({})]);
    await a.waitForReason('lfhnode/local', 'NatsConfigLive', 'Live');
    await startConnect(a);
    assert.match(await a.waitForReason('lfhnode/local', 'KeyReady', 'PublishedKey'), /spec\.nats\.connect\.publicKey/);
  });

  it("makes a node of which NATS runs the configuration, beside NATS's official chart", async () => {
    await b.follow('kubectl create secret generic nats-tls');
    await b.kubectl('apply', '-f', join(EXAMPLES, 'new-site', 'connect.yaml'));
    await b.install({});
    await plane.apply((await rendered('nats-values.yaml')).objects, b.namespace);
    await b.restartNats();
    await b.waitForReason('lfhnode/local', 'NatsConfigLive', 'Live');
    await startConnect(b);
  });

  it('has values for the official chart with the stream in the default account, which nats-server takes', async () => {
    const { config } = await rendered('nats-values-users.yaml');
    const included = config.replace('include ../lfh-sync/lfh-sync.conf;', 'users: [ { user: a, password: b } ]');
    assert.notEqual(included, config);
    const withFiles = included.replaceAll('/etc/nats-certs/nats/', `${b.examples}/`).replace('$SERVER_NAME', 'nats');
    assert.match(await b.checkNatsConfig(withFiles), /is valid/);
  });

  it('makes both peers ready, and a message of each arrives at the other once', async () => {
    await a.invite(b);
    await b.invite(a);
    await Promise.all([a.follow('kubectl wait -n lfh'), b.follow('kubectl wait -n lfh')]);
    const [ofA, ofB] = [await takeIn(a, 'hospital-a'), await takeIn(b, 'hospital-b')];
    await until('both arrive', async () => {
      const [atA, atB] = await Promise.all([replayedUuids(a.kafka), replayedUuids(b.kafka)]);
      return atA.includes(ofB) && atB.includes(ofA);
    });
    assert.deepEqual([await replayedUuids(a.kafka), await replayedUuids(b.kafka)], [[ofB], [ofA]]);
  });

  it('gives connect a key of its own, and the published one is refused from then on', async () => {
    const key = createUser();
    await a.write('nats-server.nk', new TextDecoder().decode(key.getSeed()));
    await a.edit('kustomization.yaml', withConnectKey);
    await a.install({ nats: { connect: { publicKey: key.getPublicKey() } } });
    await a.follow('kubectl apply -n lfh -k docs/examples/new-site');
    await a.waitForReason('lfhnode/local', 'KeyReady', 'KeyMade');
    await a.waitForReason('lfhnode/local', 'NatsConfigLive', 'Live');
    await assert.rejects(a.connect(PUBLISHED_SEED), /Authorization Violation/);
    await (await a.connect()).close();
  });

  it("follows the address of the peers' Service, where advertiseFrom names it, and keeps the invitation until there is one", async () => {
    const invitation = (): Promise<string> =>
      a.kubectl('get', 'configmap', 'local-invitation', '-o', 'jsonpath={.data.syncpeer\\.yaml}');
    const before = await invitation();
    const from = { advertise: null, advertiseFrom: { serviceRef: { name: 'nats-js-peers' } } };
    await a.kubectl('patch', 'lfhnode', 'local', '--type=merge', '-p', JSON.stringify({ spec: { nats: from } }));
    await a.waitForReason('lfhnode/local', 'NatsConfigLive', 'AddressPending');
    assert.equal(await invitation(), before);
    for (const ip of ['192.0.2.10', '192.0.2.11']) {
      const status = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip, ipMode: 'VIP' }] } } });
      await a.kubectl('patch', 'service', 'nats-js-peers', '--subresource=status', '--type=merge', '-p', status);
      await until('the invitation has it', async () => (await invitation()).includes(`tls://${ip}:4222`));
    }
    await a.waitForReason('lfhnode/local', 'NatsConfigLive', 'Live');
  });

  it('has Secrets as files that an API server takes', async () => {
    for (const file of ['nats-tls.yaml', 'connect-nkey.yaml', 'kafka.yaml']) {
      const create = ['create', '--dry-run=server', '--validate=strict', '-f', join(EXAMPLES, 'secrets', file)];
      await (file === 'nats-tls.yaml' ? assert.rejects(b.kubectl(...create), /already exists/) : b.kubectl(...create));
    }
    await b.kubectl(
      'create',
      '--dry-run=server',
      '--validate=strict',
      '-f',
      join(EXAMPLES, 'moving-a-stream', 'nats-box.yaml'),
    );
  });
});

import assert from 'node:assert/strict';
import { type ConfigMap, KINDS, type Workload } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { failWrites } from '../../kit/sites/admission.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

describe('an operator that gets no ConfigMap made where the API server answers 500', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let namespace: string;
  let operator: OperatorProcess;
  let site: OperatedSite | undefined;
  let undo = (): Promise<void> => Promise.resolve();

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  beforeEach(async () => {
    const started = await OperatorProcess.startOver(plane, ['failing']);
    operator = started.operator;
    [namespace = ''] = started.options.namespaces;
  });

  afterEach(async () => {
    await undo();
    await site?.stop();
    site = undefined;
    await operator?.stop();
  });

  async function start(nats: object = {}): Promise<OperatedSite> {
    site = await OperatedSite.start(plane, namespace, 'hospital-a', { kafka: false, spec: { nats } });
    return site;
  }

  async function makePeer(at: OperatedSite, lfhId: string): Promise<string> {
    const { publicKey } = makeKey();
    await at.apply(KINDS.peer, lfhId, { spec: { lfhId, publicKeys: [publicKey] } });
    await until('it is let in', async () => (await natsFiles(at)).includes(publicKey));
    return publicKey;
  }

  async function natsFiles(at: OperatedSite): Promise<string> {
    return JSON.stringify((await at.get<ConfigMap>(KINDS.configMap, 'local-nats'))?.data);
  }

  /** Removes a ConfigMap that cannot be made any more. */
  async function lose(at: OperatedSite, name: string): Promise<void> {
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
    const writes = { resource: 'configmaps', operations: ['CREATE'], name } as const;
    await at.kubectl('delete', 'configmap', name);
    undo = await failWrites(plane, namespace, writes, async () => {
      await at.kubectl('delete', 'configmap', name, '--ignore-not-found');
      await plane.kubectl(['-n', namespace, 'create', '--dry-run=server', '-f', '-'], text);
    });
    await at.kubectl('delete', 'configmap', name, '--ignore-not-found');
  }

  it('takes access back and looks after the other peers all the same, and says so where it lasts', async () => {
    const at = await start();
    const key = await makePeer(at, 'hospital-b');
    await at.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'AwaitingPeer');
    await lose(at, 'local-sidecar');
    await at.kubectl('delete', 'lfhpeer', 'hospital-b');
    await until('its access is taken back', async () => !(await natsFiles(at)).includes(key));
    await makePeer(at, 'hospital-c');
    await at.waitForReason('lfhpeer', 'hospital-c', 'SendReady', 'AwaitingPeer');
    const message = await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'WriteRefused');
    assert.match(message, /local-sidecar.*failed calling webhook/);
    await undo();
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    assert.ok(await at.get(KINDS.configMap, 'local-sidecar'));
  });

  it('restarts the nats-servers that would else let in whose access was taken back', async () => {
    const at = await start({ reload: 'Restart', workloadRef: { name: 'nats' } });
    const labels = { app: 'nats' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'nats', image: 'nats:2.15' }] } };
    const spec = { serviceName: 'nats', replicas: 1, selector: { matchLabels: labels }, template };
    const { apiVersion, kind } = KINDS.statefulSet;
    await plane.apply([{ apiVersion, kind, metadata: { name: 'nats' }, spec }], namespace);
    const ordered = async (): Promise<string | undefined> =>
      (await at.get<Workload>(KINDS.statefulSet, 'nats'))?.spec.template.metadata?.annotations?.[
        'sync.linuxforhealth.io/config'
      ];
    const key = await makePeer(at, 'hospital-b');
    await until('a restart lets it in', async () => (await ordered()) !== undefined);
    await lose(at, 'local-invitation');
    const before = await ordered();
    await at.kubectl('delete', 'lfhpeer', 'hospital-b');
    await until('its access is taken back', async () => !(await natsFiles(at)).includes(key));
    await until('a restart is ordered', async () => (await ordered()) !== before);
  });
});

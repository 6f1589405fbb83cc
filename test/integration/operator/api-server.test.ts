import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { KINDS, type Lease } from '../../../operator/api/objects.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { ControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

/** On a control plane of its own: what happens to its API server would happen to every other test as well. */
describe('an operator', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let namespace: string;
  let site: OperatedSite | undefined;
  let operator: OperatorProcess | undefined;

  before(async function () {
    this.timeout(1_200_000);
    plane = await ControlPlane.start();
    namespace = await plane.createNamespace('hospital');
  });

  after(async () => {
    await site?.stop();
    await operator?.stop();
    await plane?.stop();
  });

  function running(): { site: OperatedSite; operator: OperatorProcess } {
    assert.ok(site && operator, 'the test before this one has failed');
    return { site, operator };
  }

  async function takesUp(at: OperatedSite, lfhId: string): Promise<void> {
    await at.apply(KINDS.peer, lfhId, { spec: { lfhId, publicKeys: [makeKey().publicKey] } });
    await at.waitForReason('lfhpeer', lfhId, 'SendReady', 'AwaitingPeer', 60_000);
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live', 60_000);
  }

  it('sends what follows each other on one connection, but for what must be in time, and writes four things at once', async () => {
    let connections = 0;
    const init = (_id: number, type: string): void => void (connections += type === 'TCPCONNECTWRAP' ? 1 : 0);
    const counting = createHook({ init }).enable();
    const countOf = async (api: KubeClient): Promise<number> => {
      const before = connections;
      for (let n = 0; n < 5; n += 1) assert.deepEqual((await api.list(KINDS.secret, namespace)).items, []);
      return connections - before;
    };
    try {
      assert.equal(await countOf(new KubeClient(plane.kubeConfig(), () => true, true)), 1);
      assert.equal(await countOf(new KubeClient(plane.kubeConfig())), 5);
      const before = connections;
      const writing = new KubeClient(plane.kubeConfig(), () => true, true);
      const { apiVersion, kind } = KINDS.configMap;
      const some = Array.from({ length: 40 }, (_, n) => ({
        apiVersion,
        kind,
        metadata: { name: `n-${n}`, namespace },
      }));
      await Promise.all(some.map((each) => writing.apply(each)));
      assert.equal(connections - before, 4);
      await Promise.all(some.map(({ metadata: { name } }) => writing.delete(KINDS.configMap, namespace, name)));
    } finally {
      counting.disable();
    }
  });

  it('waits for its CRDs, reports that they are missing, and works when they are installed', async () => {
    const kubeconfig = await grantOperatorRights(plane, namespace, [namespace]);
    operator = await OperatorProcess.start(plane, { kubeconfig, namespace, namespaces: [namespace] }, '/healthz');
    await notReady(operator);
    assert.match(operator.process.output(), /is its CustomResourceDefinition installed\?/);
    await plane.installCrds();
    site = await OperatedSite.start(plane, namespace, 'hospital-a', { kafka: false });
    await takesUp(site, 'hospital-b');
    assert.ok((await operator.get('/readyz')).ok);
  });

  it('goes on when the API server was restarted or has crashed, and takes up what changes then', async () => {
    const { site: at, operator: same } = running();
    await plane.apiServer.restart();
    await goesOn(same);
    await takesUp(at, 'hospital-c');
    await plane.apiServer.kill();
    await plane.apiServer.start();
    await goesOn(same);
    await takesUp(at, 'hospital-d');
  });

  /** On a busy machine it is away for longer than the lease can do without: then the operator ends, and the kubelet starts it. */
  async function goesOn(same: OperatorProcess): Promise<void> {
    const renewTime = async (): Promise<string | undefined> =>
      (await plane.api.get<Lease>(KINDS.lease, namespace, 'lfh-sync-operator'))?.spec?.renewTime;
    const before = await renewTime();
    const goesOn = async (): Promise<boolean> => !same.process.running || (await renewTime()) !== before;
    await until('it has ended, or renews its lease', goesOn);
    if (same.process.running) return;
    assert.equal(await same.process.exited(), 1);
    assert.match(same.process.output(), /could not be renewed for 10 s/);
    await same.start();
  }

  it('waits for an API server that is down when the operator starts', async () => {
    const { site: at, operator: same } = running();
    await same.stop();
    await plane.apiServer.stop();
    await same.start(undefined, '/healthz');
    await until('it has tried', () => /cannot reach the lease; trying again/.test(same.process.output()));
    await plane.apiServer.start();
    await takesUp(at, 'hospital-e');
    assert.ok(same.process.running);
  });
});

async function notReady(operator: OperatorProcess): Promise<void> {
  await until('it tells what it waits for', async () => {
    const answer = await operator.get('/readyz');
    return answer.status === 503 && /are the CRDs installed/.test(await answer.text());
  });
  await until('it has tried again', () => operator.process.output().includes('CustomResourceDefinition'));
}

import assert from 'node:assert/strict';
import { SYNC_SUBJECT } from '../../../common/contract/names.ts';
import { type ConfigMap, KINDS } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { type OperatorInNamespaces, OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const PEER = 'hospital-b';

describe('an operator', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  const sites: OperatedSite[] = [];

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  afterEach(async () => {
    for (const site of sites.splice(0)) await site.stop();
    await operator?.stop();
  });

  /** A site with one peer that is let in, and what that peer signs in with. */
  async function siteWithPeer(): Promise<{ site: OperatedSite; peer: { lfhId: string; seed: Uint8Array } }> {
    const started: OperatorInNamespaces = await OperatorProcess.startOver(plane, ['deletion']);
    operator = started.operator;
    const [namespace = ''] = started.options.namespaces;
    const site = await OperatedSite.start(plane, namespace, 'hospital-a', { kafka: false });
    sites.push(site);
    const { seed, publicKey } = makeKey();
    await admit(site, publicKey);
    return { site, peer: { lfhId: PEER, seed: Buffer.from(seed) } };
  }

  async function admit(site: OperatedSite, publicKey: string): Promise<void> {
    await site.apply(KINDS.peer, PEER, { spec: { lfhId: PEER, publicKeys: [publicKey] } });
    await site.waitForReason('lfhpeer', PEER, 'SendReady', 'AwaitingPeer');
  }

  async function filesOf(site: OperatedSite): Promise<string> {
    const found = await site.get<ConfigMap>(KINDS.configMap, 'local-nats');
    return JSON.stringify(found?.data);
  }

  async function hasNoAccess(site: OperatedSite, peer: { lfhId: string; seed: Uint8Array }): Promise<void> {
    await until('the peer is refused', () =>
      site.site.connectAs(peer).then(
        async (connection) => (await connection.close(), false),
        (error: Error) => /authorization/i.test(error.message),
      ),
    );
  }

  it('drops the access, the live connection and the durable of a peer that is deleted, and nothing else', async () => {
    const { site, peer } = await siteWithPeer();
    const connection = await site.site.connectAs(peer);
    const closed = connection.closed();
    const own = await site.site.connect();
    await site.kubectl('delete', 'lfhpeer', PEER);
    await closed;
    await hasNoAccess(site, peer);
    await until('its durable is gone', () =>
      site.site.durableInfo(PEER).then(
        () => false,
        () => true,
      ),
    );
    assert.ok(!(await filesOf(site)).includes('lfh-sync-hospital-b'));
    assert.ok(!own.isClosed());
    await own.jetstream().publish(SYNC_SUBJECT, 'still there');
  });

  it('revokes the access of a peer that is deleted while NATS is down, so that it is refused when NATS is up again', async () => {
    const { site, peer } = await siteWithPeer();
    await site.site.nats.stop();
    await site.kubectl('delete', 'lfhpeer', PEER, '--timeout=10s');
    await until('its access is taken back', async () => !(await filesOf(site)).includes('lfh-sync-hospital-b'));
    await site.site.nats.start();
    await hasNoAccess(site, peer);
    await until('its durable is gone', () =>
      site.site.durableInfo(PEER).then(
        () => false,
        () => true,
      ),
    );
  });

  it('revokes the access of a peer that was deleted while no operator ran', async () => {
    const { site, peer } = await siteWithPeer();
    await operator.kill();
    await site.kubectl('delete', 'lfhpeer', PEER, '--timeout=10s');
    await (await site.site.connectAs(peer)).close();
    await operator.start();
    await hasNoAccess(site, peer);
    await until('its durable is gone', () =>
      site.site.durableInfo(PEER).then(
        () => false,
        () => true,
      ),
    );
  });

  for (const state of ['runs', 'is down'] as const) {
    it(`keeps the key and the administrators' access of a node that is deleted while the operator ${state}, and revokes its peers`, async () => {
      const { site, peer } = await siteWithPeer();
      const key = (await site.keySecret()).data;
      const { publicKey } = makeKey();
      if (state === 'is down') await operator.kill();
      await site.kubectl('delete', 'lfhnode', 'local', '--timeout=10s');
      if (state === 'is down') await operator.start();
      await until('no peer is left in the files', async () => !(await filesOf(site)).includes('lfh-sync-hospital-b'));
      await hasNoAccess(site, peer);
      await (await site.site.connect()).close();
      const message = await site.waitForReason('lfhpeer', PEER, 'Ready', 'NodeMissing');
      assert.match(message, /there is no LfhSyncNode local in this namespace/);
      await until('what only the node needs is gone', async () => {
        const left = await site.kubectl('get', 'configmap', '-o', 'name');
        return !/local-(sidecar|invitation)/.test(left) && left.includes('local-nats');
      });
      assert.deepEqual((await site.keySecret()).data, key);

      await site.kubectl('delete', 'lfhpeer', PEER, '--timeout=10s');
      await site.recreateNode();
      await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
      await admit(site, publicKey);
      assert.deepEqual((await site.keySecret()).data, key);
    });

    it(`lets a namespace be removed with everything in it while the operator ${state}`, async () => {
      const { site } = await siteWithPeer();
      if (state === 'is down') await operator.kill();
      await plane.removeNamespace(site.namespace);
      if (state === 'is down') await operator.start();
      const ready = await operator.get('/healthz');
      assert.ok(ready.ok);
    });
  }
});

import assert from 'node:assert/strict';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { connectManifest, OperatedWorkload } from '../../kit/sites/operated-workload.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

const DEPLOYMENT = { workloadRef: { name: 'connect' } };

/** A stock connect calls itself by the name of its pod, and peers reject all that it sends. */
describe("the id of a node's connect", function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  const free: string[] = [];

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const own = await plane.createNamespace('connect-ids');
    for (let n = 0; n < 3; n += 1) free.push(await plane.createNamespace('connect-id'));
    const kubeconfig = await grantOperatorRights(plane, own, free);
    operator = await OperatorProcess.start(plane, {
      kubeconfig,
      namespace: own,
      namespaces: [...free],
      image: 'sync:1',
    });
  });

  after(() => operator?.stop());

  function space(): OperatedWorkload {
    return new OperatedWorkload(plane, free.pop() ?? '');
  }

  it('gives a connect its id that has none, and takes it away again with the sidecar', async () => {
    const at = space();
    await at.apply(connectManifest());
    await at.makeNode(DEPLOYMENT);
    await at.waitForInjection();
    assert.equal((await at.sidecarIn()).lfhId, `${at.namespace}-local`);
    assert.equal((await at.node()).status?.lfhId, `${at.namespace}-local`);
    await at.patchNode({ connect: null });
    await at.waitForRemoval();
    assert.equal((await at.sidecarIn()).lfhId, undefined);
  });

  it('goes into no connect that calls itself otherwise than its node, in whatever way it is configured', async () => {
    const at = space();
    await at.apply(connectManifest({ env: { CONNECT_LFH_ID: 'hospital-x' } }));
    await at.makeNode(DEPLOYMENT);
    const message = await at.waitForReason('LfhIdMismatch');
    assert.match(
      message,
      /Deployment\/connect: env of the container connect sets CONNECT_LFH_ID to hospital-x, and this node is/,
    );
    assert.equal((await at.sidecarIn()).container, undefined);
    const own = `${at.namespace}-local`;
    await at.apply(connectManifest({ env: { CONNECT_LFH_ID: own } }));
    await at.waitForInjection();
    const config = (id: string): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'connect-config' },
      data: { connect_lfh_id: id },
    });
    await plane.apply([config('hospital-y')], at.namespace);
    await at.apply(connectManifest({ envFrom: [{ configMapRef: { name: 'connect-config' } }] }));
    assert.match(await at.waitForReason('LfhIdMismatch'), /envFrom \(ConfigMap connect-config\).* to hospital-y/);
    await at.waitForRemoval();
    await plane.apply([config(own)], at.namespace);
    await at.waitForInjection();
    assert.equal((await at.sidecarIn()).lfhId, undefined, 'where it has one from elsewhere, that stays the only one');
  });

  it('gives a node without an id that of its connect, for good', async () => {
    const at = space();
    await at.apply(connectManifest());
    await at.makeNode(DEPLOYMENT, 'local', { lfhId: undefined });
    await until('the node has no id', async () => {
      const { conditions = [] } = (await at.node()).status ?? {};
      return conditions.some(({ reason, message }) => reason === 'InvalidSpec' && /no CONNECT_LFH_ID/.test(message));
    });
    await at.apply(connectManifest({ env: { CONNECT_LFH_ID: 'hospital-z' } }));
    await at.waitForInjection();
    assert.equal((await at.node()).status?.lfhId, 'hospital-z');
    assert.equal((await at.node()).status?.name, 'lfh-sync-hospital-z');
    await at.apply(connectManifest({ env: { CONNECT_LFH_ID: 'hospital-q' } }));
    assert.match(
      await at.waitForReason('LfhIdMismatch'),
      /sets CONNECT_LFH_ID to hospital-q, and this node is hospital-z/,
    );
    await assert.rejects(at.patchNode({ lfhId: 'hospital-q' }), /is not the one by which the peers know this node/);
    await at.patchNode({ lfhId: 'hospital-z' });
    await assert.rejects(at.patchNode({ lfhId: null }), /cannot be changed/);
  });
});

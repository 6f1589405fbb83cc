import assert from 'node:assert/strict';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedWorkload } from '../../kit/sites/operated-workload.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

describe('an operator of several namespaces', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess | undefined;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  after(() => operator?.stop());

  it('works in those that it may watch, reports the others, and takes them up when it gets the right', async () => {
    const own = await plane.createNamespace('several');
    const seen = await plane.createNamespace('seen');
    const unseen = await plane.createNamespace('unseen');
    const kubeconfig = await grantOperatorRights(plane, own, [seen]);
    const [here, there] = [new OperatedWorkload(plane, seen), new OperatedWorkload(plane, unseen)];
    for (const at of [here, there]) await at.makeNode(undefined);
    operator = await OperatorProcess.start(
      plane,
      { kubeconfig, namespace: own, namespaces: [seen, unseen, 'gone'] },
      '/healthz',
    );
    await here.waitForReason('NoReport');
    assert.equal((await there.node()).status, undefined);
    const answer = await operator.get('/readyz');
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), new RegExp(`namespaces: ${unseen}, gone;`));
    await grantOperatorRights(plane, own, [unseen]);
    await there.waitForReason('NoReport');
    await until('only one is missing', async () =>
      /: gone;/.test((await (await operator?.get('/readyz'))?.text()) ?? ''),
    );
  });
});

import assert from 'node:assert/strict';
import { probeOutcome } from '../../../../operator/controller/nats.ts';
import { nodeAndPeerStatuses } from '../../../../operator/plan/status/status.ts';
import { aNode, aPeer, NOW, observedOf, settledPlanOf, USE, wellFor } from '../plan/fixtures.ts';

describe('a probe that ends in a bug', () => {
  const bug = new TypeError('nothing was prepared for this');

  it('does not throw, so that a status is published, and says what the bug is', async () => {
    const { dataPlane, unreadableAnswers, bug: found } = await probeOutcome(Promise.reject(bug));
    assert.deepEqual([dataPlane, unreadableAnswers], [{ nats: undefined, sidecars: undefined }, undefined]);
    assert.equal(found?.error, bug);
  });

  it('calls nothing ready that is not known, though all was well before', async () => {
    const { dataPlane } = await probeOutcome(Promise.reject(bug));
    const node = aNode({ spec: { fhirServers: [{ url: 'https://fhir.example.org' }] } });
    const observed = observedOf([aPeer('b'), aPeer('c')], { node });
    const { known } = wellFor(observed.peers);
    const plan = settledPlanOf(observed);
    const statuses = nodeAndPeerStatuses(observed, { plan, keyStep: USE, dataPlane, now: NOW, ...known });
    const { peers } = statuses;
    const ready = [statuses.node, ...peers].flatMap(({ conditions = [] }) =>
      conditions.flatMap(({ type, status }) => (status === 'True' ? [type] : [])),
    );
    // The key is in the cluster, and does not depend on the probe.
    assert.deepEqual(
      ready.filter((type) => type !== 'KeyReady' && type !== 'Reconciling'),
      [],
    );
    assert.equal(peers.length, 2);
  });

  it('is not what a probe ends in that succeeds', async () => {
    const probed = { dataPlane: wellFor([aPeer('b')]).dataPlane, unreadableAnswers: 1 };
    assert.deepEqual(await probeOutcome(Promise.resolve(probed)), { ...probed, bug: undefined });
  });
});

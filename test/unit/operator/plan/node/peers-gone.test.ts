import assert from 'node:assert/strict';
import type { Condition } from '../../../../../operator/api/conditions.ts';
import { isWithoutPeers } from '../../../../../operator/plan/node/peers-gone.ts';
import { aNode } from '../fixtures.ts';

describe('isWithoutPeers', () => {
  const live = (status: Condition['status']): Condition => ({
    type: 'NatsConfigLive',
    status,
    reason: 'Live',
    message: '',
    lastTransitionTime: '2026-11-25T11:00:00Z',
  });
  const nodeWith = (total: number, status: Condition['status']) =>
    aNode({ status: { peers: { total, ready: 0 }, conditions: [live(status)] } });

  it('is so where the status counts no peer and the nats-servers run the configuration', () => {
    assert.equal(isWithoutPeers(nodeWith(0, 'True'), true), true);
    assert.equal(isWithoutPeers(nodeWith(1, 'True'), true), false);
    assert.equal(isWithoutPeers(nodeWith(0, 'False'), true), false);
    assert.equal(isWithoutPeers(aNode({ status: { conditions: [live('True')] } }), true), false);
  });

  it('does not wait for nats-servers that did not run the configuration before', () => {
    assert.equal(isWithoutPeers(nodeWith(0, 'False'), false), true);
    assert.equal(isWithoutPeers(nodeWith(1, 'False'), false), false);
  });
});

import type { Condition } from '../../../../../operator/api/types.ts';
import { deletedPeerStatus, failedPeerStatus } from '../../../../../operator/plan/status/failed.ts';
import { aPeer, NOW } from '../fixtures.ts';
import type { ConditionRow } from './condition-rows.ts';
import { conditionsIn } from './peer-condition-rows.ts';

/** A condition of a peer whose node's reconciles fail again and again, though all was well before. */
export const failedPeerRow = (type: Condition['type']): ConditionRow => ({
  what: 'the reconciles of its node fail',
  type,
  status: 'Unknown',
  reason: 'NodeNotReady',
  conditions: () =>
    failedPeerStatus(aPeer('b', { status: { conditions: conditionsIn({}) } }), 'no answer', NOW).conditions ?? [],
  says: /^its LfhSyncNode: the last reconciles failed: no answer$/,
});

/** A condition of a peer that is being deleted, though all was well before. */
export const deletedPeerRow = (type: Condition['type']): ConditionRow => ({
  what: 'it is being deleted, and a finalizer of somebody else keeps it',
  type,
  status: 'False',
  reason: 'Deleting',
  conditions: () => deletedPeerStatus(aPeer('b', { status: { conditions: conditionsIn({}) } }), NOW).conditions ?? [],
  says: /^it is being deleted: .* are being ended, .* NatsConfigLive .* whether .*; metadata\.finalizers says who keeps it$/,
});

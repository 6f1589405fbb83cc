import type { Condition } from '../../../../../operator/api/types.ts';
import { aPeer, peerReport, sidecarOf } from '../fixtures.ts';
import { type ConditionRow, rowsIn } from './condition-rows.ts';
import { conditionsIn } from './peer-condition-rows.ts';

/** What becomes of ReceiveReady when a peer's messages are rejected. */

const reports = (changes: Parameters<typeof peerReport>[1]) => ({
  dataPlane: { sidecars: [sidecarOf([peerReport('b', changes)])] },
});

const REJECTED_BEFORE: Condition = {
  type: 'ReceiveReady',
  status: 'False',
  reason: 'MessagesRejected',
  message: 'the last 7 messages',
  observedGeneration: 2,
  lastTransitionTime: '2026-11-25T11:00:00Z',
};

export const REJECTED_ROWS: readonly ConditionRow[] = rowsIn(conditionsIn)('ReceiveReady', [
  [
    'two messages in a row were rejected',
    'True',
    'Replaying',
    reports({ rejectedRun: { count: 2, reason: 'NotJson', origin: null } }),
  ],
  [
    'three messages in a row were rejected and none was replayed since',
    'False',
    'MessagesRejected',
    reports({ rejectedRun: { count: 3, reason: 'NotJson', origin: null } }),
    /^the last 3 messages were rejected .* NotJson: Not JSON\. Something other than connect/,
  ],
  [
    'a hundred messages in a row call themselves by the name of a pod',
    'False',
    'MessagesRejected',
    reports({ rejectedRun: { count: 100, reason: 'ForeignOrigin', origin: 'connect-7d9f8c-abcde' } }),
    /^the last 100 messages .* ForeignOrigin: their lfh_id is connect-7d9f8c-abcde instead of b\. .* CONNECT_LFH_ID=b .*allowOrigins/,
  ],
  [
    'messages in a row have an origin that cannot be shown',
    'False',
    'MessagesRejected',
    reports({ rejectedRun: { count: 3, reason: 'ForeignOrigin', origin: null } }),
    /their lfh_id is another one instead of b/,
  ],
  [
    'messages in a row were rejected, and now the server is away',
    'False',
    'Unreachable',
    reports({ reason: 'Unreachable', rejectedRun: { count: 3, reason: 'NotJson', origin: null } }),
  ],
  [
    'messages in a row were rejected before the sidecar was restarted, and nothing came since',
    'False',
    'MessagesRejected',
    { ...reports({ replayed: 0 }), peer: aPeer('b', { status: { conditions: [REJECTED_BEFORE] } }) },
    /^the last 7 messages$/,
  ],
  [
    'messages in a row were rejected before the sidecar was restarted, and one was replayed since',
    'True',
    'Replaying',
    { ...reports({ replayed: 1 }), peer: aPeer('b', { status: { conditions: [REJECTED_BEFORE] } }) },
  ],
]);

import { aPeer } from '../fixtures.ts';
import type { ConditionRow } from './condition-rows.ts';
import { NEVER, rows } from './peer-condition-rows.ts';

/** What a peer's two directions come to together. */

export const PEER_READY_ROWS: readonly ConditionRow[] = rows('Ready', [
  ['all is well', 'True', 'AllReady', {}],
  ['one direction is not asked for', 'True', 'AllReady', { peer: aPeer('b', { spec: { servers: undefined } }) }],
  ['one direction is wrong', 'False', 'AwaitingPeer', NEVER],
  [
    'one is wrong and the other is not known',
    'False',
    'AwaitingPeer',
    { dataPlane: { ...NEVER.dataPlane, sidecars: [] } },
  ],
  ['one is not known', 'Unknown', 'NoReport', { dataPlane: { sidecars: [] } }],
]);

import type { PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { aPeer, type Known, knownOf, liveAccessOf, PUBLISHED_KEY, userKey } from '../fixtures.ts';
import type { ConditionRow } from './condition-rows.ts';
import { inConflict, rows, type Situation } from './peer-condition-rows.ts';

/** Situations in which a peer is not to be let in any more, and a nats-server may still do so. */

const PAUSED = aPeer('b', { spec: { send: { paused: true } } });
const NO_KEY = aPeer('b', { spec: { publicKeys: [] } });
const B_AND_ITS_KEY = new Map([['lfh-sync-b', new Set([userKey('b')])]]);
/** Whom a server may let in; undefined: nobody has seen that. */
const possible = (access: ReturnType<typeof liveAccessOf>['possible']): { readonly known: Partial<Known> } => ({
  known: knownOf({ liveAccess: liveAccessOf(new Map(), { possible: access }) }),
});
const MAY_LET_IN_B = possible(B_AND_ITS_KEY);
const NOT_SEEN = possible(undefined);

/** The peer, and what its status said before this reconcile. */
function saidBefore(peer: PeerObject, reason: string, observedGeneration = 2): Situation {
  const status = reason === 'ConfigNotLive' ? 'False' : 'True';
  const condition = { type: 'SendReady', status, reason, message: '', observedGeneration } as const;
  const conditions = [{ ...condition, lastTransitionTime: '2026-11-25T11:00:00Z' }];
  return { peer: { ...peer, status: { conditions } } };
}

const MAY_HAVE_ACCESS = /; it may still have access: not every nats-server was seen to run .* without it/;

export const ACCESS_ENDING_ROWS: readonly ConditionRow[] = rows('SendReady', [
  ['it is paused, and was seen to have no access', 'True', 'Paused', { peer: PAUSED, ...possible(new Map()) }],
  ['it was just paused', 'False', 'ConfigNotLive', { peer: PAUSED, ...MAY_LET_IN_B }, MAY_HAVE_ACCESS],
  ['its keys were just taken out', 'False', 'ConfigNotLive', { peer: NO_KEY, ...MAY_LET_IN_B }, MAY_HAVE_ACCESS],
  [
    'it is paused, and nobody has seen whom the servers let in',
    'False',
    'ConfigNotLive',
    { peer: PAUSED, ...NOT_SEEN },
    MAY_HAVE_ACCESS,
  ],
  [
    'it is paused, and that was seen before the operator was started',
    'True',
    'Paused',
    { ...saidBefore(PAUSED, 'Paused'), ...NOT_SEEN },
  ],
  [
    'it has no key, and that was seen before the operator was started',
    'True',
    'NotRequested',
    { ...saidBefore(NO_KEY, 'NotRequested'), ...NOT_SEEN },
  ],
  [
    'it has no key, and was seen to have no access for another reason before the operator was started',
    'True',
    'NotRequested',
    { ...saidBefore(NO_KEY, 'Paused'), ...NOT_SEEN },
  ],
  [
    'it was paused, resumed and paused again while no operator has looked',
    'False',
    'ConfigNotLive',
    { ...saidBefore(PAUSED, 'Paused', 1), ...NOT_SEEN },
  ],
  [
    'it was paused, and that had not come into force when the operator was started',
    'False',
    'ConfigNotLive',
    { ...saidBefore(PAUSED, 'ConfigNotLive'), ...NOT_SEEN },
  ],
  [
    'it is seen to have access although it was seen to have none',
    'False',
    'ConfigNotLive',
    { ...saidBefore(PAUSED, 'Paused'), ...MAY_LET_IN_B },
  ],
  [
    'its key was just exchanged for one that is published',
    'False',
    'PublishedKey',
    { peer: aPeer('b', { spec: { publicKeys: [PUBLISHED_KEY] } }), ...MAY_LET_IN_B },
    MAY_HAVE_ACCESS,
  ],
  [
    'an older peer has its id, and with it the access under that name',
    'False',
    'Conflict',
    { ...inConflict(aPeer('b')), ...MAY_LET_IN_B },
    /^[^;]*; every node has its own$/,
  ],
  [
    'no key is named, and an older peer has the access under that name',
    'True',
    'NotRequested',
    { ...inConflict(NO_KEY), ...MAY_LET_IN_B },
  ],
]);

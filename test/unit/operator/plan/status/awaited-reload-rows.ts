import type { KnownAccess } from '../../../../../operator/plan/nats/probes.ts';
import type { ServerReport } from '../../../../../operator/plan/observed/observed.ts';
import { durableOf, NOW, natsOf, userKey } from '../fixtures.ts';
import type { ConditionRow } from './condition-rows.ts';
import { notServed, rows, type Situation } from './peer-condition-rows.ts';

/** Situations in which a peer waits, or need not wait, for servers that have not taken up what was written. */

const SERVED: KnownAccess = { access: { served: true }, at: NOW };

/** Servers have not taken up what was just written, and let in whom the configuration before lets in. */
function awaitingReload({
  letIn = [userKey('b')],
  account = 'lfh-sync-b',
  outcomes = ['Live', 'ConfigNotLive'] as readonly ServerReport['outcome'][],
  access = SERVED,
  writtenAt = NOW,
} = {}): Situation {
  const servers = outcomes.map((outcome) => ({ server: 'n', outcome, message: 'older' }));
  return {
    dataPlane: { nats: natsOf([durableOf('b')], { servers }) },
    known: {
      writtenAt,
      liveAccess: new Map([[account, new Set(letIn)]]),
      accesses: new Map([['b', access]]),
    },
  };
}

export const AWAITED_RELOAD_ROWS: readonly ConditionRow[] = rows('SendReady', [
  [
    'a server lets it in by the configuration before, and the new one was just written',
    'True',
    'Pulling',
    awaitingReload(),
  ],
  [
    'a server has not taken up the new configuration for two minutes',
    'False',
    'ConfigNotLive',
    awaitingReload({ writtenAt: NOW - 120_001 }),
  ],
  [
    'a server that is to reload does not answer',
    'False',
    'ConfigNotLive',
    awaitingReload({ outcomes: ['ConfigNotLive', 'Unreachable'] }),
  ],
  ['one of its keys is new', 'False', 'ConfigNotLive', awaitingReload({ letIn: [userKey('earlier')] })],
  ['it was not let in before', 'False', 'ConfigNotLive', awaitingReload({ account: 'lfh-sync-c' })],
  [
    'it was let in before, and was not seen to be served',
    'False',
    'ConfigNotLive',
    awaitingReload({ access: notServed }),
    /second reload/,
  ],
]);

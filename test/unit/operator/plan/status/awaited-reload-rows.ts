import type { KnownAccess } from '../../../../../operator/plan/nats/probes.ts';
import type { ServerReport } from '../../../../../operator/plan/observed/observed.ts';
import { durableOf, type Known, liveAccessOf, NOW, natsOf, userKey } from '../fixtures.ts';
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
      liveAccess: liveAccessOf(new Map([[account, new Set(letIn)]])),
      accesses: new Map([['b', access]]),
    },
  };
}

const LONG_WRITTEN: Partial<Known> = { writtenAt: NOW - 3_600_000, accesses: new Map([['b', SERVED]]) };

/** Some servers are not ready and answer, as they do where a machine has lost its kubelet. */
function notReady(
  ready: readonly ServerReport['outcome'][],
  others: readonly ServerReport['outcome'][],
): Pick<Situation, 'dataPlane'> {
  const servers = [
    ...ready.map((outcome) => ({ server: 'n', outcome, message: 'ready' })),
    ...others.map((outcome) => ({ server: 'm', outcome, message: 'older', notReady: true as const })),
  ];
  return { dataPlane: { nats: natsOf([durableOf('b')], { servers }) } };
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
  [
    'the only server that does not let it in is not ready, so that no peer is led to it',
    'True',
    'Pulling',
    { ...notReady(['Live'], ['ConfigNotLive']), known: { ...LONG_WRITTEN, liveAccess: liveAccessOf() } },
  ],
  [
    'a server lets it in by the configuration before, and one that is not ready does so for longer',
    'True',
    'Pulling',
    { ...awaitingReload(), ...notReady(['Live', 'ConfigNotLive'], ['IncludeMissing']) },
  ],
  [
    'no server is ready, and one does not let it in',
    'False',
    'ConfigNotLive',
    { ...notReady([], ['Live', 'ConfigNotLive']), known: { ...LONG_WRITTEN, liveAccess: liveAccessOf() } },
  ],
  [
    'no server is ready, and all let it in',
    'True',
    'Pulling',
    { ...notReady([], ['Live', 'Live']), known: { ...LONG_WRITTEN, liveAccess: liveAccessOf() } },
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

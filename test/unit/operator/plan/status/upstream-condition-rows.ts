import type { durableOf } from '../fixtures.ts';
import { aNode, aPeer, wellFor } from '../fixtures.ts';
import type { Case, ConditionRow } from './condition-rows.ts';
import { B, durable, JUST_NOW, LONG_AGO, progress, reports, rows, type Situation } from './peer-condition-rows.ts';

/** Every situation in which a reconcile can find a peer at a site without lfh-sync. */

/** A peer without lfh-sync, with the durable that its connect is subscribed to. */
function connectRows(): Case<Situation>[] {
  const peer = aPeer('b', { spec: { send: { client: 'Connect' } } });
  const connect = (changes: Parameters<typeof durableOf>[1], more: Situation = {}): Situation => ({
    peer,
    ...durable({ name: 'lfh-connect-b', waiting: 0, ...changes }),
    ...more,
  });
  const sent = (when: typeof JUST_NOW): Situation => ({
    known: { ...wellFor([B]).known, ...progress(JUST_NOW, when) },
  });
  const node = aNode({ spec: { nats: { ...aNode().spec.nats, isolation: 'Users' } } });
  return [
    ['connect is subscribed', 'True', 'Delivering', connect({ bound: true }, sent(LONG_AGO)), /has everything/],
    [
      'connect is being sent messages',
      'True',
      'Delivering',
      connect({ bound: true, pending: 9 }, sent(JUST_NOW)),
      /^9 messages are on their way/,
    ],
    [
      'connect has never subscribed',
      'False',
      'AwaitingPeer',
      connect({ bound: false, lastActive: null }),
      /NATS_SYNC_SUBSCRIBERS/,
    ],
    [
      'connect is not subscribed any more',
      'False',
      'NotSubscribed',
      connect({ bound: false }, sent(LONG_AGO)),
      /since 2026-11-25T11:58:59\.000Z; it must be started again/,
    ],
    [
      'connect has never subscribed, and a sidecar asked before the client was changed',
      'False',
      'AwaitingPeer',
      {
        ...connect({ bound: false, lastActive: null }),
        peer: aPeer('b', {
          spec: { send: { client: 'Connect' } },
          status: { send: { client: 'Sidecar', lastPullTime: '2026-11-25T11:59:58Z' } },
        }),
      },
    ],
    ['connect was away for a moment', 'True', 'Delivering', connect({ bound: false }, sent(JUST_NOW))],
    [
      'connect takes messages and acknowledges none',
      'False',
      'Lagging',
      connect({ bound: true, pending: 9 }, sent(LONG_AGO)),
    ],
    ['it has the durable of a sidecar', 'False', 'ConsumerMissing', { peer, ...durable({}) }, /is being made/],
    [
      'the node has no accounts for connect',
      'False',
      'ClientNotSupported',
      { observed: { node }, peer },
      /isolation.*Accounts/,
    ],
    [
      'a sidecar needs no account, whatever others do',
      'True',
      'Pulling',
      { observed: { node, peers: [B, aPeer('c', { spec: { send: { client: 'Connect' } } })] } },
    ],
  ];
}

export const UPSTREAM_SEND_ROWS: readonly ConditionRow[] = rows('SendReady', connectRows());

export const UPSTREAM_RECEIVE_ROWS: readonly ConditionRow[] = rows(
  'ReceiveReady',
  (['KeyRefused', 'ConsumerMissing', 'PermissionDenied'] as const).flatMap((reason): Case<Situation>[] => {
    const peer = aPeer('b', { spec: { receive: { manual: true } } });
    const hands = /why; status\.receive\.manual has what to hand to its administrator/;
    return [
      [
        `a site without lfh-sync has not given access yet: ${reason}`,
        'False',
        'AwaitingPeer',
        { peer, ...reports({ reason, message: 'why', position: null }) },
        new RegExp(`^the other side has not given us access yet: ${hands.source}`),
      ],
      [
        `a site without lfh-sync gives no access any more: ${reason}`,
        'False',
        reason,
        { peer, ...reports({ reason, message: 'why' }) },
        new RegExp(`^${hands.source}`),
      ],
    ];
  }),
);

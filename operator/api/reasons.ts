import { KEY, NATS_CONFIG, SIDECAR, STREAM_REASONS, TRANSMIT } from './node-reasons.ts';
import { RECEIVE, SEND } from './peer-reasons.ts';
import { fine, type ReasonEntry, unknown } from './reason-entry.ts';

/** Every reason of every condition. Plans can use no others, and docs/api.md is made from this table. */

/** Ready repeats the reason of one of the other conditions, so their reasons are its own as well. */
const READY = {
  AllReady: fine('Everything is as asked for.'),
  Reconciling: unknown('passes', 'The operator has not reconciled this yet. If it stays: is the operator running?'),
} as const;

const PEER = ['LfhSyncPeer'] as const;
const NODE = ['LfhSyncNode'] as const;
const BOTH = ['LfhSyncNode', 'LfhSyncPeer'] as const;

/** Every condition: the kinds that have it, what True means, and its reasons. */
export const CONDITIONS = {
  ReceiveReady: { of: PEER, meaning: 'What the peer takes in arrives here.', reasons: RECEIVE },
  SendReady: { of: PEER, meaning: 'The peer can fetch what we take in, and does.', reasons: SEND },
  KeyReady: { of: NODE, meaning: 'There is a key to sign in with, and no published one is in force.', reasons: KEY },
  NatsConfigLive: {
    of: NODE,
    meaning: 'Every nats-server of ours runs the configuration that lets the peers in.',
    reasons: NATS_CONFIG,
  },
  StreamReady: { of: NODE, meaning: 'There is a stream for the peers to fetch from.', reasons: STREAM_REASONS },
  SidecarReady: { of: NODE, meaning: 'The sidecars are there and work.', reasons: SIDECAR },
  TransmitReady: {
    of: NODE,
    meaning: 'What was replayed is transmitted to every FHIR server.',
    reasons: TRANSMIT,
  },
  Ready: {
    of: BOTH,
    meaning:
      'All of the above hold. If not, it has the reason and the message of the worst of them: False before Unknown.',
    reasons: READY,
  },
  Reconciling: {
    of: BOTH,
    meaning:
      'Something is not as asked for, and passes by itself. It exists only while that is so, and has that reason.',
    reasons: {},
  },
  Stalled: {
    of: BOTH,
    meaning: 'Somebody here has to do something first. It exists only while that is so, and has that reason.',
    reasons: {},
  },
} as const;

export type ConditionType = keyof typeof CONDITIONS;

type Reasons = { readonly [Type in ConditionType]: keyof (typeof CONDITIONS)[Type]['reasons'] };

/** The reasons that a condition may have. */
export type ReasonOf<Type extends ConditionType> = Type extends 'Ready' | 'Reconciling' | 'Stalled'
  ? Reasons[ConditionType]
  : Reasons[Type];

/** The entry of a reason; undefined where the table has none, as for a reason that another version has written. */
export function reasonEntry(type: string, reason: string): ReasonEntry | undefined {
  const conditions: Readonly<Record<string, { readonly reasons: Readonly<Record<string, ReasonEntry>> }>> = CONDITIONS;
  return conditions[type]?.reasons[reason];
}

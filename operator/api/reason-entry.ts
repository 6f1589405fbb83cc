import type { Condition } from './types.ts';

/** The parts of the tables of reasons. */

export type ConditionStatus = Condition['status'];

/**
 * Who can end the problem. It `passes` by itself, or `we` must do something in this namespace or on our own servers, or the
 * `peer`'s administrator must. `withProgress` derives `Reconciling` and `Stalled` from it.
 */
export type EndedBy = 'passes' | 'we' | 'peer';

/** The same in words: docs/api.md and `lfh-sync explain` say who ends a reason. */
export const ENDED_BY: Readonly<Record<EndedBy, string>> = { passes: 'itself', we: 'us', peer: 'the peer' };

export interface ReasonEntry {
  /** The statuses that a condition with this reason may have. */
  readonly statuses: readonly ConditionStatus[];
  /** Absent where nothing is wrong. */
  readonly endedBy?: EndedBy;
  /** What the reason means, and what to do. */
  readonly text: string;
}

/** Nothing is wrong. */
export const fine = (text: string): ReasonEntry => ({ statuses: ['True'], text });
/** The condition does not hold. */
export const bad = (endedBy: EndedBy, text: string): ReasonEntry => ({ statuses: ['False'], endedBy, text });
/** Nothing recent is known. */
export const unknown = (endedBy: EndedBy, text: string): ReasonEntry => ({ statuses: ['Unknown'], endedBy, text });
/** False or Unknown, depending on the cause. */
export const badOrUnknown = (endedBy: EndedBy, text: string): ReasonEntry => ({
  statuses: ['False', 'Unknown'],
  endedBy,
  text,
});

/** What can be wrong with certificate authorities in a spec; plan/trust finds these problems. */
export const TRUST = {
  CertificateInvalid: bad('we', 'The text is not the PEM of a certificate authority; the message says where.'),
  NotACertificateAuthority: bad(
    'we',
    "A certificate is not that of a CA. Give the CA that signed the server's certificate, not the server's certificate.",
  ),
  PrivateKeyPasted: bad(
    'we',
    'There is a private key where a certificate belongs. Remove it, and have the key replaced, since it must be considered compromised.',
  ),
  MissingReference: bad(
    'we',
    'A ConfigMap or Secret that the spec names does not exist or lacks the entry; the message says which. Make it.',
  ),
} as const;

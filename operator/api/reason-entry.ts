import type { Condition } from './types.ts';

/** What the tables of reasons are made of. */

export type ConditionStatus = Condition['status'];

/**
 * Who can end it. It `passes` by itself, or `we` must do something in this namespace or on our own servers, or the
 * `peer`'s administrator must. Tells `withProgress` what kstatus is to hear.
 */
export type EndedBy = 'passes' | 'we' | 'peer';

export interface ReasonEntry {
  /** Those that it comes with. */
  readonly statuses: readonly ConditionStatus[];
  /** Absent where nothing is wrong. */
  readonly endedBy?: EndedBy;
  /** What it means, and what to do. */
  readonly text: string;
}

/** All is well. */
export const fine = (text: string): ReasonEntry => ({ statuses: ['True'], text });
/** It is not so. */
export const bad = (endedBy: EndedBy, text: string): ReasonEntry => ({ statuses: ['False'], endedBy, text });
/** Nothing fresh is known. */
export const unknown = (endedBy: EndedBy, text: string): ReasonEntry => ({ statuses: ['Unknown'], endedBy, text });
/** Depends on what is behind it. */
export const badOrUnknown = (endedBy: EndedBy, text: string): ReasonEntry => ({
  statuses: ['False', 'Unknown'],
  endedBy,
  text,
});

/** What can be wrong with certificate authorities that somebody has written down; the names are those of plan/trust.ts. */
export const TRUST = {
  CertificateInvalid: bad('we', 'What should be the PEM of a certificate authority is none; the message says where.'),
  NotACertificateAuthority: bad(
    'we',
    "A certificate is no authority's. Give the CA that signed the server's certificate, not that certificate.",
  ),
  PrivateKeyPasted: bad(
    'we',
    'There is a private key where a certificate belongs. Remove it, and consider the key compromised: have it replaced.',
  ),
  MissingReference: bad(
    'we',
    'A ConfigMap or Secret that the spec names is not there, or lacks the key; the message says which. Make it.',
  ),
} as const;

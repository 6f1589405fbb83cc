import type { Access } from './files.ts';

/** A key that the nats-servers let in, or that they do not let in any more. */
export interface AccessChange {
  readonly reason: 'AccessGranted' | 'AccessTakenBack';
  /** The name of the peer's account. */
  readonly account: string;
  readonly key: string;
}

/** What has become different between two configurations, both of which all nats-servers ran; taken back first. */
export function accessChanges(before: Access, after: Access): AccessChange[] {
  return [...keysIn(before, after, 'AccessTakenBack'), ...keysIn(after, before, 'AccessGranted')];
}

function keysIn(there: Access, notThere: Access, reason: AccessChange['reason']): AccessChange[] {
  return [...there].flatMap(([account, keys]) =>
    [...keys].filter((key) => !notThere.get(account)?.has(key)).map((key) => ({ reason, account, key })),
  );
}

import type { NodeObject, PeerObject } from './observed.ts';

/** Sorts the older object first. Objects of the same second are sorted by their names, so that the order is always the same. */
export function byAge(a: PeerObject | NodeObject, b: PeerObject | NodeObject): number {
  return ageKey(a) < ageKey(b) ? -1 : 1;
}

function ageKey({ metadata }: PeerObject | NodeObject): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.namespace}/${metadata.name}`;
}

import type { PeerObject, StoredNode } from './observed.ts';

/** Sorts the older object first. Objects of the same second are sorted by their names, so that the order is always the same. */
export function byAge(a: PeerObject | StoredNode, b: PeerObject | StoredNode): number {
  return ageKey(a) < ageKey(b) ? -1 : 1;
}

function ageKey({ metadata }: PeerObject | StoredNode): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.namespace}/${metadata.name}`;
}

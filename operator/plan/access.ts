import type { DataPlane, PeerAccess, PeerObject } from './observed.ts';
import type { Plan } from './plan.ts';

/** Which peers' accounts are looked into, and what is known of them from then. */

export interface KnownAccess {
  readonly access: PeerAccess;
  /** In milliseconds since 1970. */
  readonly at: number;
}

/** By the peer's name. Kept from turn to turn. */
export type Accesses = ReadonlyMap<string, KnownAccess>;

/** With which key a peer is connected changes when its administrator rotates it: that need not show at once. */
const LOOK_AGAIN_MS = 60_000;
/** A look is a connection of its own, and a turn must end. */
const LOOKS_A_TURN = 25;

/**
 * The peers whose accounts to look into now: those that were not seen to be served yet, and those that were seen longest ago.
 * Nobody before the second of two reloads, since a server would only log that it refuses the probe.
 */
export function peersToLookAt(
  { granted, files }: Pick<Plan, 'granted' | 'files'>,
  known: Accesses,
  now: number,
): PeerObject[] {
  if (files?.reload !== 2) return [];
  const age = ({ metadata }: PeerObject): number => {
    const seen = known.get(metadata.name);
    return seen?.access.served ? now - seen.at : Number.POSITIVE_INFINITY;
  };
  return granted
    .filter((peer) => age(peer) > LOOK_AGAIN_MS)
    .sort((a, b) => (age(a) > age(b) ? -1 : 1))
    .slice(0, LOOKS_A_TURN);
}

/** What is known after a turn; a peer that is not let in any more is forgotten. */
export function advanceAccesses(
  known: Accesses,
  { granted }: Pick<Plan, 'granted'>,
  { nats }: DataPlane,
  now: number,
): Accesses {
  return new Map(
    granted.flatMap(({ metadata: { name } }) => {
      const access = nats?.access.get(name);
      const next = access ? { access, at: now } : known.get(name);
      return next ? [[name, next]] : [];
    }),
  );
}

import type { DataPlane, PeerAccess, PeerObject } from '../observed/observed.ts';
import type { Phase } from './files.ts';

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
 * The peers whose accounts to look into now: those that were not seen to be served yet, and those that were seen a while ago.
 * Whoever was looked at longest ago comes first, served or not: else some that never are would take every turn.
 * Nobody before the second of two reloads, since a server would only log that it refuses the probe.
 */
export function peersToProbe(
  { granted, phase }: { readonly granted: readonly PeerObject[]; readonly phase: Phase | undefined },
  known: Accesses,
  now: number,
): PeerObject[] {
  if (phase !== 'final') return [];
  const seenAt = ({ metadata }: PeerObject): number => known.get(metadata.name)?.at ?? Number.NEGATIVE_INFINITY;
  const isDue = (peer: PeerObject): boolean => {
    const seen = known.get(peer.metadata.name);
    // A clock that was put back makes what was seen neither fresh nor old.
    return !seen?.access.served || Math.abs(now - seen.at) > LOOK_AGAIN_MS;
  };
  return granted
    .filter(isDue)
    .sort((a, b) => Math.sign(seenAt(a) - seenAt(b)) || 0)
    .slice(0, LOOKS_A_TURN);
}

/** What is known after a turn; a peer that is not let in any more is forgotten. */
export function advanceAccesses(
  known: Accesses,
  granted: readonly PeerObject[],
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

/** Longer than a look at every peer of a large node takes. */
const LEFT_OUT_MS = 60_000;

/**
 * Whether a peer is not served though what lets it in has been live for a while. Its pulls then reach no durable until
 * nats-server reloads once more.
 *
 * @param writtenAt when what is written now was, in milliseconds since 1970
 */
export function leavesOut(known: Accesses, writtenAt: number, now: number): boolean {
  if (now - writtenAt < LEFT_OUT_MS) return false;
  return [...known.values()].some(({ access, at }) => !access.served && at - writtenAt > LEFT_OUT_MS / 2);
}

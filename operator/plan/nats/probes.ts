import type { DataPlane, PeerAccess, PeerObject } from '../observed/observed.ts';
import type { Phase } from './files.ts';
import { messagesPerSecond } from './traffic.ts';

/** Which peers' accounts are probed, and what was last seen of each. */

/** What was last seen of a peer's account. */
export interface KnownAccess {
  readonly access: PeerAccess;
  /** In milliseconds since 1970. */
  readonly at: number;
  /** What the peer sent between the last two looks; undefined until there were two. */
  readonly messagesPerSecond?: number | undefined;
}

/** By the peer's name. */
export type Accesses = ReadonlyMap<string, KnownAccess>;

/** The key that a peer is connected with changes when its administrator rotates it, which need not show at once. */
const PROBE_AGAIN_MS = 60_000;
/** A probe needs a connection of its own, and a reconcile must not take too long. */
const PROBES_AT_ONCE = 25;

/**
 * The peers whose accounts to probe now: those that were not seen to be served yet, and those that were probed a while
 * ago. The one that was probed longest ago comes first, served or not; otherwise some peers that are never served would
 * be probed each time, and others never. Before the second of two reloads no peer is probed, since a server would only
 * log that it refuses the probe.
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
    // Absolute, because the clock may have been set back since.
    return !seen?.access.served || Math.abs(now - seen.at) > PROBE_AGAIN_MS;
  };
  return granted
    .filter(isDue)
    .sort((a, b) => Math.sign(seenAt(a) - seenAt(b)) || 0)
    .slice(0, PROBES_AT_ONCE);
}

/** What is known of each account after a probe. A peer that is no longer let in is forgotten. */
export function advanceAccesses(
  known: Accesses,
  granted: readonly PeerObject[],
  { nats }: DataPlane,
  now: number,
): Accesses {
  return new Map(
    granted.flatMap(({ metadata: { name } }) => {
      const access = nats?.access.get(name);
      const next = access ? advanced(known.get(name), access, now) : known.get(name);
      return next ? [[name, next]] : [];
    }),
  );
}

function advanced(before: KnownAccess | undefined, access: PeerAccess, now: number): KnownAccess {
  // What was seen inside stays, with the time at which it was seen, so that the probe is tried again at each reconcile.
  if (access.full) return before ? { ...before, access: { ...before.access, full: true } } : { access, at: now };
  const { connections } = access;
  const earlier = before?.access.connections;
  const rate = before && earlier && connections && messagesPerSecond(earlier, connections, (now - before.at) / 1000);
  return { access, at: now, ...(rate !== undefined && { messagesPerSecond: rate }) };
}

/** Longer than it takes to probe every peer of a large node. */
const LEFT_OUT_MS = 60_000;

/**
 * Whether a peer is not served although the configuration that lets it in has been live for a while. Its pulls then
 * reach no durable until nats-server reloads once more.
 *
 * @param writtenAt when that configuration was written, in milliseconds since 1970
 */
export function leavesOut(known: Accesses, writtenAt: number, now: number): boolean {
  if (now - writtenAt < LEFT_OUT_MS) return false;
  return [...known.values()].some(
    ({ access, at }) => !access.served && !access.full && at - writtenAt > LEFT_OUT_MS / 2,
  );
}

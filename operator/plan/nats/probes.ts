import type { DataPlane, PeerAccess, PeerObject } from '../observed/observed.ts';
import type { Phase } from './files.ts';
import { messagesPerSecond } from './traffic.ts';

/** Which peers' accounts are probed, and what was last seen of each. */

/** One look into a peer's account. */
export interface Probe {
  readonly peer: PeerObject;
  /** Whether to ask for the peer's connections as well, which takes a third of a second more than whether it is served. */
  readonly connections: boolean;
}

/** What was last seen of a peer's account. */
export interface KnownAccess {
  readonly access: PeerAccess;
  /** In milliseconds since 1970. */
  readonly at: number;
  /** When its connections were last seen. Absent: not yet. */
  readonly connectionsAt?: number;
  /** What the peer sent between the last two looks at its connections; undefined until there were two. */
  readonly messagesPerSecond?: number | undefined;
}

/** By the peer's name. */
export type Accesses = ReadonlyMap<string, KnownAccess>;

/** The key that a peer is connected with changes when its administrator rotates it, which need not show at once. */
const PROBE_AGAIN_MS = 60_000;
/** Each look needs a connection of its own, and at rest there is a reconcile every 10 s. So a larger node looks at more at once. */
const PROBES_AT_ONCE = 25;
const TURNS_FOR_ALL = 12;

/**
 * The peers whose accounts to probe now.
 *
 * Each that was never looked at, whether it is served: an administrator waits for that, and so may hundreds of peers at once. Then
 * some of the others: those that were not served, and those whose connections were seen a while ago. The one that was looked at
 * longest ago comes first, served or not; otherwise some peers that are never served would be probed each time, and others never.
 * Before the second of two reloads no peer is probed, since a server would only log that it refuses the probe.
 */
export function peersToProbe(
  { granted, phase }: { readonly granted: readonly PeerObject[]; readonly phase: Phase | undefined },
  known: Accesses,
  now: number,
): Probe[] {
  if (phase !== 'final') return [];
  const isNew = ({ metadata }: PeerObject): boolean => !known.has(metadata.name);
  const again = granted
    .flatMap((peer) => {
      const seen = known.get(peer.metadata.name);
      if (!seen) return [];
      const connections = isPast(seen.connectionsAt, now);
      return connections || !seen.access.served ? [{ peer, connections, at: lookedAt(seen, connections) }] : [];
    })
    .sort((a, b) => Math.sign(a.at - b.at) || 0)
    .slice(0, Math.max(PROBES_AT_ONCE, Math.ceil(granted.length / TURNS_FOR_ALL)));
  return [
    ...granted.filter(isNew).map((peer) => ({ peer, connections: false })),
    ...again.map(({ peer, connections }) => ({ peer, connections })),
  ];
}

/** Absolute, because the clock may have been set back since. */
function isPast(at: number | undefined, now: number): boolean {
  return at === undefined || Math.abs(now - at) > PROBE_AGAIN_MS;
}

function lookedAt({ at, connectionsAt }: KnownAccess, connections: boolean): number {
  return connections ? (connectionsAt ?? Number.NEGATIVE_INFINITY) : at;
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
  const { served, connections } = access;
  // Where only that was asked, the rest stays.
  if (connections === undefined) {
    const { full: _, ...seen } = before?.access ?? { served };
    return { ...before, access: { ...seen, served }, at: now };
  }
  const { access: { connections: earlier } = {}, connectionsAt } = before ?? {};
  const rate =
    earlier && connectionsAt !== undefined
      ? messagesPerSecond(earlier, connections, (now - connectionsAt) / 1000)
      : undefined;
  return { access, at: now, connectionsAt: now, ...(rate !== undefined && { messagesPerSecond: rate }) };
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

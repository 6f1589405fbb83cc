import { Buffer } from 'node:buffer';
import { type PeerSettings, peerList } from '../../../common/contract/peers.ts';
import { peerDigest } from '../../../common/contract/settings-digest.ts';
import { ShapeError } from '../../../common/contract/shapes.ts';
import { bytesOf } from '../nats/permissions.ts';
import type { DerivedKeys, NodeObject, Observed, PeerObject } from '../observed/observed.ts';
import { nodeKeys, nodeSpec, peerDurable, peerSpec } from '../observed/spec.ts';
import { type ResolvedCa, resolveCa } from '../trust/ca-source.ts';
import { bundle } from '../trust/certificates.ts';
import { type Admission, admit, peerKeys } from './admission.ts';
import { caTooLarge, minus, noRoom, type Room, roomForPeers } from './room.ts';
import { peerSettings } from './sidecar-settings.ts';

export interface PlannedPeer extends Admission {
  /** The CA of the peer's servers; undefined where its spec names none, so that the system's roots count. */
  readonly ca: ResolvedCa | undefined;
  /** What the sidecars need to receive from it; undefined where nothing is received from it. */
  readonly settings: PeerSettings | undefined;
  /** What a sidecar reports of this peer that runs with these {@link settings}; undefined where there are none. */
  readonly digest: string | undefined;
  /** Why no sidecar could take its settings. */
  readonly invalid: string | undefined;
  /** See {@link isClientSupported}. */
  readonly clientSupported: boolean;
  /** What planning it has thrown, which nobody has foreseen. Such a peer is neither let in nor replayed; its durable stays. */
  readonly failure: Error | undefined;
}

/** A key of the right length, for a size that must not depend on the real key. */
const ANY_KEY = 'U'.repeat(56);

/**
 * Decides about every peer of a node that is not being deleted, in the order of {@link admit}: whether it is admitted, which CA
 * its servers are trusted by, and what the sidecars need to receive from it.
 *
 * @param ownKeys public keys that the node signs in with, at its peers and at its local NATS
 * @param now in milliseconds since 1970
 * @param ownCas how much the node's own CAs take
 */
export function plannedPeers(
  observed: Pick<Observed, 'node' | 'peers' | 'references' | 'certificates'>,
  ownKeys: readonly string[],
  derived: Pick<DerivedKeys, 'probe'>,
  now: number,
  ownCas: Pick<Room, 'nats' | 'cas'> = { nats: 0, cas: 0 },
): PlannedPeer[] {
  const { node, peers } = observed;
  const staying = peers.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const probes = new Map(staying.map((peer) => [peer, attempt(() => derived.probe(peer.spec.lfhId))]));
  const probeKeys = [...probes.values()].flatMap((probe) => ('value' in probe ? (probe.value ?? []) : []));
  const all = roomForPeers(ownCas);
  let left = all;
  return admit(node, [...ownKeys, ...nodeKeys(node), ...probeKeys], staying).map((admission) => {
    const probe = probes.get(admission.peer);
    const planned = probe && 'failure' in probe ? probe : attempt(() => planOne(admission, observed, left, now));
    if ('failure' in planned) {
      const clientSupported = isClientSupported(node, admission.peer);
      const nothing = { ca: undefined, settings: undefined, digest: undefined, invalid: undefined, clientSupported };
      return { ...admission, ...nothing, failure: planned.failure };
    }
    const { takes, ...peer } = planned.value;
    const conflict = peer.conflict ?? noRoom(takes, left, all);
    if (conflict !== undefined) return { ...peer, conflict, settings: undefined, digest: undefined };
    left = minus(left, takes);
    return peer;
  });
}

/** @returns a peer by itself, with how much room it takes */
function planOne(
  admission: Admission,
  observed: Pick<Observed, 'node' | 'references' | 'certificates'>,
  left: Room,
  now: number,
): PlannedPeer & { readonly takes: Room } {
  const { peer } = admission;
  let ca = resolveCa(peer.spec.ca, 'spec.ca', observed, now);
  let caText = bundle(ca?.authorities ?? []);
  if (caText.length > left.cas) {
    const problem = { reason: 'CertificateInvalid', message: caTooLarge(caText.length, left.cas) } as const;
    ca = { authorities: [], problems: [problem], expires: undefined };
    caText = '';
  }
  const { settings, invalid } = settingsOf(peer, ca);
  const clientSupported = isClientSupported(observed.node, peer);
  const digest = settings && peerDigest(JSON.stringify(settings), ca && caText);
  const planned = { ...admission, ca, invalid, settings, digest, clientSupported, failure: undefined };
  const nats = natsBytes(observed.node, planned);
  return { ...planned, takes: { nats, settings: settings ? settingsBytes(settings) : 0, cas: caText.length } };
}

type Attempt<Value> = { readonly value: Value } | { readonly failure: Error };

/** One peer's trouble is that peer's alone: whatever it throws must not stop the plan of the others. */
function attempt<Value>(make: () => Value): Attempt<Value> {
  try {
    return { value: make() };
  } catch (error) {
    return { failure: error instanceof Error ? error : new Error(String(error)) };
  }
}

function natsBytes(node: NodeObject, planned: PlannedPeer): number {
  if (!isGranted(planned)) return 0;
  const { peer } = planned;
  const { client } = peerSpec(peer).send;
  const admitted = { lfhId: peer.spec.lfhId, publicKeys: peerKeys(peer).usable, probe: ANY_KEY, client };
  return bytesOf(admitted, nodeSpec(node));
}

function settingsBytes(settings: PeerSettings): number {
  return Buffer.byteLength(peerList.encode([settings]));
}

/** Whether the peer needs a durable, and so a position in our stream. */
export function needsDurable({ peer, conflict }: PlannedPeer): boolean {
  return conflict === undefined && peerSpec(peer).publicKeys.length > 0;
}

/**
 * The names of the durables that stay though their peers are not let in: a durable is the only place where a peer with the client
 * `Connect` has its position, and a conflict may be the mistake of another peer's author. Not where that one has a durable of its own
 * by this name: what it had as another client would stay for ever.
 */
export function keptDurables(peers: readonly PlannedPeer[]): string[] {
  const owned = new Set(peers.filter(needsDurable).map(({ peer }) => peerDurable(peer)));
  const refused = peers.filter(({ peer, conflict }) => conflict !== undefined && peerSpec(peer).publicKeys.length > 0);
  return refused.map(({ peer }) => peerDurable(peer)).filter((name) => !owned.has(name));
}

/** What connect asks for can only be mapped in an account of its own. */
export function isClientSupported(node: NodeObject, peer: PeerObject): boolean {
  return peerSpec(peer).send.client === 'Sidecar' || nodeSpec(node).isolation === 'Accounts';
}

/**
 * Whether NATS lets the peer in. A peer that is paused, has no usable key, or a client that is not supported, keeps its durable but
 * not its access.
 */
export function isGranted(planned: PlannedPeer): boolean {
  const { peer } = planned;
  return (
    planned.failure === undefined &&
    needsDurable(planned) &&
    planned.clientSupported &&
    !peerSpec(peer).send.paused &&
    peerKeys(peer).usable.length > 0
  );
}

/** Checked by the contract's own decoder: sidecars refuse the settings of all peers if those of one are wrong. */
function settingsOf(peer: PeerObject, ca: ResolvedCa | undefined): Pick<PlannedPeer, 'settings' | 'invalid'> {
  // A peer whose CA cannot be had is not replayed: no other CA, such as the system's roots, may vouch for it instead.
  const receives = peerSpec(peer).servers.length > 0 && (ca === undefined || ca.authorities.length > 0);
  if (!receives) return { settings: undefined, invalid: undefined };
  const settings = peerSettings(peer, ca !== undefined);
  try {
    peerList.decode(peerList.encode([settings]));
    return { settings, invalid: undefined };
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    return { settings: undefined, invalid: `spec${error.path.replace(/^\[0\]/, '')}: ${error.message}` };
  }
}

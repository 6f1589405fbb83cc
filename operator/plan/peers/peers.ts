import { Buffer } from 'node:buffer';
import { type PeerSettings, peerList } from '../../../common/contract/peers.ts';
import { ShapeError } from '../../../common/contract/shapes.ts';
import { bytesOf } from '../nats/permissions.ts';
import type { DerivedKeys, NodeObject, Observed, PeerObject } from '../observed/observed.ts';
import { nodeKeys, nodeSpec, peerSpec } from '../observed/spec.ts';
import { type ResolvedCa, resolveCa } from '../trust/ca-source.ts';
import { bundle, MAX_PEER_CA } from '../trust/certificates.ts';
import { type Admission, admit, peerKeys } from './admission.ts';
import { peerSettings } from './sidecar-settings.ts';

export interface PlannedPeer extends Admission {
  /** The CA of the peer's servers; undefined where its spec names none, so that the system's roots count. */
  readonly ca: ResolvedCa | undefined;
  /** What the sidecars need to receive from it; undefined where nothing is received from it. */
  readonly settings: PeerSettings | undefined;
  /** Why no sidecar could take its settings. */
  readonly invalid: string | undefined;
  /** See {@link isClientSupported}. */
  readonly clientSupported: boolean;
  /** What planning it has thrown, which nobody has foreseen. Such a peer is neither let in nor replayed; its durable stays. */
  readonly failure: Error | undefined;
}

/**
 * How much of each of a node's ConfigMaps all its peers together may take. The API server takes no ConfigMap of more than 1 MiB,
 * and the node's own two CAs ({@link OWN_CA_BYTES}), its users and its servers are in there as well.
 *
 * If peers took more, nothing could be written any more, and so nobody's access could be taken back either.
 */
const PEERS_BYTES = 890_000;
/** How much the node's own two CAs may take before they take the room of peers. */
const OWN_CA_BYTES = 2 * MAX_PEER_CA;
/** How much of that may be CAs: one peer that refers to a bundle of all public CAs must not take the room of the others. */
const CA_BYTES = 600_000;
/** A key of the right length, for a size that must not depend on the real key. */
const ANY_KEY = 'U'.repeat(56);

/**
 * Decides about every peer of a node that is not being deleted, in the order of {@link admit}: whether it is admitted, which CA
 * its servers are trusted by, and what the sidecars need to receive from it.
 *
 * @param ownKeys public keys that the node signs in with, at its peers and at its local NATS
 * @param now in milliseconds since 1970
 * @param ownCaBytes how much the node's own two CAs take
 */
export function plannedPeers(
  observed: Pick<Observed, 'node' | 'peers' | 'references' | 'certificates'>,
  ownKeys: readonly string[],
  derived: Pick<DerivedKeys, 'probe'>,
  now: number,
  ownCaBytes = 0,
): PlannedPeer[] {
  const { node, peers } = observed;
  const staying = peers.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const probes = new Map(staying.map((peer) => [peer, attempt(() => derived.probe(peer.spec.lfhId))]));
  const probeKeys = [...probes.values()].flatMap((probe) => ('value' in probe ? (probe.value ?? []) : []));
  let room = PEERS_BYTES - Math.max(0, ownCaBytes - OWN_CA_BYTES);
  let caRoom = CA_BYTES;
  return admit(node, [...ownKeys, ...nodeKeys(node), ...probeKeys], staying).map((admission) => {
    const probe = probes.get(admission.peer);
    const planned = probe && 'failure' in probe ? probe : attempt(() => planOne(admission, observed, caRoom, now));
    if ('failure' in planned) {
      const clientSupported = isClientSupported(node, admission.peer);
      const nothing = { ca: undefined, settings: undefined, invalid: undefined, clientSupported };
      return { ...admission, ...nothing, failure: planned.failure };
    }
    const { caSize, size, ...peer } = planned.value;
    const conflict = peer.conflict ?? (size > room ? noRoom(size, room) : undefined);
    if (conflict !== undefined) return { ...peer, conflict, settings: undefined };
    room -= size;
    caRoom -= caSize;
    return peer;
  });
}

/** @returns a peer by itself, with how much of a ConfigMap it takes, and how much of that its CA */
function planOne(
  admission: Admission,
  observed: Pick<Observed, 'node' | 'references' | 'certificates'>,
  caRoom: number,
  now: number,
): PlannedPeer & { readonly size: number; readonly caSize: number } {
  const { peer } = admission;
  let ca = resolveCa(peer.spec.ca, 'spec.ca', observed, now);
  let caSize = bundle(ca?.authorities ?? []).length;
  if (caSize > caRoom) {
    const problem = { reason: 'CertificateInvalid', message: caTooLarge(caSize) } as const;
    ca = { authorities: [], problems: [problem], expires: undefined };
    caSize = 0;
  }
  const { settings, invalid } = settingsOf(peer, ca);
  const clientSupported = isClientSupported(observed.node, peer);
  const planned = { ...admission, ca, invalid, settings, clientSupported, failure: undefined };
  // NATS and the settings have a ConfigMap each, and the CA is in both.
  const size = caSize + Math.max(natsBytes(observed.node, planned), settings ? settingsBytes(settings) : 0);
  return { ...planned, size, caSize };
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

/** Whether the peer has a durable, and so a position in our stream. */
export function hasDurable({ peer, conflict }: PlannedPeer): boolean {
  return conflict === undefined && peerSpec(peer).publicKeys.length > 0;
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
    hasDurable(planned) &&
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

function noRoom(size: number, room: number): string {
  const [takes, all, left] = [size, PEERS_BYTES, room].map((bytes) => `${(bytes / 1024).toFixed(1)} KiB`);
  return (
    `there is no room for it: it takes ${takes}, and of the ${all} that a ConfigMap has for all peers of a node the older ones ` +
    `leave ${left}; delete peers that are not needed, or give them fewer keys and smaller CAs`
  );
}

function caTooLarge(size: number): string {
  const [kib, limit] = [size, CA_BYTES].map((bytes) => Math.ceil(bytes / 1024));
  return `spec.ca holds ${kib} KiB, and all peers of a node have room for ${limit} KiB: give only the peer's own CA`;
}

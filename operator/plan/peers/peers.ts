import { Buffer } from 'node:buffer';
import { type PeerSettings, peerList } from '../../../common/contract/peers.ts';
import { ShapeError } from '../../../common/contract/shapes.ts';
import { bytesOf } from '../nats/config.ts';
import type { DerivedKeys, NodeObject, Observed, PeerObject } from '../observed/observed.ts';
import { nodeSpec, peerSpec } from '../observed/spec.ts';
import { type ResolvedCa, resolveCa } from '../trust/ca-source.ts';
import { bundle } from '../trust/certificates.ts';
import { type Admission, admit, peerKeys } from './admission.ts';
import { peerSettings } from './sidecar-settings.ts';

export interface PlannedPeer extends Admission {
  /** undefined where none was given, and the system's roots count. */
  readonly ca: ResolvedCa | undefined;
  /** What the sidecars are told of it; undefined where it is not received from. */
  readonly settings: PeerSettings | undefined;
  /** Why a sidecar could not take its settings. */
  readonly invalid: string | undefined;
}

/**
 * As much as all peers of a node may take of each of its ConfigMaps, of which the API server takes none of more than 1 MiB. Less than
 * that, since the node's own two CAs of 64 KiB, its users and its servers are in there as well.
 *
 * Were it more, nothing could be written any more, and nobody's access be taken back with it.
 */
const PEERS_BYTES = 890_000;
/** As much PEM of that: one peer that refers to a bundle of every public CA must not keep the others from being written. */
const CA_BYTES = 600_000;
/** Of the right length, for one that is not known yet. */
const ANY_KEY = 'U'.repeat(56);

/**
 * Every peer of a node that is not being deleted, in the order of {@link admit}: what is admitted, and trusted how far.
 *
 * @param ownKeys public keys that the node signs in with, at its peers and at its local NATS
 */
export function plannedPeers(
  observed: Pick<Observed, 'node' | 'peers' | 'references' | 'certificates'>,
  ownKeys: readonly string[],
  derived: Pick<DerivedKeys, 'probe'>,
  now: number,
): PlannedPeer[] {
  const { node, peers } = observed;
  const staying = peers.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const probes = staying.flatMap(({ spec }) => derived.probe(spec.lfhId) ?? []);
  let room = PEERS_BYTES;
  let caRoom = CA_BYTES;
  return admit(node, [...ownKeys, ...nodeSpec(node).users, ...probes], staying).map((admission) => {
    const { peer } = admission;
    let ca = resolveCa(peer.spec.ca, 'spec.ca', observed, now);
    let caSize = bundle(ca?.authorities ?? []).length;
    if (caSize > caRoom) {
      ca = { authorities: [], problems: [{ reason: 'CertificateInvalid', message: tooMuch(caSize) }] };
      caSize = 0;
    }
    const { settings, invalid } = settingsOf(peer, ca);
    const wanted = { ...admission, ca, invalid, settings };
    // Each is in another ConfigMap, and the CA in both.
    const size = caSize + Math.max(natsBytes(node, wanted), settings ? settingsBytes(settings) : 0);
    const conflict = admission.conflict ?? (size > room ? noRoom(size, room) : undefined);
    if (conflict !== undefined) return { ...wanted, conflict, settings: undefined };
    room -= size;
    caRoom -= caSize;
    return wanted;
  });
}

function natsBytes(node: NodeObject, planned: PlannedPeer): number {
  if (!isGranted(planned)) return 0;
  const { peer } = planned;
  const admitted = { lfhId: peer.spec.lfhId, publicKeys: peerKeys(peer).usable, probe: ANY_KEY };
  return bytesOf(admitted, nodeSpec(node));
}

function settingsBytes(settings: PeerSettings): number {
  return Buffer.byteLength(peerList.encode([settings]));
}

/** Whether it has a durable, and so a place in our stream. */
export function hasDurable({ peer, conflict }: PlannedPeer): boolean {
  return conflict === undefined && peerSpec(peer).publicKeys.length > 0;
}

/** Whether it is let in. One that is paused, or whose keys are wrong, keeps its durable but not its access. */
export function isGranted(planned: PlannedPeer): boolean {
  const { peer } = planned;
  return hasDurable(planned) && !peerSpec(peer).send.paused && peerKeys(peer).usable.length > 0;
}

/** As the contract has them: sidecars take no setting of which one peer's part is wrong. */
function settingsOf(peer: PeerObject, ca: ResolvedCa | undefined): Pick<PlannedPeer, 'settings' | 'invalid'> {
  // Whose CA cannot be had is not replayed: the system's roots, or anybody's, must not vouch for it instead.
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
    `leave ${left}; delete those that are not needed, or give them fewer keys and smaller CAs`
  );
}

function tooMuch(size: number): string {
  const [kib, limit] = [size, CA_BYTES].map((bytes) => Math.ceil(bytes / 1024));
  return `spec.ca holds ${kib} KiB, and all peers of a node have room for ${limit} KiB: give only the peer's own CA`;
}

import { type PeerSettings, peerList } from '../../common/contract/peers.ts';
import { ShapeError } from '../../common/contract/shapes.ts';
import { type Admission, admit, peerKeys } from './admission.ts';
import { type ResolvedCa, resolveCa } from './authorities.ts';
import { nodeWants, peerWants } from './defaults.ts';
import type { DerivedKeys } from './nats-files.ts';
import type { Observed, PeerObject } from './observed.ts';
import { peerSettings } from './sidecar-settings.ts';
import { bundle } from './trust.ts';

export interface PlannedPeer extends Admission {
  /** undefined where none was given, and the system's roots count. */
  readonly ca: ResolvedCa | undefined;
  /** What the sidecars are told of it; undefined where it is not received from. */
  readonly settings: PeerSettings | undefined;
  /** Why a sidecar could not take its settings. */
  readonly invalid: string | undefined;
}

/**
 * As much PEM as all peers of a node may bring together. The API server takes no ConfigMap of more than 1 MiB, and one peer
 * that refers to a bundle of every public CA must not keep the others from being written.
 */
const CA_BYTES = 600_000;

/**
 * Every peer of a node that is not being deleted, in the order of {@link admit}: what is admitted, and trusted how far.
 *
 * @param ownKeys public keys that the node signs in with, at its peers and at its own NATS
 */
export function plannedPeers(
  { node, peers, references }: Pick<Observed, 'node' | 'peers' | 'references'>,
  ownKeys: readonly string[],
  derived: Pick<DerivedKeys, 'probe'>,
  now: number,
): PlannedPeer[] {
  const staying = peers.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const probes = staying.flatMap(({ spec }) => derived.probe(spec.lfhId) ?? []);
  let room = CA_BYTES;
  return admit(node, [...ownKeys, ...nodeWants(node).users, ...probes], staying).map((admission) => {
    const { peer, conflict } = admission;
    let ca = resolveCa(peer.spec.ca, 'spec.ca', references, now);
    const size = bundle(ca?.authorities ?? []).length;
    if (size > room) ca = { authorities: [], problems: [{ reason: 'CertificateInvalid', message: tooMuch(size) }] };
    else if (conflict === undefined) room -= size;
    const { settings, invalid } = settingsOf(peer, ca);
    return { ...admission, ca, invalid, settings: conflict === undefined ? settings : undefined };
  });
}

/** Whether it has a durable, and so a place in our stream. */
export function maySend({ peer, conflict }: PlannedPeer): boolean {
  const { publicKeys, send } = peerWants(peer);
  return conflict === undefined && publicKeys.length > 0 && send.client === 'Sidecar';
}

/** Whether it is let in. One that is paused, or whose keys are wrong, keeps its durable but not its access. */
export function isGranted(planned: PlannedPeer): boolean {
  const { peer } = planned;
  return maySend(planned) && !peerWants(peer).send.paused && peerKeys(peer).usable.length > 0;
}

/** As the contract has them: sidecars take no setting of which one peer's part is wrong. */
function settingsOf(peer: PeerObject, ca: ResolvedCa | undefined): Pick<PlannedPeer, 'settings' | 'invalid'> {
  // Whose CA cannot be had is not replayed: the system's roots, or anybody's, must not vouch for it instead.
  const receives = peerWants(peer).servers.length > 0 && (ca === undefined || ca.authorities.length > 0);
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

function tooMuch(size: number): string {
  const [kib, limit] = [size, CA_BYTES].map((bytes) => Math.ceil(bytes / 1024));
  return `spec.ca holds ${kib} KiB, and all peers of a node have room for ${limit} KiB: give only the peer's own CA`;
}

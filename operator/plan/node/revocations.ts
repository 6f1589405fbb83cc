import type { ConfigMap } from '../../api/objects.ts';
import { type ConfigRollout, plannedRollouts } from '../nats/config-rollout.ts';
import { hashOf, withoutRevoked } from '../nats/files.ts';
import type { AdmittedPeer } from '../nats/permissions.ts';
import type { Observed, PeerObject } from '../observed/observed.ts';
import { peerSpec } from '../observed/spec.ts';
import { peerKeys } from '../peers/admission.ts';
import { isClientSupported, isGranted, type PlannedPeer } from '../peers/peers.ts';
import { type SettingsAuthor, withoutPeers } from '../peers/sidecar-settings.ts';
import { natsConfigMap, sidecarConfigMaps } from './config-maps.ts';

/** What is in the cluster, and for which node. */
type Written = Pick<Observed, 'node' | 'written' | 'writtenSettings' | 'settingsIn'>;

export interface Revocations {
  readonly configMaps: readonly ConfigMap[];
  readonly rollouts: readonly ConfigRollout[];
}

/**
 * What is in the cluster now without the access of peers that may not receive any more, and without the settings of peers that
 * are not received from any more. Nobody is added, and the authorities stay as they are.
 *
 * This is written even while the node has a problem, such as a CA that has expired, or while the API server refuses the rest:
 * taking access back waits for nothing.
 */
export function revocationsOf(
  { node, written, writtenSettings, settingsIn }: Written,
  peers: readonly PlannedPeer[],
  derived: SettingsAuthor,
): Revocations {
  const granted = peers.filter(isGranted).map(({ peer }) => accessOf(peer));
  const receiving = new Set(peers.flatMap(({ settings }) => settings?.name ?? []));
  return remaining({ node, written, writtenSettings, settingsIn }, granted, receiving, derived);
}

/**
 * The same for when the peers could not be planned: who is deleted, paused or without that key loses its access. Two peers with
 * one key or id keep what they have, since nobody is added.
 */
export function revocationsWithoutPlan(
  { peers, ...observed }: Written & Pick<Observed, 'peers'>,
  derived: SettingsAuthor,
): Revocations {
  const staying = peers.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const granted = staying
    .filter((peer) => !peerSpec(peer).send.paused && isClientSupported(observed.node, peer))
    .map(accessOf);
  const receiving = staying.filter((peer) => peerSpec(peer).servers.length > 0 && !peerSpec(peer).receive.paused);
  return remaining(observed, granted, new Set(receiving.map(({ metadata }) => metadata.name)), derived);
}

function accessOf(peer: PeerObject): AdmittedPeer {
  return { lfhId: peer.spec.lfhId, publicKeys: peerKeys(peer).usable, client: peerSpec(peer).send.client };
}

function remaining(
  { node, written, writtenSettings, settingsIn }: Written,
  granted: readonly AdmittedPeer[],
  receiving: ReadonlySet<string>,
  derived: SettingsAuthor,
): Revocations {
  if (!written) return { configMaps: [], rollouts: [] };
  const files = withoutRevoked(written, granted);
  const settings = writtenSettings
    ? sidecarConfigMaps(node, withoutPeers(writtenSettings, receiving, derived), settingsIn)
    : [];
  return {
    configMaps: [natsConfigMap(node, files), ...settings],
    rollouts: plannedRollouts(node, hashOf(files) ?? '', settings),
  };
}

import type { ConfigMap } from '../../api/objects.ts';
import { type ConfigRollout, plannedRollouts } from '../nats/config-rollout.ts';
import { hashOf, withoutRevoked } from '../nats/files.ts';
import type { Observed } from '../observed/observed.ts';
import { peerKeys } from '../peers/admission.ts';
import { isGranted, type PlannedPeer } from '../peers/peers.ts';
import { withoutPeers } from '../peers/sidecar-settings.ts';
import { natsConfigMap, sidecarConfigMap } from './config-maps.ts';

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
  { node, written, writtenSettings }: Pick<Observed, 'node' | 'written' | 'writtenSettings'>,
  peers: readonly PlannedPeer[],
): Revocations {
  if (!written) return { configMaps: [], rollouts: [] };
  const granted = peers.filter(isGranted).map(({ peer }) => ({
    lfhId: peer.spec.lfhId,
    publicKeys: peerKeys(peer).usable,
  }));
  const files = withoutRevoked(written, granted);
  const receiving = new Set(peers.flatMap(({ settings }) => settings?.name ?? []));
  const sidecar = writtenSettings && sidecarConfigMap(node, withoutPeers(writtenSettings, receiving));
  return {
    configMaps: [natsConfigMap(node, files), ...(sidecar ? [sidecar] : [])],
    rollouts: plannedRollouts(node, hashOf(files) ?? '', sidecar),
  };
}

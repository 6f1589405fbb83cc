import type { Logger } from '../../common/log.ts';
import { type ConfigMap, KINDS } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { splitKey } from '../cluster/formats.ts';
import { readRolloutNote } from '../plan/nats/config-rollout.ts';
import { withoutRevoked } from '../plan/nats/files.ts';
import { NAMES, NODE_LABEL, ROLLOUT_NOTE, WORKLOAD_NOTE } from '../plan/observed/names.ts';
import { orphanStatus } from '../plan/status/status.ts';
import { peersOf } from './concerns.ts';
import { ConfigMaps } from './config-maps.ts';
import type { Injector } from './injector.ts';
import type { StatusPublisher } from './publish-status.ts';
import { rolloutConfig } from './rollout.ts';
import type { Watches } from './watches.ts';

interface CleanUp {
  readonly api: Cluster;
  readonly log: Logger;
  readonly watches: Watches;
  readonly injector: Injector;
  readonly publisher: StatusPublisher;
}

/**
 * Cleans up after a node that was deleted: revokes the access of its peers, removes the sidecar from its workload, and
 * says in the status of each peer that its node is missing.
 *
 * The node's ConfigMap for NATS stays, since a nats-server does not start without a file that it includes. The Secret
 * with the node's key stays as well, since peers know that key.
 *
 * @param nodeKey `namespace/name`
 * @throws KubeError for what the next reconcile may be able to do
 */
export async function cleanUpAfter(nodeKey: string, cleanUp: CleanUp): Promise<void> {
  const { api, watches, publisher } = cleanUp;
  const { namespace, name } = splitKey(nodeKey);
  const natsConfig = await api.get<ConfigMap>(KINDS.configMap, namespace, NAMES.nats(name));
  if (natsConfig?.metadata.labels?.[NODE_LABEL] === name) await revokeAll(nodeKey, natsConfig, cleanUp);
  for (const peer of peersOf(watches.watched.peers.all(), namespace, name)) {
    await publisher.publishStatus(peer, orphanStatus(peer, name, Date.now()));
  }
}

/**
 * Revokes every access first, and then removes the sidecar: its workload is noted in the ConfigMap until that is done.
 */
async function revokeAll(nodeKey: string, found: ConfigMap, { api, log, injector }: CleanUp): Promise<void> {
  const { apiVersion, kind } = found;
  const { name, namespace = '', labels, annotations = {} } = found.metadata;
  const { [WORKLOAD_NOTE]: workload, ...withoutWorkload } = annotations;
  const data = withoutRevoked(found.data ?? {}, []);
  const configMaps = new ConfigMaps(api, log);
  const write = async (notes: typeof annotations): Promise<boolean> => {
    const metadata = { name, namespace, ...(labels && { labels }), annotations: notes };
    const { refused } = await configMaps.write([{ apiVersion, kind, metadata, data }], new Map([[name, found]]));
    if (refused === undefined) return true;
    log.warn({ configMap: name, namespace, problem: refused }, 'the access that a deleted node gave cannot be revoked');
    return false;
  };
  const rollout = readRolloutNote({ apiVersion, kind, metadata: { name }, data }, annotations[ROLLOUT_NOTE]);
  if ((await write(annotations)) && rollout) await rolloutConfig(api, namespace, rollout, log);
  if (workload === undefined) return;
  await injector.removeSidecar(nodeKey, workload);
  // From now on another node may have the workload.
  await write(withoutWorkload);
}

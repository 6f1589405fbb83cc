import type { Logger } from '../../common/log.ts';
import { type ConfigMap, KINDS } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { splitKey } from '../cluster/formats.ts';
import { type ConfigRollout, isInForceAfter, readRolloutNote } from '../plan/nats/config-rollout.ts';
import { withoutRevoked } from '../plan/nats/files.ts';
import { NAMES, NODE_LABEL, ROLLOUT_NOTE, WORKLOAD_NOTE } from '../plan/observed/names.ts';
import { workloadText } from '../plan/observed/workload-ref.ts';
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
 * @throws KubeError for what the next reconcile may be able to do, and Error where it has to restart nats-servers and could not
 */
export async function cleanUpAfter(nodeKey: string, cleanUp: CleanUp): Promise<void> {
  const { api, watches, publisher } = cleanUp;
  const { namespace, name } = splitKey(nodeKey);
  const natsConfig = await api.get<ConfigMap>(KINDS.configMap, namespace, NAMES.nats(name));
  const isOurs = natsConfig?.metadata.labels?.[NODE_LABEL] === name;
  const undone = isOurs ? await revokeAll(nodeKey, natsConfig, cleanUp) : undefined;
  const peers = peersOf(watches.watched.peers.all(), namespace, name);
  await publisher.publishStatuses(
    peers.map((peer) => ({ object: peer, status: orphanStatus(peer, name, Date.now()) })),
  );
  if (undone) throw undone;
}

/**
 * Revokes every access first, and then removes the sidecar. What is to be done is noted in the ConfigMap, each until it is done.
 *
 * @returns what has to be tried again, when all the rest was done
 */
async function revokeAll(
  nodeKey: string,
  found: ConfigMap,
  { api, log, injector }: CleanUp,
): Promise<Error | undefined> {
  const { apiVersion, kind } = found;
  const { name, namespace = '', labels, annotations = {} } = found.metadata;
  const { [WORKLOAD_NOTE]: workload, [ROLLOUT_NOTE]: note, ...others } = annotations;
  const data = withoutRevoked(found.data ?? {}, []);
  const configMaps = new ConfigMaps(api, log);
  const write = async (notes: typeof annotations): Promise<boolean> => {
    const metadata = { name, namespace, ...(labels && { labels }), annotations: notes };
    const object = { apiVersion, kind, metadata, data };
    const { refused, failure } = await configMaps.write([object], new Map([[name, found]]));
    if (failure) throw failure;
    if (refused === undefined) return true;
    log.warn({ configMap: name, namespace, problem: refused }, 'the access that a deleted node gave cannot be revoked');
    return false;
  };
  const isWritten = await write(annotations);
  const rollout = readRolloutNote({ apiVersion, kind, metadata: { name }, data }, note);
  const undone = isWritten && rollout ? await rollOut(rollout, found, { api, log }) : undefined;
  if (workload !== undefined) await injector.removeSidecar(nodeKey, workload);
  const isRolledOut = isWritten && undone === undefined;
  // From now on another node may have the workload.
  await write(isRolledOut || note === undefined ? others : { ...others, [ROLLOUT_NOTE]: note });
  return undone;
}

/** @returns that it has to be tried again */
async function rollOut(
  rollout: ConfigRollout,
  { metadata: { name, namespace = '' } }: ConfigMap,
  { api, log }: Pick<CleanUp, 'api' | 'log'>,
): Promise<Error | undefined> {
  const outcome = await rolloutConfig(api, namespace, rollout, log);
  return isInForceAfter(rollout, outcome) ? undefined : notRestarted(name, rollout);
}

function notRestarted(configMap: string, { workload }: ConfigRollout): Error {
  return new Error(
    `${workloadText(workload)} could not be restarted, so its nats-servers still let in the peers that the ConfigMap ${configMap} lets in ` +
      'no more; this is tried again. If it lasts, allow it to the operator, or restart them with kubectl rollout restart and ' +
      `remove the annotation ${ROLLOUT_NOTE} from that ConfigMap`,
  );
}

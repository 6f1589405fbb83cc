import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type ConfigMap, KINDS, type Kind, type KubeObject } from '../api/objects.ts';
import { KubeClient } from '../kube/client.ts';
import { loadKubeConfig } from '../kube/config.ts';
import { isTakenBack, letsNobodyIn } from '../plan/node/config-maps.ts';
import { isNatsLive, isWithoutPeers } from '../plan/node/peers-gone.ts';
import { NAMES } from '../plan/observed/names.ts';
import { nodeNameOf, type PeerObject, type StoredNode } from '../plan/observed/observed.ts';
import { readUninstallConfig, type UninstallConfig } from './config.ts';
import { retryUntil, runHook } from './hook.ts';

/**
 * The chart runs this Job before it is uninstalled, while the operator still runs. It deletes the node that the release
 * made, and waits until the operator has revoked the access of the node's peers. The Secrets with keys stay, and the
 * peers as well unless their deletion was asked for; but no peer has access any more.
 */

/** The label by which the chart marks what it makes. */
const RELEASE_LABEL = 'app.kubernetes.io/instance';
/**
 * The name of the chart's node. It is the only node that the chart makes and that this Job may delete, whatever label
 * others have.
 */
const CHART_NODE = 'local';

await runHook('lfh-sync-uninstall', async (log) => {
  const config = readUninstallConfig(process.env);
  const api = new KubeClient(loadKubeConfig(process.env));
  const { namespace, release, deletePeers } = config;
  const deadline = Date.now() + config.timeoutMs;
  const node = await nodeOf(api, namespace, deadline);
  if (node && node.metadata.labels?.[RELEASE_LABEL] !== release) {
    log.info({ namespace, node: CHART_NODE }, 'the node stays: this release did not make it');
    return;
  }
  if (node && deletePeers) {
    // The peers first: their consumers are removed from NATS only while their node exists.
    await deleteAll(api, KINDS.peer, await peersOf(api, namespace), log);
    // Only for that: the sidecar stays in its workload for as long as the node exists.
    await waitUntil(letsNobodyIn, api, config, deadline);
    await waitForDurables(node, api, config, deadline, log);
  }
  if (node) await deleteAll(api, KINDS.node, [node], log);
  // Also where an earlier attempt of this Job has deleted the node.
  await waitUntil(isTakenBack, api, config, deadline);
  log.info({ namespace, node: CHART_NODE }, 'done; Secrets with keys are still there');
});

/** @returns undefined where the node, or its CRD, does not exist */
async function nodeOf(api: KubeClient, namespace: string, deadline: number): Promise<StoredNode | undefined> {
  let node: StoredNode | undefined;
  await retryUntil(deadline, '', async () => {
    node = await api.get<StoredNode>(KINDS.node, namespace, CHART_NODE);
    return true;
  });
  return node;
}

async function peersOf(api: KubeClient, namespace: string): Promise<PeerObject[]> {
  const { items } = await api.list<PeerObject>(KINDS.peer, namespace);
  return items.filter((peer) => nodeNameOf(peer) === CHART_NODE);
}

async function deleteAll(api: KubeClient, kind: Kind, objects: readonly KubeObject[], log: Logger): Promise<void> {
  for (const { metadata } of objects) {
    const { name, namespace = '' } = metadata;
    await api.delete(kind, namespace, name);
    log.info({ kind: kind.kind, name, namespace }, 'deleted');
  }
}

/**
 * Waits until the operator has seen that there are no peers any more, so that it has removed their consumers. It must not keep the
 * release, since nobody has access by then: at most half of the time is waited, and what stays is only logged.
 *
 * @param before as the node was before its peers were deleted
 */
async function waitForDurables(
  before: StoredNode,
  api: KubeClient,
  { namespace, timeoutMs }: UninstallConfig,
  deadline: number,
  log: Logger,
): Promise<void> {
  const wasLive = isNatsLive(before);
  const advice =
    'the operator was not seen to remove them. Is one running, and can it sign in to NATS? nats consumer ls EVENTS lists those that ' +
    'stay; their names begin with lfh-sync- or lfh-connect-, and nats consumer rm removes them';
  try {
    await retryUntil(deadline - timeoutMs / 2, advice, async () => {
      const node = await api.get<StoredNode>(KINDS.node, namespace, CHART_NODE);
      return node === undefined || isWithoutPeers(node, wasLive);
    });
  } catch (error) {
    log.warn(
      { namespace, node: CHART_NODE, problem: messageOf(error) },
      'consumers of the deleted peers may stay in NATS',
    );
  }
}

/**
 * Waits until the operator has cleaned up. A node that has no ConfigMap for NATS has let nobody in.
 *
 * @param isDone judges that ConfigMap
 * @throws Error saying what a person can do, where the operator has not done so in time
 */
async function waitUntil(
  isDone: (natsConfig: ConfigMap) => boolean,
  api: KubeClient,
  { namespace, timeoutMs }: UninstallConfig,
  deadline: number,
): Promise<void> {
  const configMap = NAMES.nats(CHART_NODE);
  const advice =
    `the ConfigMap ${namespace}/${configMap}, which nats-server includes, still lets peers in ${timeoutMs / 1000} s after they or their node were ` +
    'deleted, or the nats-servers were not restarted since where spec.nats.reload is Restart, or the sidecar is still in its ' +
    'workload: the operator has to do all of it. Is one running and ready? Its log says what it waits for. Try again when it ' +
    'works. If it never will, remove the accounts of the peers from that ConfigMap by hand, restart the nats-servers, and remove ' +
    'the sidecar as docs/injection.md says, then run helm uninstall --no-hooks';
  await retryUntil(deadline, advice, async () => {
    const found = await api.get<ConfigMap>(KINDS.configMap, namespace, configMap);
    return found === undefined || isDone(found);
  });
}

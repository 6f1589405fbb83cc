import type { Logger } from '../common/log.ts';
import { runHook, within } from './hook.ts';
import { readUninstallConfig, type UninstallConfig } from './hook-config.ts';
import { KubeApi } from './kube/api.ts';
import { loadKubeConfig } from './kube/config.ts';
import { KubeError } from './kube/errors.ts';
import { type ConfigMap, KINDS, type Kind, type KubeObject } from './kube/objects.ts';
import type { NodeObject, PeerObject } from './plan/observed.ts';
import { NAMES, nothingIsLeft } from './plan/plan.ts';

/**
 * What the chart runs before it is uninstalled, while the operator is still there: deletes the nodes that the release made, and
 * waits until the operator has taken back what their peers were given. Keys stay, and so do peers unless they are asked for; but
 * have no access any more.
 */

/** By which the chart marks what it makes. */
const RELEASE_LABEL = 'app.kubernetes.io/instance';
/** What the chart calls its node. */
const CHART_NODE = 'local';

await runHook('lfh-sync-uninstall', async (log) => {
  const config = readUninstallConfig(process.env);
  const api = new KubeApi(loadKubeConfig(process.env));
  const { namespace, release, deletePeers } = config;
  const deadline = Date.now() + config.timeoutMs;
  const nodes = await nodesOf(api, namespace, release, deadline);
  // The peers first: only while their node is there are their consumers removed from NATS.
  if (deletePeers) await deleteAll(api, KINDS.peer, await peersOf(api, namespace, nodes), log);
  const names = nodes.map(({ metadata }) => metadata.name);
  for (const name of deletePeers ? names : []) await takenBack(api, name, config, deadline);
  await deleteAll(api, KINDS.node, nodes, log);
  // One that an attempt before this has deleted is not listed any more.
  const isGone = (await api.get(KINDS.node, namespace, CHART_NODE)) === undefined;
  for (const name of new Set([...names, ...(isGone ? [CHART_NODE] : [])])) await takenBack(api, name, config, deadline);
  log.info({ namespace, nodes: names }, 'done; Secrets with keys are still there');
});

async function nodesOf(api: KubeApi, namespace: string, release: string, deadline: number): Promise<NodeObject[]> {
  let nodes: readonly NodeObject[] = [];
  await within(deadline, '', async () => {
    try {
      nodes = (await api.list<NodeObject>(KINDS.node, namespace, `${RELEASE_LABEL}=${release}`)).items;
    } catch (error) {
      // Without the CRD there are none.
      if (!(error instanceof KubeError && error.isNotFound)) throw error;
    }
    return true;
  });
  return [...nodes];
}

async function peersOf(api: KubeApi, namespace: string, nodes: readonly NodeObject[]): Promise<PeerObject[]> {
  if (nodes.length === 0) return [];
  const names = new Set(nodes.map(({ metadata }) => metadata.name));
  const { items } = await api.list<PeerObject>(KINDS.peer, namespace);
  return items.filter(({ spec }) => names.has(spec.nodeRef?.name ?? 'local'));
}

async function deleteAll(api: KubeApi, kind: Kind, objects: readonly KubeObject[], log: Logger): Promise<void> {
  for (const { metadata } of objects) {
    const { name, namespace = '' } = metadata;
    await api.delete(kind, namespace, name);
    log.info({ kind: kind.kind, name, namespace }, 'deleted');
  }
}

/**
 * Waits until the operator has taken back what a node's peers were given, and the sidecar out of its workload.
 *
 * @throws with what a person can do where it does not
 */
async function takenBack(
  api: KubeApi,
  node: string,
  { namespace, timeoutMs }: UninstallConfig,
  deadline: number,
): Promise<void> {
  const configMap = NAMES.nats(node);
  const advice =
    `the ConfigMap ${namespace}/${configMap}, which nats-server includes, still lets peers in ${timeoutMs / 1000} s after they or their node were ` +
    'deleted, or the sidecar is still in its workload: the operator has to take that back. Is one running and ready? Its log says what ' +
    'it waits for. Try again when it works. Where it never will: take the accounts of the peers out of that ConfigMap by hand, and ' +
    'the sidecar as docs/injection.md says, then helm uninstall --no-hooks';
  await within(deadline, advice, async () => {
    const found = await api.get<ConfigMap>(KINDS.configMap, namespace, configMap);
    return found === undefined || nothingIsLeft(found);
  });
}

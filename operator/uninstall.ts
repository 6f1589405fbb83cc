import type { Logger } from '../common/log.ts';
import { FINALIZER } from './controller/node-controller.ts';
import { runHook, within } from './hook.ts';
import { readUninstallConfig, type UninstallConfig } from './hook-config.ts';
import { KubeApi } from './kube/api.ts';
import { loadKubeConfig } from './kube/config.ts';
import { KubeError } from './kube/errors.ts';
import { KINDS, type Kind, type KubeObject } from './kube/objects.ts';
import type { NodeObject, PeerObject } from './plan/observed.ts';

/**
 * What the chart runs before it is uninstalled, while the operator is still there: deletes the nodes that the release made, and
 * waits until the operator has taken back what their peers were given. Keys stay, and so do peers unless they are asked for; but
 * they no longer wait for an operator that will not come.
 */

/** By which the chart marks what it makes. */
const RELEASE_LABEL = 'app.kubernetes.io/instance';

await runHook('lfh-sync-uninstall', async (log) => {
  const config = readUninstallConfig(process.env);
  const api = new KubeApi(loadKubeConfig(process.env));
  const { namespace, release, deletePeers } = config;
  const deadline = Date.now() + config.timeoutMs;
  const nodes = await nodesOf(api, namespace, release, deadline);
  const names = new Set(nodes.map(({ metadata }) => metadata.name));
  // The peers first: only while their node is there are their consumers removed from NATS.
  if (deletePeers) await deleteAll(api, KINDS.peer, await peersOf(api, namespace, names), config, deadline, log);
  await deleteAll(api, KINDS.node, nodes, config, deadline, log);
  for (const peer of await peersOf(api, namespace, names)) await letGo(api, peer, log);
  log.info({ namespace, nodes: [...names] }, 'done; Secrets with keys are still there');
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

async function peersOf(api: KubeApi, namespace: string, nodes: ReadonlySet<string>): Promise<PeerObject[]> {
  if (nodes.size === 0) return [];
  const { items } = await api.list<PeerObject>(KINDS.peer, namespace);
  return items.filter(({ spec }) => nodes.has(spec.nodeRef?.name ?? 'local'));
}

/** @throws with what a person can do where the operator does not let go */
async function deleteAll(
  api: KubeApi,
  kind: Kind,
  objects: readonly KubeObject[],
  { namespace, timeoutMs }: UninstallConfig,
  deadline: number,
  log: Logger,
): Promise<void> {
  for (const { metadata } of objects) await api.delete(kind, namespace, metadata.name);
  for (const { metadata } of objects) {
    const what = `${kind.kind} ${namespace}/${metadata.name}`;
    const advice =
      `${what} is still there ${timeoutMs / 1000} s after it was deleted: its operator has to write the NATS configuration without ` +
      `its peers first, and then removes the finalizer ${FINALIZER}. Is an operator running and ready? Its log says what it waits for. ` +
      'Try again when it works. Where it never will, what peers were given stays in the NATS configuration until you remove it: ' +
      `then kubectl patch ${kind.plural} -n ${namespace} ${metadata.name} --type=merge -p '{"metadata":{"finalizers":null}}'`;
    await within(deadline, advice, async () => {
      const found = await api.get(kind, namespace, metadata.name);
      return found?.metadata.uid !== metadata.uid;
    });
    log.info({ kind: kind.kind, name: metadata.name, namespace }, 'deleted');
  }
}

/** As the operator would: its own finalizer, no other. */
async function letGo(api: KubeApi, { apiVersion, kind, metadata }: PeerObject, log: Logger): Promise<void> {
  const { name, namespace = '', uid = '', finalizers = [] } = metadata;
  if (!finalizers.includes(FINALIZER)) return;
  try {
    await api.apply({ apiVersion, kind, metadata: { name, namespace, uid, finalizers: [] } });
    log.info({ peer: name, namespace }, 'kept, and waits for no operator any more');
  } catch (error) {
    // Somebody has deleted it.
    if (!(error instanceof KubeError && (error.isNotFound || error.isConflict))) throw error;
  }
}

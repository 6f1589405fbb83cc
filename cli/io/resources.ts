import { KINDS, type Kind, type KubeObject } from '../../operator/api/objects.ts';
import { KubeError } from '../../operator/cluster/errors.ts';
import type { NodeObject, PeerObject, StoredNode } from '../../operator/plan/observed/observed.ts';
import type { Cluster } from './cluster.ts';
import { CannotAskError, NotWellError } from './errors.ts';

/** Reads the resources that commands are about. */

/** The field manager of what a person changes with a command. */
export const CLI_MANAGER = 'lfh-sync-cli';

/** @throws NotWellError where there is none of that name, with those that there are */
export async function peerNamed(cluster: Cluster, name: string): Promise<PeerObject> {
  const found = await cluster.api.get<PeerObject>(KINDS.peer, cluster.namespace, name);
  return found ?? noneNamed(cluster, KINDS.peer, name);
}

/**
 * The node that is named, or the only one that there is.
 *
 * @throws NotWellError where there is none of that name, none at all, or several to choose from
 */
export async function nodeNamed(cluster: Cluster, name: string | undefined): Promise<StoredNode> {
  if (name !== undefined) {
    const found = await cluster.api.get<StoredNode>(KINDS.node, cluster.namespace, name);
    return found ?? noneNamed(cluster, KINDS.node, name);
  }
  const nodes = await listed<StoredNode>(cluster, KINDS.node, cluster.namespace);
  const [only, another] = nodes;
  if (only && !another) return only;
  if (!only)
    throw new NotWellError(`there is no LfhSyncNode in the namespace ${cluster.namespace}: is it the right one (-n)?`);
  throw new NotWellError(
    `there are several LfhSyncNodes in ${cluster.namespace}: choose with --node one of ${namesOf(nodes)}`,
  );
}

/** The node with the id by which the peers know it. @throws NotWellError where that is not known, so that nothing can be judged */
export function withId(node: StoredNode): NodeObject {
  const lfhId = node.status?.lfhId ?? node.spec.lfhId;
  if (lfhId === undefined) throw new NotWellError('the id of this node is not known yet: lfh-sync status says why');
  return { ...node, spec: { ...node.spec, lfhId } };
}

/**
 * All objects of a kind.
 *
 * @param namespace undefined: of all namespaces
 * @throws CannotAskError where the API server does not know the kind, KubeError
 */
export async function listed<Value extends KubeObject>(
  { api }: Cluster,
  kind: Kind,
  namespace: string | undefined,
): Promise<readonly Value[]> {
  try {
    return (await api.list<Value>(kind, namespace)).items;
  } catch (error) {
    if (!(error instanceof KubeError && error.isNotFound)) throw error;
    throw new CannotAskError(`the cluster does not know ${kind.kind}: lfh-sync is not installed there`, {
      cause: error,
    });
  }
}

async function noneNamed(cluster: Cluster, kind: Kind, name: string): Promise<never> {
  const there = namesOf(await listed(cluster, kind, cluster.namespace));
  throw new NotWellError(
    `there is no ${kind.kind} ${name} in the namespace ${cluster.namespace}; it has ${there || 'none'}`,
  );
}

function namesOf(objects: readonly KubeObject[]): string {
  return objects.map(({ metadata }) => metadata.name).join(', ');
}

import { KINDS, type Kind, type KubeObject } from '../../operator/api/objects.ts';
import { KubeError } from '../../operator/cluster/errors.ts';
import type { PeerObject } from '../../operator/plan/observed/observed.ts';
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
 * All objects of a kind.
 *
 * @param namespace undefined: of all namespaces
 * @throws CannotAskError where the API server does not know the kind, KubeError
 */
async function listed<Value extends KubeObject>(
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

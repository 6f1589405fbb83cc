import { byAge } from '../observed/age.ts';
import { listensAt } from '../observed/endpoints.ts';
import type { StoredNode } from '../observed/observed.ts';

/**
 * Why a node must not be served: another node names the same nats-server and takes precedence, and their configurations would
 * overwrite each other.
 *
 * The server belongs to the node in the Service's own namespace. If that decides nothing, it stays with the node that is seen
 * to run there. Without either, age decides, and only between nodes of one namespace: another namespace may be another
 * tenant's, who could name somebody's server in a node before that one's node exists, or while it does not run. So nobody can stop
 * another's node by naming its server in a node of their own.
 *
 * @returns a message for a person; undefined where no node takes precedence
 */
export function nodeConflict(node: StoredNode, others: readonly StoredNode[]): string | undefined {
  const servers = new Set(serversOf(node));
  const winner = others.find((other) =>
    serversOf(other).some((server) => servers.has(server) && byPrecedence(server, other, node) < 0),
  );
  if (!winner) return undefined;
  const { namespace, name } = winner.metadata;
  return `LfhSyncNode ${namespace}/${name} has the same nats-server in spec.nats.servers, and the better claim to it; give each node its own`;
}

/** Negative where `a` takes precedence, 0 where neither does. */
function byPrecedence(server: string, a: StoredNode, b: StoredNode): number {
  const [ofA, ofB] = [precedence(server, a), precedence(server, b)];
  const isProven = Math.max(ofA, ofB) > 0;
  if (!isProven && a.metadata.namespace !== b.metadata.namespace) return 0;
  return ofB - ofA || byAge(a, b);
}

/**
 * 2 for the node in the namespace of the server's Service. For any other node its status decides: 1 where the node's
 * configuration is seen to run there, -1 where the node was already in conflict, and 0 where the status says nothing of it.
 */
function precedence(server: string, { metadata, status }: StoredNode): number {
  const [, namespace] = server.replace(/:\d+$/, '').split('.');
  if (server.split('.').length === 2 && namespace === metadata.namespace) return 2;
  const live = status?.conditions?.find(({ type }) => type === 'NatsConfigLive');
  if (live?.reason === 'Conflict') return -1;
  return live?.status === 'True' && live.observedGeneration === metadata.generation ? 1 : 0;
}

/**
 * The node's servers as `host:port`, each always written in the same way: a name without a dot gets the namespace of the node,
 * an address does not.
 */
function serversOf({ spec, metadata }: StoredNode): string[] {
  return spec.nats.servers.flatMap((server) => {
    const found = listensAt(server);
    if (!found) return [];
    const { host, port } = found;
    const full = /[.:]/.test(host) ? host : `${host}.${metadata.namespace}`;
    return `${full.replace(/\.svc(\.cluster\.local)?$/, '')}:${port}`;
  });
}

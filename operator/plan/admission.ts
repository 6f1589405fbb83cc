import type { NodeObject, PeerObject } from './observed.ts';

/** Which peers a node deals with. */
export interface Admission {
  readonly peer: PeerObject;
  /** Why not with this one: it claims what is somebody else's. */
  readonly conflict: string | undefined;
}

/**
 * Decides between peers that claim the same id or key: the older keeps what it has. Silently merged they would read each
 * other's messages, and nats-server refuses a configuration in which two users have one key.
 *
 * @param ownKeys the node's own public keys, and those of its administrators
 */
export function admit(node: NodeObject, ownKeys: readonly string[], peers: readonly PeerObject[]): Admission[] {
  const ids = new Map<string, string>([[node.spec.lfhId, "this node's own"]]);
  const keys = new Map<string, string>(ownKeys.map((key) => [key, "this node's own"]));
  return [...peers].sort(byAge).map((peer) => {
    const conflict = conflictOf(peer, ids, keys);
    if (conflict === undefined) {
      const owner = `that of the older peer ${peer.metadata.name}`;
      ids.set(peer.spec.lfhId, owner);
      for (const key of peer.spec.publicKeys ?? []) keys.set(key, owner);
    }
    return { peer, conflict };
  });
}

/** Nodes whose configuration would overwrite each other's: they name the same nats-server. The older goes on. */
export function nodeConflict(node: NodeObject, others: readonly NodeObject[]): string | undefined {
  const servers = new Set(serversOf(node));
  const older = others.find(
    (other) => byAge(other, node) < 0 && serversOf(other).some((server) => servers.has(server)),
  );
  if (!older) return undefined;
  const { namespace, name } = older.metadata;
  return `the older LfhSyncNode ${namespace}/${name} has the same nats-server in spec.nats.servers; give each node its own`;
}

function conflictOf(peer: PeerObject, ids: Map<string, string>, keys: Map<string, string>): string | undefined {
  const { lfhId, publicKeys = [] } = peer.spec;
  const id = ids.get(lfhId);
  if (id !== undefined) return `spec.lfhId is ${id}; every node has its own`;
  const index = publicKeys.findIndex((key) => keys.has(key));
  if (index < 0) return undefined;
  return `spec.publicKeys[${index}] is ${keys.get(publicKeys[index] ?? '')}; every node has its own`;
}

/** Host names without a dot are of the node's own namespace. */
function serversOf({ spec, metadata }: NodeObject): string[] {
  return spec.nats.servers.map((server) => {
    const url = new URL(server);
    const host = url.hostname.includes('.') ? url.hostname : `${url.hostname}.${metadata.namespace}`;
    return `${host.replace(/\.svc(\.cluster\.local)?$/, '')}:${url.port || '4222'}`;
  });
}

export function byAge(a: PeerObject | NodeObject, b: PeerObject | NodeObject): number {
  const [one, other] = [a, b].map(
    ({ metadata }) => `${metadata.creationTimestamp ?? ''} ${metadata.namespace}/${metadata.name}`,
  );
  return (one ?? '') < (other ?? '') ? -1 : 1;
}

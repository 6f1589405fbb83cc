import { syncName } from '../../../common/contract/names.ts';
import { listensAt } from '../observed/endpoints.ts';
import type { NodeObject, PeerObject } from '../observed/observed.ts';
import { nodeSpec, peerSpec } from '../observed/spec.ts';
import { type JudgedKeys, judgeKeys } from '../trust/public-keys.ts';

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
    const conflict = conflictOf(peer, ids, keys) ?? accountConflict(node, peer);
    if (conflict === undefined) {
      const owner = `that of the older peer ${peer.metadata.name}`;
      ids.set(peer.spec.lfhId, owner);
      for (const key of peerKeys(peer).usable) keys.set(key, owner);
    }
    return { peer, conflict };
  });
}

/** The keys that a peer may be let in with, and what is wrong with its others. */
export function peerKeys(peer: PeerObject): JudgedKeys {
  return judgeKeys(peerSpec(peer).publicKeys, 'spec.publicKeys');
}

/**
 * Nodes whose configuration would overwrite each other's: they name the same nats-server. It is that of the node in the Service's own
 * namespace; else it stays with the one that is seen to run there; else the older goes on. So nobody stops another's node by
 * writing its server into one of his own.
 */
export function nodeConflict(node: NodeObject, others: readonly NodeObject[]): string | undefined {
  const servers = new Set(serversOf(node));
  const rival = others.find((other) =>
    serversOf(other).some((server) => servers.has(server) && byClaim(server, other, node) < 0),
  );
  if (!rival) return undefined;
  const { namespace, name } = rival.metadata;
  return `LfhSyncNode ${namespace}/${name} has the same nats-server in spec.nats.servers, and the better claim to it; give each node its own`;
}

function byClaim(server: string, a: NodeObject, b: NodeObject): number {
  return claim(server, b) - claim(server, a) || byAge(a, b);
}

/** 2 for a Service of the node's own namespace. Else what its status says: 1 that it runs there, -1 that another does, 0 nothing. */
function claim(server: string, { metadata, status }: NodeObject): number {
  const [, where] = server.replace(/:\d+$/, '').split('.');
  if (server.split('.').length === 2 && where === metadata.namespace) return 2;
  const live = status?.conditions?.find(({ type }) => type === 'NatsConfigLive');
  if (live?.reason === 'Conflict') return -1;
  return live?.status === 'True' && live.observedGeneration === metadata.generation ? 1 : 0;
}

function conflictOf(peer: PeerObject, ids: Map<string, string>, keys: Map<string, string>): string | undefined {
  const id = ids.get(peer.spec.lfhId);
  if (id !== undefined) return `spec.lfhId is ${id}; every node has its own`;
  const taken = peerKeys(peer).usable.find((key) => keys.has(key));
  if (taken === undefined) return undefined;
  const index = peerSpec(peer).publicKeys.indexOf(taken);
  return `spec.publicKeys[${index}] is ${keys.get(taken)}; every node has its own`;
}

/** nats-server takes the last of two accounts with one name, without a word: connect's would be gone. */
function accountConflict(node: NodeObject, { spec }: PeerObject): string | undefined {
  const { account, isolation } = nodeSpec(node);
  if (isolation === 'Users' || syncName(spec.lfhId) !== account) return undefined;
  return `spec.lfhId: the peer's account would be named ${account}, as spec.nats.account of this node is; give that another name`;
}

/** As one nats-server is written everywhere: a name without a dot is of the node's own namespace, an address is not. */
function serversOf({ spec, metadata }: NodeObject): string[] {
  return spec.nats.servers.flatMap((server) => {
    const found = listensAt(server);
    if (!found) return [];
    const { host, port } = found;
    const full = /[.:]/.test(host) ? host : `${host}.${metadata.namespace}`;
    return `${full.replace(/\.svc(\.cluster\.local)?$/, '')}:${port}`;
  });
}

export function byAge(a: PeerObject | NodeObject, b: PeerObject | NodeObject): number {
  const [one, other] = [a, b].map(
    ({ metadata }) => `${metadata.creationTimestamp ?? ''} ${metadata.namespace}/${metadata.name}`,
  );
  return (one ?? '') < (other ?? '') ? -1 : 1;
}

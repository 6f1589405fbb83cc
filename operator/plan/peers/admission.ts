import { byAge } from '../observed/age.ts';
import type { NodeObject, PeerObject } from '../observed/observed.ts';
import { nodeSpec, peerDurable, peerSpec } from '../observed/spec.ts';
import { type CheckedKeys, checkKeys } from '../trust/public-keys.ts';

/** Whether a node deals with one of its peers. */
export interface Admission {
  readonly peer: PeerObject;
  /** Why it does not: the peer claims an id or a key that belongs to somebody else. */
  readonly conflict: string | undefined;
  /** Whether the id is what belongs to somebody else, and with it the durable of that name. */
  readonly hasForeignId: boolean;
}

/**
 * Decides between peers that claim the same id or key: the older one keeps what it has. If both were admitted they would read
 * each other's messages, and nats-server refuses a configuration in which two users have one key.
 *
 * @param ownKeys the node's own public keys, and those of its administrators
 * @returns the older peers first
 */
export function admit(node: NodeObject, ownKeys: readonly string[], peers: readonly PeerObject[]): Admission[] {
  const ids = new Map<string, string>([[node.spec.lfhId, "this node's own"]]);
  const keys = new Map<string, string>(ownKeys.map((key) => [key, "this node's own"]));
  return [...peers].sort(byAge).map((peer) => {
    const idConflict = idConflictOf(peer, ids);
    const conflict = idConflict ?? keyConflictOf(peer, keys) ?? accountConflict(node, peer);
    if (conflict === undefined) {
      const owner = `that of the older peer ${peer.metadata.name}`;
      ids.set(peer.spec.lfhId, owner);
      for (const key of peerKeys(peer).usable) keys.set(key, owner);
    }
    return { peer, conflict, hasForeignId: idConflict !== undefined };
  });
}

/** The keys that a peer may be let in with, and what is wrong with its other keys. */
export function peerKeys(peer: PeerObject): CheckedKeys {
  return checkKeys(peerSpec(peer).publicKeys, 'spec.publicKeys');
}

/** @param ids that are taken, with their owners as a message names them */
function idConflictOf(peer: PeerObject, ids: ReadonlyMap<string, string>): string | undefined {
  const id = ids.get(peer.spec.lfhId);
  return id === undefined ? undefined : `spec.lfhId is ${id}; every node has its own`;
}

/** @param keys that are taken, with their owners as a message names them */
function keyConflictOf(peer: PeerObject, keys: ReadonlyMap<string, string>): string | undefined {
  const taken = peerKeys(peer).usable.find((key) => keys.has(key));
  if (taken === undefined) return undefined;
  const index = peerSpec(peer).publicKeys.indexOf(taken);
  return `spec.publicKeys[${index}] is ${keys.get(taken)}; every node has its own`;
}

/** nats-server takes the last of two accounts with one name and reports no error: connect's account would be gone. */
function accountConflict(node: NodeObject, peer: PeerObject): string | undefined {
  const { account, isolation } = nodeSpec(node);
  if (isolation === 'Users' || peerDurable(peer) !== account) return undefined;
  return `spec.lfhId: the peer's account would be named ${account}, as spec.nats.account of this node is; give that another name`;
}

import type { NatsAccess } from '../nats/permissions.ts';
import type { DerivedKeys, NodeObject, PeerObject } from '../observed/observed.ts';
import { nodeSpec } from '../observed/spec.ts';
import { isUserKey } from '../trust/public-keys.ts';
import { peerKeys } from './admission.ts';

/**
 * Which keys the node's NATS lets in, and as whom.
 *
 * @param own public keys that the node signs in with there
 * @param granted peers that are let in
 */
export function natsAccess(
  node: NodeObject,
  own: readonly string[],
  granted: readonly PeerObject[],
  derived: Pick<DerivedKeys, 'probe'>,
): Omit<NatsAccess, 'canary'> {
  const { account, isolation, users } = nodeSpec(node);
  const peers = granted.map((peer) => {
    const probe = derived.probe(peer.spec.lfhId);
    return {
      lfhId: peer.spec.lfhId,
      publicKeys: peerKeys(peer).usable,
      ...(probe !== undefined && { probe }),
    };
  });
  return { account, isolation, own, users: users.filter(isUserKey), peers };
}

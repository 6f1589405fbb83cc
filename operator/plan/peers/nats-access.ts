import type { NatsAccess } from '../nats/permissions.ts';
import type { DerivedKeys, NodeObject, PeerObject } from '../observed/observed.ts';
import { nodeSpec, peerSpec } from '../observed/spec.ts';
import { isUserKey } from '../trust/public-keys.ts';
import { peerKeys } from './admission.ts';

/**
 * Which keys the node's NATS lets in, and as whom.
 *
 * @param itself public keys that the node's operator and its sidecars sign in with there
 * @param granted peers that are let in
 */
export function natsAccess(
  node: NodeObject,
  itself: { readonly own: readonly string[]; readonly sidecars: readonly string[] },
  granted: readonly PeerObject[],
  derived: Pick<DerivedKeys, 'probe'>,
): Omit<NatsAccess, 'canary'> {
  const { account, isolation, users, connectKey } = nodeSpec(node);
  const peers = granted.map((peer) => {
    const probe = derived.probe(peer.spec.lfhId);
    return {
      lfhId: peer.spec.lfhId,
      publicKeys: peerKeys(peer).usable,
      client: peerSpec(peer).send.client,
      ...(probe !== undefined && { probe }),
    };
  });
  const { own, sidecars: publicKeys } = itself;
  const isOurs = (key: string): boolean => own.includes(key) || publicKeys.includes(key);
  const sidecars = { publicKeys, lfhId: node.spec.lfhId, node: node.metadata.name };
  const connect = connectKey !== undefined && isUserKey(connectKey) && !isOurs(connectKey) ? connectKey : undefined;
  return {
    account,
    isolation,
    own,
    sidecars,
    users: users.filter(isUserKey),
    ...(connect !== undefined && { connect }),
    peers,
  };
}

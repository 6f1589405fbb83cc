import { durableConfig } from '../../../common/contract/durable.ts';
import { syncName } from '../../../common/contract/names.ts';
import { pullUsers } from '../nats/permissions.ts';
import type { PeerObject } from '../observed/observed.ts';
import { peerSpec } from '../observed/spec.ts';

/** What the administrator of a site without lfh-sync needs to give us access, as a peer's status shows it; nothing in it is secret. */
export interface ManualAccess {
  /** A line for the users of nats-server.conf; a second one while our key is replaced. */
  readonly user: string;
  /** Of the request that makes our durable there. */
  readonly subject: string;
  /** The body of that request, JSON. */
  readonly durable: string;
}

/**
 * Writes down what lfh-sync would make at the peer's site for this node, by the same functions.
 *
 * @param lfhId of this node
 * @param publicKeys the node's, the one in force first
 * @returns undefined where the spec does not ask for it, or there is no key yet
 */
export function manualAccess(lfhId: string, publicKeys: readonly string[], peer: PeerObject): ManualAccess | undefined {
  const { servers, receive } = peerSpec(peer);
  if (!receive.manual || servers.length === 0 || publicKeys.length === 0) return undefined;
  const { stream, consumer } = receive;
  const own = syncName(lfhId);
  const name = consumer ?? own;
  const config = { ...durableConfig(lfhId), durable_name: name };
  return {
    user: pullUsers(stream, name, own, publicKeys)
      .map((line) => line.trim())
      .join('\n'),
    subject: `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.${name}`,
    durable: JSON.stringify({ stream_name: stream, config }),
  };
}

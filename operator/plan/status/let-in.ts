import type { LiveAccess } from '../nats/live-access.ts';
import type { DataPlane, PeerObject } from '../observed/observed.ts';
import { servingServers } from '../observed/servers.ts';
import { peerDurable } from '../observed/spec.ts';
import { peerKeys } from '../peers/admission.ts';
import type { PlannedPeer } from '../peers/peers.ts';
import type { Plan } from '../plan.ts';
import { natsConfigLive } from './node-conditions.ts';
import { MOUNTED_AFTER_MS } from './verdict.ts';

/** Whether a node's nats-servers let a peer in, as far as that was seen. */

export interface LetInInput {
  readonly plan: Pick<Plan, 'files'>;
  readonly dataPlane: Pick<DataPlane, 'nats'>;
  /** Whom the servers let in; undefined where nothing is known of that. */
  readonly liveAccess: LiveAccess | undefined;
  /** Since when the planned configuration has been written, in milliseconds since 1970. */
  readonly writtenAt: number;
  /** In milliseconds since 1970. */
  readonly now: number;
}

/**
 * Whether every server that peers are led to lets in a peer that is to be let in. NatsConfigLive of the node asks for more: one that is
 * not ready counts there too.
 */
export function isLetIn(peer: PeerObject, input: LetInInput): boolean {
  const { nats } = input.dataPlane;
  const serving = nats && { ...nats, servers: servingServers(nats.servers) };
  return natsConfigLive(serving, input.plan.files?.phase ?? 'final').status === 'True' || isStillLetIn(peer, input);
}

/**
 * Whether servers that are about to take up a new configuration let the peer in by the one before, with all its keys. A change for
 * one peer must not make hundreds of others unready for as long as a reload takes.
 */
function isStillLetIn(peer: PeerObject, { dataPlane: { nats }, liveAccess, writtenAt, now }: LetInInput): boolean {
  const servers = servingServers(nats?.servers ?? []);
  const awaited = servers.every(({ outcome }) => outcome === 'Live' || outcome === 'ConfigNotLive');
  const keys = liveAccess?.serving.get(peerDurable(peer));
  if (servers.length === 0 || !awaited || keys === undefined || now - writtenAt > MOUNTED_AFTER_MS) return false;
  return peerKeys(peer).usable.every((key) => keys.has(key));
}

/**
 * Whether a server may let in a peer that is not to be let in. As long as that could not be seen since the operator's start, what the
 * peer's status says of the same spec counts, since it was seen then: an operator that is started while a server does not answer would
 * otherwise call into question what ended long ago.
 */
export function mayBeLetIn(
  { peer, hasForeignId }: Pick<PlannedPeer, 'peer' | 'hasForeignId'>,
  { liveAccess }: Pick<LetInInput, 'liveAccess'>,
): boolean {
  // The account of that name is another peer's.
  if (hasForeignId) return false;
  if (liveAccess?.possible) return liveAccess.possible.has(peerDurable(peer));
  const said = peer.status?.conditions?.find(({ type }) => type === 'SendReady');
  const wasOut = said?.status === 'True' && (said.reason === 'Paused' || said.reason === 'NotRequested');
  return !wasOut || said.observedGeneration !== peer.metadata.generation;
}

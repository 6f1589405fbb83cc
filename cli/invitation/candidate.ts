import { KINDS } from '../../operator/api/objects.ts';
import { DEFAULT_NODE } from '../../operator/plan/observed/names.ts';
import { type NodeObject, nodeNameOf, type PeerObject } from '../../operator/plan/observed/observed.ts';
import type { Invitation } from './read.ts';

/** Which directions of an invitation are taken up. */
export interface Directions {
  /** Whether we receive from the peer. */
  readonly receive: boolean;
  /** Whether the peer may receive from us. */
  readonly send: boolean;
}

/**
 * The peer that an invitation would be: of the fields of an LfhSyncPeer those that an invitation decides, and no others.
 *
 * @param name of the object
 */
export function candidateOf(
  invitation: Invitation,
  name: string,
  node: NodeObject,
  directions: Directions,
): PeerObject {
  const { lfhId, servers, ca, tlsServerName, publicKeys } = invitation;
  const { apiVersion, kind } = KINDS.peer;
  const receives = directions.receive && servers.length > 0;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace: node.metadata.namespace ?? '' },
    spec: {
      lfhId,
      ...(node.metadata.name !== DEFAULT_NODE && { nodeRef: { name: node.metadata.name } }),
      ...(receives && { servers }),
      ...(receives && ca !== '' && { ca: { inline: ca } }),
      ...(receives && tlsServerName !== undefined && { tlsServerName }),
      ...(directions.send && publicKeys.length > 0 && { publicKeys }),
    },
  };
}

/**
 * The peer of this node that has the id already, whatever it is called here; else the one with the invitation's name.
 *
 * @param peers of the namespace: several of its nodes may have a peer with the same id
 */
export function existingPeer(
  peers: readonly PeerObject[],
  { lfhId, name }: Pick<Invitation, 'lfhId' | 'name'>,
  node: string,
): PeerObject | undefined {
  const ours = peers.filter((peer) => nodeNameOf(peer) === node);
  return ours.find(({ spec }) => spec.lfhId === lfhId) ?? ours.find(({ metadata }) => metadata.name === name);
}

/**
 * Fields that are there and that the invitation does not have, as a merge patch that removes them: an apply would leave those that
 * somebody else has given, such as a key that the peer has replaced.
 *
 * @returns empty where there are none
 */
export function leftovers(
  { spec: before }: PeerObject,
  { spec: after }: PeerObject,
): Readonly<Record<string, unknown>> {
  const gone = (['servers', 'ca', 'tlsServerName', 'publicKeys'] as const).filter(
    (field) => before[field] !== undefined && after[field] === undefined,
  );
  const sources = (['inline', 'configMapRef', 'secretRef'] as const).filter(
    (source) => before.ca?.[source] !== undefined && after.ca !== undefined && after.ca[source] === undefined,
  );
  return {
    ...Object.fromEntries(gone.map((field) => [field, null])),
    ...(sources.length > 0 && { ca: { ...after.ca, ...Object.fromEntries(sources.map((source) => [source, null])) } }),
  };
}

import type { ConditionDraft } from '../../api/conditions.ts';
import type { PeerObject, StoredNode } from '../observed/observed.ts';
import { conditionsOf, inBothDirections, type NodeStatus, type PeerStatusOf } from './status.ts';

/**
 * Statuses that come from no plan. Where the reconciles of a node fail again and again, nothing newer is known of it and its peers:
 * their conditions would stay as they were, and say that all is well of a day that is over. `status.observedGeneration` stays then,
 * because the spec was not acted on.
 */

const NODE_CONDITIONS = ['KeyReady', 'NatsConfigLive', 'StreamReady', 'SidecarReady', 'TransmitReady'] as const;

/** @param problem what the error says */
export function failedNodeStatus(node: StoredNode, problem: string, now: number): NodeStatus {
  const message = `the last reconciles failed: ${problem}`;
  const drafts = NODE_CONDITIONS.map(
    (type): ConditionDraft => ({ type, status: 'Unknown', reason: 'ReconcileFailed', message }),
  );
  return { ...node.status, conditions: conditionsOf(node.status?.conditions, drafts, node, now) };
}

/**
 * Of a peer that is being deleted: a finalizer of somebody else keeps it, and nothing is done for it any more. What was written has
 * ended nothing yet, so it does not say that.
 */
export function deletedPeerStatus(peer: PeerObject, now: number): PeerStatusOf {
  const message =
    'it is being deleted: its replay and its access are being ended, and SidecarReady and NatsConfigLive of the LfhSyncNode say whether ' +
    'sidecars and nats-servers have taken that up; metadata.finalizers says who keeps it';
  const drafts = inBothDirections('False', 'Deleting', message);
  const observedGeneration = peer.metadata.generation ?? 0;
  return { ...peer.status, observedGeneration, conditions: conditionsOf(peer.status?.conditions, drafts, peer, now) };
}

/** @param problem what the error says */
export function failedPeerStatus(peer: PeerObject, problem: string, now: number): PeerStatusOf {
  const message = `its LfhSyncNode: the last reconciles failed: ${problem}`;
  const drafts = inBothDirections('Unknown', 'NodeNotReady', message);
  return { ...peer.status, conditions: conditionsOf(peer.status?.conditions, drafts, peer, now) };
}

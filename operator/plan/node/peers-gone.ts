import type { ConditionType } from '../../api/reasons.ts';
import type { StoredNode } from '../observed/observed.ts';

/** Whether the nats-servers of a node were last seen to run its configuration, so that the operator can sign in there. */
export function isNatsLive({ status }: StoredNode): boolean {
  const type: ConditionType = 'NatsConfigLive';
  return status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
}

/**
 * Whether a node's status says that it has no peer any more, and was published by a reconcile that could remove their durables. It is
 * published after that was tried.
 *
 * @param wasLive whether its nats-servers could be signed in to before: where not, that is not waited for
 */
export function isWithoutPeers(node: StoredNode, wasLive: boolean): boolean {
  return node.status?.peers?.total === 0 && (!wasLive || isNatsLive(node));
}

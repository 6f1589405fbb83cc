import { syncName } from '../../common/contract/names.ts';
import type { PeerStatus } from '../../common/contract/status.ts';
import { type Condition, type ConditionDraft, summarize, withCondition, withProgress } from '../api/conditions.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../api/types.ts';
import type { Accesses } from './access.ts';
import { nodeWants } from './defaults.ts';
import type { KeyStep } from './keys.ts';
import { keyReady, natsConfigLive, sidecarReady } from './node-conditions.ts';
import {
  type DataPlane,
  type NodeObject,
  type Observed,
  type ObservedNats,
  type PeerAccess,
  type PeerObject,
  reportOf,
} from './observed.ts';
import { NAMES, type Plan, type PlannedPeer } from './plan.ts';
import { receiveReady } from './receive-condition.ts';
import { nameOf } from './reload.ts';
import { sendReady } from './send-condition.ts';
import type { Progress } from './verdict.ts';

export type NodeStatus = NonNullable<LfhSyncNode['status']>;
export type PeerStatusOf = NonNullable<LfhSyncPeer['status']>;

/** How far each direction of each peer had got when it last moved, by the peer's name. Kept from turn to turn. */
export type Progresses = ReadonlyMap<string, { readonly received: Progress; readonly sent: Progress }>;

/** What is kept of a node's data plane from turn to turn. */
export interface Known {
  /** Since when what is written now has been there, in milliseconds since 1970. */
  readonly writtenAt: number;
  /** Workloads that the spec names and that are not there, as `kind/name`. */
  readonly missing: ReadonlySet<string>;
  readonly progress: Progresses;
  readonly accesses: Accesses;
}

/** The status of a peer after a turn over its node. */
export function peerStatus(
  planned: PlannedPeer,
  plan: Plan,
  step: KeyStep,
  dataPlane: DataPlane,
  { progress, accesses }: Known,
  now: number,
): PeerStatusOf {
  const { peer, conflict, ca } = planned;
  const before = peer.status ?? {};
  const { nats, sidecars } = dataPlane;
  const moved = progress.get(peer.metadata.name);
  const access = accesses.get(peer.metadata.name)?.access;
  const obstacle = obstacleOf(plan, step);
  const configLive = natsConfigLive(nats, plan.files?.reload ?? 2).status === 'True';
  const drafts: ConditionDraft[] = obstacle ?? [
    receiveReady({ peer, conflict, ca, sidecars, received: moved?.received, now }),
    sendReady({ peer, conflict, nats, configLive, access, sent: moved?.sent, now }),
  ];
  return {
    ...before,
    observedGeneration: peer.metadata.generation ?? 0,
    name: syncName(peer.spec.lfhId),
    conditions: conditionsOf(before.conditions, drafts, peer, now),
    ...receiveOf(sidecars && reportOf(peer.metadata.name, sidecars), before.receive?.key),
    ...sendOf(peer, nats, access),
  };
}

function sendOf(
  peer: PeerObject,
  nats: ObservedNats | undefined,
  access: PeerAccess | undefined,
): Pick<PeerStatusOf, 'send'> {
  const durable = nats?.durables?.find(({ name }) => name === syncName(peer.spec.lfhId));
  if (!durable) return {};
  const { pending, ackFloor, lastActive = peer.status?.send?.lastPullTime } = durable;
  const connectedKey = access?.connectedKeys[0];
  return {
    send: {
      pending,
      ackFloor,
      ...(lastActive !== undefined && { lastPullTime: lastActive }),
      ...(connectedKey !== undefined && { connectedKey }),
    },
  };
}

/** The status of a node after a turn; `peers` as they are after it. */
export function nodeStatus(
  observed: Observed,
  plan: Plan,
  step: KeyStep,
  dataPlane: DataPlane,
  peers: readonly PeerStatusOf[],
  known: Known,
  now: number,
): NodeStatus {
  const { node, key } = observed;
  const before = node.status ?? {};
  const drafts: ConditionDraft[] = [
    keyReady(step),
    natsDraft(observed, plan, step, dataPlane, known, now),
    plan.kafkaPassword === undefined
      ? sidecarReady(dataPlane.sidecars, node.spec.connect !== undefined)
      : { type: 'SidecarReady', status: 'False', reason: 'MissingReference', message: plan.kafkaPassword },
  ];
  const ready = peers.filter(({ conditions }) => conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
  const publicKeys = step.step === 'use' ? [...step.publicKeys] : before.publicKeys;
  return {
    ...before,
    observedGeneration: node.metadata.generation ?? 0,
    name: syncName(node.spec.lfhId),
    conditions: conditionsOf(before.conditions, drafts, node, now),
    ...(publicKeys && { publicKeys }),
    ...(key && { rotation: key.rotation, ...(key.rotatedAt !== undefined && { rotatedAt: key.rotatedAt }) }),
    previousKeyInUseBy: previousKeyUsers(observed),
    ...(plan.files && { invitation: NAMES.invitation(node.metadata.name), configHash: plan.files.hash.slice(0, 12) }),
    peers: { total: peers.length, ready: ready.length },
  };
}

function natsDraft(
  { node }: Observed,
  { problem, files, remarks }: Plan,
  step: KeyStep,
  { nats }: DataPlane,
  { writtenAt, missing }: Known,
  now: number,
): ConditionDraft<'NatsConfigLive'> {
  const type = 'NatsConfigLive';
  if (problem) return { type, status: 'False', ...problem };
  if (step.step === 'stop') return { type, status: 'False', reason: 'KeyNotReady', message: step.message };
  const draft = natsConfigLive(nats, files?.reload ?? 2, now - writtenAt);
  const { workload } = nodeWants(node);
  if (draft.status !== 'True' && workload && missing.has(nameOf(workload))) {
    const message = `spec.nats.workloadRef: there is no ${nameOf(workload)} in this namespace; ${draft.message}`;
    return { type, status: 'False', reason: 'WorkloadMissing', message };
  }
  return { ...draft, message: [draft.message, ...remarks].join('; ') };
}

/** The status of a peer that names a node that is not there. */
export function orphanStatus(peer: PeerObject, nodeName: string, now: number): PeerStatusOf {
  const message = `there is no LfhSyncNode ${nodeName} in this namespace`;
  const drafts: ConditionDraft[] = (['ReceiveReady', 'SendReady'] as const).map((type) => ({
    type,
    status: 'False',
    reason: 'NodeMissing',
    message,
  }));
  return {
    ...peer.status,
    observedGeneration: peer.metadata.generation ?? 0,
    conditions: conditionsOf(peer.status?.conditions, drafts, peer, now),
  };
}

/** Peers that were last seen to accept the previous key and not the one in force. */
export function previousKeyUsers({ key, peers }: Pick<Observed, 'key' | 'peers'>): string[] {
  const previous = key?.previous?.publicKey;
  if (previous === undefined) return [];
  const using = peers.filter(
    ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.receive?.key === previous,
  );
  return using.map(({ metadata }) => metadata.name).sort();
}

/** What keeps both directions of every peer from being told. */
function obstacleOf({ problem }: Plan, step: KeyStep): ConditionDraft[] | undefined {
  const both = (status: 'False' | 'Unknown', message: string): ConditionDraft[] => [
    { type: 'ReceiveReady', status, reason: 'NodeNotReady', message },
    { type: 'SendReady', status, reason: 'NodeNotReady', message },
  ];
  if (problem) return both('False', `its LfhSyncNode: ${problem.message}`);
  return step.step === 'stop' ? both('Unknown', `the node's key: ${step.message}`) : undefined;
}

function conditionsOf(
  before: readonly Condition[] | undefined,
  drafts: readonly ConditionDraft[],
  { metadata }: NodeObject | PeerObject,
  now: number,
): readonly Condition[] {
  const at = { generation: metadata.generation ?? 0, now };
  const dependents = drafts.map(({ type }) => type);
  const all = drafts.reduce<readonly Condition[]>(
    (conditions, draft) => withCondition(conditions, draft, at),
    before ?? [],
  );
  return withProgress(withCondition(all, summarize('Ready', dependents, all), at), dependents, at);
}

/**
 * @param lastKey that the peer was seen to accept. It stays while there is no connection: a peer that is down while our key is
 *   replaced may accept nothing but the previous one, which must wait for it.
 */
function receiveOf(report: PeerStatus | undefined, lastKey: string | undefined): Pick<PeerStatusOf, 'receive'> {
  if (!report) return {};
  const { position, lag, lastReplayTime, replayed, skipped, rejected, server, key: acceptedNow } = report;
  const key = acceptedNow ?? lastKey;
  return {
    receive: {
      ...(position && { position: position.sequence }),
      ...(lag !== null && { lag }),
      ...(lastReplayTime !== null && { lastReplayTime }),
      replayed,
      skipped: sum(skipped),
      rejected: sum(rejected),
      ...(server !== null && { server }),
      ...(key !== undefined && { key }),
    },
  };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

import { syncName } from '../../../common/contract/names.ts';
import type { PeerStatus } from '../../../common/contract/status.ts';
import { type Condition, type ConditionDraft, summarize, withCondition, withProgress } from '../../api/conditions.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../api/types.ts';
import type { Injection } from '../injection/step.ts';
import type { Accesses } from '../nats/peer-access.ts';
import { NAMES } from '../observed/names.ts';
import {
  type DataPlane,
  type NodeObject,
  type Observed,
  type ObservedNats,
  type PeerAccess,
  type PeerObject,
  reportOf,
} from '../observed/observed.ts';
import { nodeSpec, peerSpec } from '../observed/spec.ts';
import { workloadText } from '../observed/workload-ref.ts';
import type { PlannedPeer } from '../peers/peers.ts';
import { type Plan } from '../plan.ts';
import type { KeyStep } from '../trust/node-key.ts';
import { keyReady, natsConfigLive, sidecarReady } from './node-conditions.ts';
import { receiveReady } from './receive-condition.ts';
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
  /** Why what was planned could not be written; absent where it was. */
  readonly refused?: string;
  /** What became of the sidecar; absent where nobody looked. */
  readonly injection?: Injection;
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
  const { peer, conflict, ca, invalid } = planned;
  const { receive: _receive, send: _send, ...before } = peer.status ?? {};
  const { nats, sidecars } = dataPlane;
  const moved = progress.get(peer.metadata.name);
  const access = accesses.get(peer.metadata.name)?.access;
  const obstacle = obstacleOf(plan, step);
  const configLive = natsConfigLive(nats, plan.files?.phase ?? 'final').status === 'True';
  const drafts: ConditionDraft[] = obstacle ?? [
    receiveReady({ peer, conflict, ca, invalid, sidecars, received: moved?.received, now }),
    sendReady({ peer, conflict, nats, configLive, access, sent: moved?.sent, now }),
  ];
  return {
    ...before,
    observedGeneration: peer.metadata.generation ?? 0,
    name: syncName(peer.spec.lfhId),
    conditions: conditionsOf(before.conditions, drafts, peer, now),
    ...seenOf(peer, dataPlane, access),
  };
}

/** What was seen last of each direction; of one that is not asked for any more that says nothing. */
function seenOf(
  peer: PeerObject,
  { nats, sidecars }: DataPlane,
  access: PeerAccess | undefined,
): Pick<PeerStatusOf, 'receive' | 'send'> {
  const { receive, send } = peer.status ?? {};
  const { servers, publicKeys } = peerSpec(peer);
  return {
    ...(servers.length > 0 && {
      ...(receive && { receive }),
      ...receiveOf(sidecars && reportOf(peer, sidecars), receive?.key),
    }),
    ...(publicKeys.length > 0 && { ...(send && { send }), ...sendOf(peer, nats, access) }),
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
  const { workload: _, ...before } = node.status ?? {};
  const workload = known.injection?.workload;
  const config = natsDraft(observed, plan, step, dataPlane, known, now);
  const drafts: ConditionDraft[] = [keyReady(step), config, sidecarDraft(observed, plan, dataPlane, known.injection)];
  const ready = peers.filter(({ conditions }) => conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
  const publicKeys = step.step === 'use' ? [...step.publicKeys] : before.publicKeys;
  const invitationName = NAMES.invitation(node.metadata.name);
  return {
    ...before,
    observedGeneration: node.metadata.generation ?? 0,
    name: syncName(node.spec.lfhId),
    conditions: conditionsOf(before.conditions, drafts, node, now),
    ...(publicKeys && { publicKeys }),
    ...(key && { rotation: key.rotation, ...(key.rotatedAt !== undefined && { rotatedAt: key.rotatedAt }) }),
    previousKeyInUseBy: previousKeyUsers(observed),
    ...(plan.objects.some(({ metadata }) => metadata.name === invitationName) && { invitation: invitationName }),
    ...(plan.files && config.status === 'True' && { configHash: plan.files.hash.slice(0, 12) }),
    peers: { total: peers.length, ready: ready.length },
    ...(workload !== undefined && { workload }),
  };
}

function natsDraft(
  { node }: Observed,
  { problem, files, remarks }: Plan,
  step: KeyStep,
  { nats }: DataPlane,
  { writtenAt, missing, refused }: Known,
  now: number,
): ConditionDraft<'NatsConfigLive'> {
  const type = 'NatsConfigLive';
  if (problem) return { type, status: 'False', ...problem };
  if (refused !== undefined) return { type, status: 'False', reason: 'WriteRefused', message: refused };
  if (step.step === 'stop') return { type, status: 'False', reason: 'KeyNotReady', message: step.message };
  const draft = natsConfigLive(nats, files?.phase ?? 'final', now - writtenAt);
  const { workload } = nodeSpec(node);
  if (draft.status !== 'True' && workload && missing.has(workloadText(workload))) {
    const message = `spec.nats.workloadRef: there is no ${workloadText(workload)} in this namespace; ${draft.message}`;
    return { type, status: 'False', reason: 'WorkloadMissing', message };
  }
  return { ...draft, message: [draft.message, ...remarks].join('; ') };
}

function sidecarDraft(
  { node }: Observed,
  { kafkaPasswordProblem }: Plan,
  { sidecars }: DataPlane,
  injection: Injection | undefined,
): ConditionDraft<'SidecarReady'> {
  const type = 'SidecarReady';
  if (kafkaPasswordProblem !== undefined)
    return { type, status: 'False', reason: 'MissingReference', message: kafkaPasswordProblem };
  const { refusal, awaited } = injection ?? {};
  const draft = sidecarReady(sidecars, node.spec.connect !== undefined);
  // Without an image somebody else may run them.
  if (refusal && (refusal.reason !== 'NoImage' || draft.reason === 'NoReport')) {
    return { type, status: 'False', ...refusal };
  }
  if (awaited === undefined || draft.reason !== 'NoReport') return draft;
  return { type, status: 'Unknown', reason: 'Injected', message: awaited };
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

/** Peers that were last seen to accept the previous key and not the one in force. With whom we do not sign in has no say. */
export function previousKeyUsers({ key, peers }: Pick<Observed, 'key' | 'peers'>): string[] {
  const previous = key?.previous?.publicKey;
  if (previous === undefined) return [];
  const receiving = peers.filter(
    (peer) => peer.metadata.deletionTimestamp === undefined && peerSpec(peer).servers.length > 0,
  );
  const using = receiving.filter(({ status }) => status?.receive?.key === previous);
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

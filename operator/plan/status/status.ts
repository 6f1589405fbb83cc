import { syncName } from '../../../common/contract/names.ts';
import { messageOf } from '../../../common/errors.ts';
import { type Condition, type ConditionDraft, summarize, withCondition, withProgress } from '../../api/conditions.ts';
import type { ReasonOf } from '../../api/reasons.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../api/types.ts';
import type { InjectionRefusal } from '../injection/injection.ts';
import type { Injection } from '../injection/step.ts';
import type { LiveAccess } from '../nats/live-access.ts';
import type { Accesses } from '../nats/probes.ts';
import { publishedUserProblem } from '../node/problem.ts';
import { NAMES } from '../observed/names.ts';
import {
  type DataPlane,
  type NodeObject,
  type Observed,
  type PeerObject,
  reportOf,
  type StoredNode,
} from '../observed/observed.ts';
import { nodeSpec, peerSpec } from '../observed/spec.ts';
import { parseTime, statusTime } from '../observed/times.ts';
import { workloadText } from '../observed/workload-ref.ts';
import type { PlannedPeer } from '../peers/peers.ts';
import { type Plan } from '../plan.ts';
import { earliest, expiryRemarks } from '../trust/expiry.ts';
import type { KeyStep } from '../trust/node-key.ts';
import { anyKnown, known } from './known.ts';
import { lastSeenOf } from './last-seen.ts';
import { isLetIn, mayBeLetIn } from './let-in.ts';
import { keyReady, natsConfigLive, sidecarReady, streamReady } from './node-conditions.ts';
import type { PeerProgress, Progresses } from './progress.ts';
import { receiveReady } from './receive-condition.ts';
import { redriveStatus } from './redrive.ts';
import { sendReady } from './send-condition.ts';
import { isLate, type StaleSettings } from './settings-live.ts';
import { transmitReady, transmitStatus } from './transmit-condition.ts';

export type NodeStatus = NonNullable<LfhSyncNode['status']>;
export type PeerStatusOf = NonNullable<LfhSyncPeer['status']>;

/** Everything that the statuses of a node and its peers are made from, besides the objects themselves. */
export interface StatusInput {
  readonly plan: Plan;
  readonly keyStep: KeyStep;
  readonly dataPlane: DataPlane;
  /** In milliseconds since 1970. */
  readonly now: number;
  /** Since when the planned configuration has been written, in milliseconds since 1970. */
  readonly writtenAt: number;
  readonly progress: Progresses;
  readonly staleSettings: StaleSettings;
  readonly accesses: Accesses;
  /** Whom the servers let in; undefined where nothing is known of that. */
  readonly liveAccess: LiveAccess | undefined;
  /** Workloads that the spec names and that do not exist, as `kind/name`. */
  readonly missing: ReadonlySet<string>;
  /** Why the plan could not be written; undefined where it was. */
  readonly refused: string | undefined;
  /** What became of the sidecar. */
  readonly injection: Injection | undefined;
}

export interface Statuses {
  readonly node: NodeStatus;
  /** In the order of the plan's peers. */
  readonly peers: readonly PeerStatusOf[];
}

/** The statuses of a node and of all its peers after a reconcile. */
export function nodeAndPeerStatuses(observed: Observed, input: StatusInput): Statuses {
  const peers = input.plan.peers.map((planned) => peerStatus(planned, input));
  return { node: nodeStatus(observed, peers, input), peers };
}

/** The status of a peer after a reconcile of its node. */
export function peerStatus(planned: PlannedPeer, input: StatusInput): PeerStatusOf {
  const { plan, keyStep, dataPlane, progress, accesses, now } = input;
  const { peer, conflict, ca, clientSupported, failure } = planned;
  const {
    receive: _receive,
    send: _send,
    certificateExpiry: _expiry,
    redrive: _redrive,
    ...before
  } = peer.status ?? {};
  const { nats, sidecars } = dataPlane;
  const { received, sent, fetched, staleSince }: Partial<PeerProgress> = progress.get(peer.metadata.name) ?? {};
  const access = accesses.get(peer.metadata.name);
  const obstacle = obstacleOf(plan, keyStep);
  const configLive = isLetIn(peer, input);
  const mayHaveAccess = mayBeLetIn(planned, input);
  const drafts: ConditionDraft[] = obstacle ??
    failureDrafts(failure) ?? [
      receiveReady({ planned, sidecars, received, staleSince, now }),
      sendReady({ peer, conflict, clientSupported, nats, configLive, mayHaveAccess, access, sent, fetched, now }),
    ];
  return {
    ...before,
    observedGeneration: peer.metadata.generation ?? 0,
    name: syncName(peer.spec.lfhId),
    conditions: conditionsOf(before.conditions, drafts, peer, now),
    ...lastSeenOf(peer, dataPlane, {
      access: access?.access,
      fetched,
      manual: plan.manual.get(peer.metadata.name),
      caExpires: ca?.expires,
      now,
    }),
    ...redriveStatus(peer, sidecars && reportOf(peer, sidecars)),
  };
}

/**
 * The status of a node after a reconcile.
 *
 * @param peers the statuses of its peers after the same reconcile
 */
export function nodeStatus(observed: Observed, peers: readonly PeerStatusOf[], input: StatusInput): NodeStatus {
  const { node, key } = observed;
  const { plan, keyStep, dataPlane, injection, now } = input;
  const { workload: _workload, certificateExpiry: _expiry, transmit: _transmit, ...before } = node.status ?? {};
  const workload = injection?.workload;
  const config = natsDraft(node, input);
  const drafts: ConditionDraft[] = [
    keyReady(keyStep, publishedUserProblem(node), cutOffPeers(observed)),
    config,
    streamReady(dataPlane.nats, plan.durables.length > 0),
    sidecarDraft(node, input),
    transmitReady(node, plan, dataPlane.sidecars),
  ];
  const ready = peers.filter(({ conditions }) => conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
  const publicKeys = keyStep.step === 'use' ? [...keyStep.publicKeys] : before.publicKeys;
  const invitationName = NAMES.invitation(node.metadata.name);
  return {
    ...before,
    observedGeneration: node.metadata.generation ?? 0,
    ...namesOf(node),
    conditions: conditionsOf(before.conditions, drafts, node, now),
    ...(publicKeys && { publicKeys }),
    ...(key && { rotation: key.rotation, ...(key.rotatedAt !== undefined && { rotatedAt: key.rotatedAt }) }),
    previousKeyInUseBy: previousKeyUsers(observed),
    ...(plan.objects.some(({ metadata }) => metadata.name === invitationName) && { invitation: invitationName }),
    ...(plan.files && config.status === 'True' && { configHash: plan.files.hash.slice(0, 12) }),
    peers: { total: peers.length, ready: ready.length },
    ...transmitStatus(node, dataPlane.sidecars),
    ...(workload !== undefined && { workload }),
    ...nodeCertificateExpiry(node, input),
  };
}

function nodeCertificateExpiry(
  node: NodeObject,
  { plan: { caExpiry }, dataPlane }: StatusInput,
): Pick<NodeStatus, 'certificateExpiry'> {
  const seen = certificateExpiresFirst(dataPlane);
  const { nats, kafka } = caExpiry;
  const certificateExpiry = anyKnown({
    // What a server has that cannot be asked now was seen last.
    nats: seen === undefined ? node.status?.certificateExpiry?.nats : statusTime(seen),
    natsCa: nats === undefined ? undefined : statusTime(nats),
    kafkaCa: kafka === undefined ? undefined : statusTime(kafka),
  });
  return known({ certificateExpiry });
}

/** When the first certificate of the node's own nats-servers expires; undefined where none of them could be asked. */
function certificateExpiresFirst({ nats }: DataPlane): number | undefined {
  return earliest((nats?.servers ?? []).flatMap(({ certificateExpires = [] }) => certificateExpires));
}

/** What peers call the node; nothing where its id is not known. */
function namesOf({ spec: { lfhId } }: NodeObject): Pick<NodeStatus, 'lfhId' | 'name'> {
  return lfhId === '' ? {} : { lfhId, name: syncName(lfhId) };
}

function natsDraft(node: NodeObject, input: StatusInput): ConditionDraft<'NatsConfigLive'> {
  const { plan, keyStep, dataPlane, writtenAt, missing, refused, now } = input;
  const { problem, files, remarks } = plan;
  const type = 'NatsConfigLive';
  if (problem) return { type, status: 'False', ...problem };
  if (refused !== undefined) return { type, status: 'False', reason: 'WriteRefused', message: refused };
  if (keyStep.step === 'stop') return { type, status: 'False', reason: 'KeyNotReady', message: keyStep.message };
  const draft = natsConfigLive(dataPlane.nats, files?.phase ?? 'final', now - writtenAt);
  const { workload } = nodeSpec(node);
  if (draft.status !== 'True' && workload && missing.has(workloadText(workload))) {
    const message = `spec.nats.workloadRef: there is no ${workloadText(workload)} in this namespace; ${draft.message}`;
    return { type, status: 'False', reason: 'WorkloadMissing', message };
  }
  if (draft.status === 'True' && plan.addressProblem) return { type, status: 'False', ...plan.addressProblem };
  const expires = certificateExpiresFirst(dataPlane);
  const expiry = expiryRemarks('the certificate of a nats-server of this node, or one above it,', expires, now);
  return { ...draft, message: [draft.message, ...remarks, ...expiry].join('; ') };
}

/** Without an image the sidecars may be run by something else, and where new pods are refused the old ones go on. */
const MAY_REPORT: ReadonlySet<InjectionRefusal['reason']> = new Set(['NoImage', 'PodsRefused']);

function sidecarDraft(node: NodeObject, input: StatusInput): ConditionDraft<'SidecarReady'> {
  const { plan, dataPlane, injection } = input;
  const { kafkaProblem, kafkaRemarks } = plan;
  const type = 'SidecarReady';
  if (kafkaProblem) return { type, status: 'False', ...kafkaProblem };
  const { refusal, awaited } = injection ?? {};
  const found = sidecarReady(dataPlane.sidecars, node.spec.connect !== undefined, lateSince(node, input));
  const draft = { ...found, message: [found.message, ...kafkaRemarks].join('; ') };
  if (refusal && (!MAY_REPORT.has(refusal.reason) || draft.reason === 'NoReport')) {
    return { type, status: 'False', ...refusal };
  }
  if (awaited === undefined || draft.reason !== 'NoReport') return draft;
  return { type, status: 'Unknown', reason: 'Injected', message: awaited };
}

/**
 * Since when the first sidecar that is late was seen with earlier settings. After a start of the operator it is late at once where
 * the status says so. Where the newest settings could not be written there is nothing that it could have taken up.
 */
function lateSince({ status }: NodeObject, { staleSettings, refused, now }: StatusInput): number | undefined {
  if (refused !== undefined) return undefined;
  const before = status?.conditions?.find(({ type }) => type === 'SidecarReady');
  const wasLate = before?.reason === 'SettingsNotLive';
  return earliest([...staleSettings.values()].filter((since) => wasLate || isLate(since, now)));
}

/** The status of a peer that names a node that does not exist. */
export function orphanStatus(peer: PeerObject, nodeName: string, now: number): PeerStatusOf {
  const message = `there is no LfhSyncNode ${nodeName} in this namespace`;
  const drafts = inBothDirections('False', 'NodeMissing', message);
  return {
    ...peer.status,
    observedGeneration: peer.metadata.generation ?? 0,
    conditions: conditionsOf(peer.status?.conditions, drafts, peer, now),
  };
}

/**
 * Peers that were last seen to accept the previous key and not the one in force. Peers at which we do not sign in do
 * not count.
 */
export function previousKeyUsers({ key, peers }: Pick<Observed, 'key' | 'peers'>): string[] {
  const previous = key?.previous?.publicKey;
  if (previous === undefined) return [];
  const using = receivedFrom(peers).filter(({ status }) => status?.receive?.key === previous);
  return using.map(({ metadata }) => metadata.name);
}

/**
 * Peers that may accept only the previous key, since it is not known which one they accept: after a backup was put back, or a node
 * was moved, nothing is known of any peer. One of which still nothing is known after so long is not waited for.
 *
 * @param longestMs from when a peer was made, in milliseconds
 */
export function unseenPeers(peers: readonly PeerObject[], longestMs: number, now: number): string[] {
  const isNew = ({ metadata }: PeerObject): boolean => now < (parseTime(metadata.creationTimestamp) ?? 0) + longestMs;
  const unseen = receivedFrom(peers).filter((peer) => peer.status?.receive?.key === undefined && isNew(peer));
  return unseen.map(({ metadata }) => metadata.name);
}

/** Peers that were last seen to accept neither the key in force nor the previous one: the one that they accept has ended. */
export function cutOffPeers({ key, peers }: Pick<Observed, 'key' | 'peers'>): string[] {
  if (key?.current.publicKey === undefined) return [];
  const ours = [key.current.publicKey, key.previous?.publicKey];
  return receivedFrom(peers).flatMap(({ status, metadata }) => {
    const accepted = status?.receive?.key;
    return accepted === undefined || ours.includes(accepted) ? [] : [metadata.name];
  });
}

/** Peers at which we sign in, in the order of their names. */
function receivedFrom(peers: readonly PeerObject[]): PeerObject[] {
  return peers
    .filter((peer) => peer.metadata.deletionTimestamp === undefined && peerSpec(peer).servers.length > 0)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** Where the peer could not be planned, nothing else can be said about it. */
function failureDrafts(failure: Error | undefined): ConditionDraft[] | undefined {
  if (failure === undefined) return undefined;
  const message = `the operator could not plan this peer: ${messageOf(failure)}`;
  return inBothDirections('False', 'InternalError', message);
}

/** What is the same for what a peer takes in and for what it is sent. */
export function inBothDirections(
  status: 'False' | 'Unknown',
  reason: ReasonOf<'ReceiveReady'> & ReasonOf<'SendReady'>,
  message: string,
): ConditionDraft[] {
  return (['ReceiveReady', 'SendReady'] as const).map((type) => ({ type, status, reason, message }));
}

/** What is wrong with the node itself, so that nothing can be said about either direction of any peer. */
function obstacleOf({ problem }: Plan, step: KeyStep): ConditionDraft[] | undefined {
  if (problem) return inBothDirections('False', 'NodeNotReady', `its LfhSyncNode: ${problem.message}`);
  if (step.step !== 'stop') return undefined;
  return inBothDirections('Unknown', 'NodeNotReady', `the node's key: ${step.message}`);
}

/** The conditions after these drafts, with Ready and what kstatus reads. */
export function conditionsOf(
  before: readonly Condition[] | undefined,
  drafts: readonly ConditionDraft[],
  { metadata }: StoredNode | PeerObject,
  now: number,
): readonly Condition[] {
  const at = { generation: metadata.generation ?? 0, now };
  const dependents = drafts.map(({ type }) => type);
  const all = drafts.reduce<readonly Condition[]>(
    (conditions, draft) => withCondition(conditions, draft, at),
    before ?? [],
  );
  const endedBy = new Map(drafts.flatMap((draft) => (draft.endedBy ? [[draft.type, draft.endedBy] as const] : [])));
  return withProgress(withCondition(all, summarize('Ready', dependents, all), at), dependents, at, endedBy);
}

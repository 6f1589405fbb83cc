import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { splitKey } from '../cluster/formats.ts';
import { accessChanges } from '../plan/nats/access-changes.ts';
import { type ConfigRollout, rolloutsOfWritten } from '../plan/nats/config-rollout.ts';
import { accessBefore } from '../plan/nats/live-access.ts';
import { peersToProbe } from '../plan/nats/probes.ts';
import { revocationsWithoutPlan } from '../plan/node/revocations.ts';
import { type CertificateReader, cachingCertificateReader } from '../plan/observed/certificate.ts';
import { NAMES } from '../plan/observed/names.ts';
import type { NodeObject, Observed } from '../plan/observed/observed.ts';
import { workloadText } from '../plan/observed/workload-ref.ts';
import { type Plan, planNode } from '../plan/plan.ts';
import { deletedPeerStatus, failedNodeStatus, failedPeerStatus } from '../plan/status/failed.ts';
import { nodeAndPeerStatuses, type Statuses } from '../plan/status/status.ts';
import { cleanUpAfter } from './clean-up.ts';
import { peersOf } from './concerns.ts';
import { ConfigMaps, isUnwritten } from './config-maps.ts';
import { noticesOfAccess, type RecordEvents, replacedNotice } from './events.ts';
import { Injector } from './injector.ts';
import { KeyDerivation, type NodeKey, reconcileKey } from './key.ts';
import {
  emptyMemory,
  missingWorkloads,
  type NodeMemory,
  nextMemory,
  type RolledOut,
  refusingStrangers,
} from './memory.ts';
import { type ProbeOutcome, probeNats, probeOutcome } from './nats.ts';
import { isRefusal, StatusPublisher } from './publish-status.ts';
import type { ReconcileResult } from './queue.ts';
import { requeueAfterMs } from './requeue.ts';
import { rolloutConfig } from './rollout.ts';
import { observedFrom, type Snapshot, settingsIn, takeSnapshot } from './snapshot.ts';
import type { Watches } from './watches.ts';

export interface ControllerOptions {
  readonly api: Cluster;
  readonly watches: Watches;
  readonly log: Logger;
  /** The image of the sidecars; undefined: none is injected. */
  readonly image: string | undefined;
  readonly recordEvents: RecordEvents;
}

/** After so many failures in a row of one node, its conditions say so: one or two can be a moment without the API server. */
export const LASTING_FAILURES = 3;

/** What is kept of a node from one reconcile to the next. */
interface KeptNode {
  memory: NodeMemory;
  /** Whether the last reconcile has said in the node's status what it knows, as far as that may be written, however it ended. */
  published: boolean;
  /** How many reconciles in a row could not write a ConfigMap, where that may pass. */
  failedWrites: number;
  readonly configMaps: ConfigMaps;
  readonly derivation: KeyDerivation;
  readonly certificates: CertificateReader;
}

/** What became of a plan in the cluster. */
interface Applied {
  readonly wrote: boolean;
  /** Why a ConfigMap could not be written, in the API server's words, where that lasts. */
  readonly refused: string | undefined;
  /** Why a ConfigMap could not be written now, where that may pass. */
  readonly failure: KubeError | undefined;
  readonly injection: Awaited<ReturnType<Injector['reconcileSidecar']>>;
  readonly rolledOut: RolledOut;
}

/**
 * Reconciles a node together with all its peers. They are planned together, since they share the node's nats-servers.
 */
export class NodeController {
  readonly #options: ControllerOptions;
  readonly #nodes = new Map<string, KeptNode>();
  readonly #injector: Injector;
  readonly #publisher: StatusPublisher;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#injector = new Injector(options);
    this.#publisher = new StatusPublisher(options);
  }

  /**
   * Observes the cluster, and makes a node what it should be; cleans up after a node that does not exist any more.
   *
   * @param nodeKey `namespace/name`
   * @throws KubeError where the API does not answer, and anything that is a bug
   */
  async reconcile(nodeKey: string): Promise<ReconcileResult> {
    const { api, log, watches } = this.#options;
    const { namespace, name } = splitKey(nodeKey);
    const before = this.#nodes.get(nodeKey);
    // Until this reconcile has said something, what the last one said is not what is known now.
    if (before) before.published = false;
    const snapshot = await takeSnapshot(watches.watched, namespace, name, (node) => this.#injector.readConnect(node));
    if (!snapshot || snapshot.node.metadata.deletionTimestamp !== undefined) {
      this.#nodes.delete(nodeKey);
      await cleanUpAfter(nodeKey, { api, log, watches, injector: this.#injector, publisher: this.#publisher });
      return {};
    }
    const kept = before ?? newNode(this.#options);
    this.#nodes.set(nodeKey, kept);
    return this.#reconcile(snapshot, kept);
  }

  /**
   * Key, plan, apply, probe, status, publish. The status is published even where probing ended in a bug, which is then
   * thrown.
   */
  async #reconcile(snapshot: Snapshot, kept: KeptNode): Promise<ReconcileResult> {
    const { api, log } = this.#options;
    const now = Date.now();
    const key = await reconcileKey(api, snapshot, log, now);
    await kept.configMaps.forgetDeleted(snapshot.configMaps);
    const current = kept.configMaps.current(snapshot.configMaps);
    const observed = observedFrom(snapshot, key.observed, current, kept.memory, kept.certificates);
    const plan = await this.#plan(snapshot, observed, key, kept);
    const applied = await this.#apply(snapshot, plan, key, kept);
    const { dataPlane, unreadableAnswers, bug } = await this.#probe(snapshot, plan, key, kept.memory, now);
    const probedAt = Date.now();
    const { written } = observed;
    const found = { plan, written, applied, dataPlane, unreadableAnswers };
    const before = kept.memory;
    kept.memory = this.#remember(snapshot.node, before, found, probedAt);
    // Before anything else may fail: the next reconcile compares with what is remembered now, and would not tell it.
    const known = accessBefore(before.liveAccess, written);
    const access = accessChanges(known.everywhere, (kept.memory.liveAccess ?? known).everywhere);
    await this.#options.recordEvents(snapshot.node, noticesOfAccess(access, plan, dataPlane));
    const statuses = nodeAndPeerStatuses(observed, {
      plan,
      keyStep: key.step,
      dataPlane,
      now: probedAt,
      writtenAt: kept.memory.writtenAt,
      progress: kept.memory.progress,
      staleSettings: kept.memory.staleSettings,
      accesses: kept.memory.accesses,
      liveAccess: kept.memory.liveAccess,
      missing: missingWorkloads(applied.rolledOut),
      refused: applied.refused,
      injection: applied.injection,
    });
    const changed = await this.#publish(snapshot, plan, statuses, kept);
    if (bug) throw bug.error;
    const failure = key.failure ?? applied.failure;
    if (failure) throw failure;
    if (applied.wrote || changed) kept.memory = { ...kept.memory, activeAt: probedAt };
    return { requeueAfterMs: requeueAfterMs(statuses, plan, dataPlane, kept.memory, Date.now()) };
  }

  /**
   * Plans the node. Where that throws, the access of peers that may not receive any more is still taken back.
   *
   * @throws what planning throws, which is a bug
   */
  async #plan(snapshot: Snapshot, observed: Observed, key: NodeKey, kept: KeptNode): Promise<Plan> {
    try {
      const plan = planNode(observed, key.publicKeys, kept.derivation.from(key), Date.now());
      this.#logFailures(plan);
      return plan;
    } catch (error) {
      const { configMaps, rollouts } = revocationsWithoutPlan(observed, kept.derivation.from(key));
      const outcome = await kept.configMaps.write(configMaps, snapshot.configMaps);
      const { replaced } = outcome;
      if (replaced.length > 0) await this.#options.recordEvents(snapshot.node, replaced.map(replacedNotice));
      const written = isUnwritten(outcome) ? rolloutsOfCurrent(snapshot, kept.configMaps) : rollouts;
      await this.#rollOut(snapshot.node, written, kept.memory.rolledOut);
      throw error;
    }
  }

  /** Logs what planning a peer has thrown, once for as long as its status says so. */
  #logFailures({ peers }: Plan): void {
    for (const { peer, failure } of peers) {
      const isKnown = peer.status?.conditions?.some(({ reason }) => reason === 'InternalError');
      if (failure === undefined || isKnown) continue;
      const { name, namespace } = peer.metadata;
      this.#options.log.error({ peer: name, namespace, err: failure }, 'a peer cannot be planned');
    }
  }

  /**
   * Says in the conditions of a node and its peers that its reconciles fail, where they do not say so themselves.
   *
   * @param nodeKey `namespace/name`
   * @throws KubeError where the statuses cannot be written either
   */
  async reportFailure(nodeKey: string, error: unknown): Promise<void> {
    const { namespace, name } = splitKey(nodeKey);
    const { nodes, peers } = this.#options.watches.watched;
    const node = nodes.get(namespace, name);
    if (!node || node.metadata.deletionTimestamp !== undefined || this.#nodes.get(nodeKey)?.published) return;
    const [problem, now] = [messageOf(error), Date.now()];
    await this.#publisher.publishStatuses([
      { object: node, status: failedNodeStatus(node, problem, now) },
      ...peersOf(peers.all(), namespace, name).map((peer) => ({
        object: peer,
        status: failedPeerStatus(peer, problem, now),
      })),
    ]);
  }

  /** Writes the ConfigMaps, keeps the sidecar in its workload, and has pods take up what was written for them. */
  async #apply(snapshot: Snapshot, plan: Plan, key: NodeKey, kept: KeptNode): Promise<Applied> {
    const { configMaps, memory } = kept;
    const together = NAMES.sidecars(snapshot.node.metadata.name);
    const outcome = await configMaps.write(plan.objects, snapshot.configMaps, plan.revocations, together);
    const { wrote, replaced, failure } = outcome;
    if (replaced.length > 0) await this.#options.recordEvents(snapshot.node, replaced.map(replacedNotice));
    const isWritten = !isUnwritten(outcome);
    const injection = await this.#injector.reconcileSidecar(snapshot, plan, key.seed !== undefined && isWritten);
    const rollouts = isWritten ? plan.rollouts : rolloutsOfCurrent(snapshot, configMaps);
    const rolledOut = await this.#rollOut(snapshot.node, rollouts, memory.rolledOut);
    kept.failedWrites = failure ? kept.failedWrites + 1 : 0;
    const lasting = failure && kept.failedWrites >= LASTING_FAILURES ? messageOf(failure) : undefined;
    return { wrote, refused: outcome.refused ?? lasting, failure, injection, rolledOut };
  }

  /** Rolls out each content once. */
  async #rollOut(node: NodeObject, rollouts: readonly ConfigRollout[], before: RolledOut): Promise<RolledOut> {
    const { api, log } = this.#options;
    const rolledOut = new Map(before);
    for (const rollout of rollouts) {
      const workload = workloadText(rollout.workload);
      if (rolledOut.get(workload) === rollout.hash) continue;
      const exists = await rolloutConfig(api, node.metadata.namespace ?? '', rollout, log);
      if (exists !== undefined) rolledOut.set(workload, exists ? rollout.hash : undefined);
    }
    return rolledOut;
  }

  #probe(snapshot: Snapshot, plan: Plan, key: NodeKey, memory: NodeMemory, now: number): Promise<ProbeOutcome> {
    const { node, endpoints } = snapshot;
    const { seed, previousSeed } = key;
    const refusing = refusingStrangers(memory, now);
    const probes = peersToProbe({ granted: plan.granted, phase: plan.files?.phase }, memory.accesses, now);
    const { durableAttempts, silentSince } = memory;
    return probeOutcome(
      probeNats({
        node,
        plan,
        seed,
        previousSeed,
        endpoints,
        refusing,
        peersToProbe: probes,
        durableAttempts,
        silentSince,
        now,
      }),
    );
  }

  #remember(
    { metadata: { name, namespace } }: NodeObject,
    before: NodeMemory,
    found: Pick<ProbeOutcome, 'dataPlane' | 'unreadableAnswers'> &
      Pick<Observed, 'written'> & { readonly plan: Plan; readonly applied: Applied },
    now: number,
  ): NodeMemory {
    const { applied, ...others } = found;
    const next = nextMemory(before, { ...others, rolledOut: applied.rolledOut }, now);
    const answers = next.unreadableAnswers;
    if (answers !== before.unreadableAnswers) {
      if (answers > 0) this.#options.log.warn({ node: name, namespace, answers }, UNREADABLE);
      else this.#options.log.info({ node: name, namespace }, 'every answer of the sidecars can be read again');
    }
    return next;
  }

  /**
   * @returns whether a person would notice a difference
   * @throws KubeError where the node's status cannot be written, or a peer's cannot be written now; one that is refused leaves the others
   *   to be written
   */
  async #publish(
    { node, peers: all }: Snapshot,
    { peers }: Plan,
    statuses: Statuses,
    kept: Pick<KeptNode, 'published'>,
  ): Promise<boolean> {
    // The node's first: it records that there was a key.
    const ofNode = await this.#publishNode(node, statuses.node);
    kept.published = true;
    const deleted = all.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
    const changedPeers = await this.#publisher.publishStatuses([
      ...peers.flatMap(({ peer }, index) => ({ object: peer, status: statuses.peers[index] ?? {} })),
      ...deleted.map((peer) => ({ object: peer, status: deletedPeerStatus(peer, Date.now()) })),
    ]);
    if (ofNode instanceof KubeError) throw ofNode;
    return ofNode || changedPeers;
  }

  /** @returns whether a person would notice a difference, or that it is refused */
  async #publishNode(node: NodeObject, status: Statuses['node']): Promise<boolean | KubeError> {
    try {
      return await this.#publisher.publishStatus(node, status);
    } catch (error) {
      if (isRefusal(error)) return error;
      throw error;
    }
  }
}

const UNREADABLE =
  "some answers on the subject of the sidecars' status cannot be read: a sidecar is of another version than the operator, or " +
  'something else answers there';

function newNode({ api, log }: Pick<ControllerOptions, 'api' | 'log'>): KeptNode {
  return {
    memory: emptyMemory(Date.now()),
    published: false,
    failedWrites: 0,
    configMaps: new ConfigMaps(api, log),
    derivation: new KeyDerivation(),
    certificates: cachingCertificateReader(),
  };
}

/** Where a ConfigMap could not be written, pods must still take up what there is, such as a revocation. */
function rolloutsOfCurrent({ node, configMaps: seen }: Snapshot, configMaps: ConfigMaps): ConfigRollout[] {
  const current = configMaps.current(seen);
  const { name } = node.metadata;
  return rolloutsOfWritten(node, current.get(NAMES.nats(name)), settingsIn(current, name));
}

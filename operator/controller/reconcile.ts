import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Condition } from '../api/conditions.ts';
import { type ConfigMap, KINDS, type KubeObject } from '../api/objects.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { mergePatchRemoving } from '../kube/merge-patch.ts';
import { derivedKeys } from '../nats/keys.ts';
import { type ConfigRollout, readRolloutNote, rolloutsOfWritten } from '../plan/nats/config-rollout.ts';
import { hashOf, withoutRevoked } from '../plan/nats/files.ts';
import { advanceAccesses, leavesOut, peersToProbe } from '../plan/nats/peer-access.ts';
import { type CertificateReader, cachingCertificateReader } from '../plan/observed/certificate.ts';
import { NAMES, NODE_LABEL, ROLLOUT_NOTE, WORKLOAD_NOTE } from '../plan/observed/names.ts';
import {
  type DataPlane,
  type DerivedKeys,
  NO_DERIVED_KEYS,
  type NodeObject,
  type Observed,
  type ObservedKey,
  type PeerObject,
} from '../plan/observed/observed.ts';
import { workloadText } from '../plan/observed/workload-ref.ts';
import { type Plan, planNode } from '../plan/plan.ts';
import { advanceProgress } from '../plan/status/progress.ts';
import { type Known, nodeStatus, orphanStatus, type PeerStatusOf, peerStatus } from '../plan/status/status.ts';
import type { KeyStep } from '../plan/trust/node-key.ts';
import type { Cluster, Snapshot } from './cluster.ts';
import { ConfigMaps } from './config-maps.ts';
import { noticesOf } from './events.ts';
import { Injector } from './injector.ts';
import { reconcileKey } from './key.ts';
import type { StoredKey } from './key-store.ts';
import { probeNats } from './nats.ts';
import type { ReconcileResult } from './queue.ts';
import { rolloutConfig } from './rollout.ts';

/** While something is on its way: a reload, a sidecar that starts. */
const SOON_MS = 2_000;
/** Otherwise: the data plane tells nothing by itself. */
const HEARTBEAT_MS = 10_000;
/** What is on its way arrives within this time, or not by itself. */
const ACTIVE_MS = 120_000;
/** A server that runs our configuration is tried with a stranger's key once in this time: it logs each try as an error. */
const STRANGER_MS = 60_000;
/** Requests under way at once. */
const STATUSES_AT_ONCE = 10;

export interface ControllerOptions {
  readonly api: KubeClient;
  readonly cluster: Cluster;
  readonly log: Logger;
  /** Of the sidecars; undefined: none is injected. */
  readonly image: string | undefined;
  readonly onNotice: (about: KubeObject, notices: ReturnType<typeof noticesOf>) => Promise<void>;
}

interface Memory {
  /** What every server that answers was last seen to run. */
  liveHash: string | undefined;
  /** Whether that leaves somebody out. */
  leavesOut: boolean;
  writtenHash: string | undefined;
  known: Known;
  derived: { readonly seed: string; readonly previousSeed: string | undefined; readonly keys: DerivedKeys } | undefined;
  /** What was brought to each workload last, by `kind/name`; undefined where there is no such workload. */
  readonly arrived: Map<string, string | undefined>;
  readonly configMaps: ConfigMaps;
  readonly certificates: CertificateReader;
  /** When each server was last seen to refuse a stranger, in milliseconds since 1970. */
  readonly refusals: Map<string, number>;
  /** When something last changed, in milliseconds since 1970. */
  activeAt: number;
}

/** One turn over a node and all its peers: observe, plan, apply, status. They are planned together since they share one server. */
export class NodeController {
  readonly #options: ControllerOptions;
  readonly #memories = new Map<string, Memory>();
  readonly #injector: Injector;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#injector = new Injector(options);
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const [namespace = '', name = ''] = key.split('/');
    const snapshot = await this.#options.cluster.snapshot(namespace, name);
    if (!snapshot || snapshot.node.metadata.deletionTimestamp !== undefined) {
      this.#memories.delete(key);
      await this.#gone(namespace, name);
      return {};
    }
    const memory = this.#memories.get(key) ?? newMemory(this.#options);
    this.#memories.set(key, memory);
    return this.#reconcile(snapshot, memory);
  }

  async #reconcile(snapshot: Snapshot, memory: Memory): Promise<ReconcileResult> {
    const { api, log } = this.#options;
    const { node } = snapshot;
    const { stored, step } = await reconcileKey(api, snapshot, log);
    const observed = observedFrom(snapshot, memory, stored);
    const { publicKeys, seed, previousSeed } = usableKey(step, stored, node);
    const plan = planNode(observed, publicKeys, derivedFrom(seed, previousSeed, memory), Date.now());
    const { wrote, refused } = await memory.configMaps.write(plan.objects, snapshot.configMaps, plan.revocations);
    const injection = await this.#injector.tend(snapshot, plan, seed !== undefined);
    await this.#rolloutConfig(node, refused === undefined ? plan.rollouts : rolloutsOfSeen(snapshot, memory), memory);
    const lookAt = peersToProbe({ granted: plan.granted, phase: plan.files?.phase }, memory.known.accesses, Date.now());
    const refusing = refusingNow(memory, Date.now());
    const visit = { ...snapshot, plan, seed, previousSeed, lookAt, refusing };
    const dataPlane = await probeNats(visit);
    noteRefusals(memory, dataPlane, Date.now());
    remember(memory, plan, dataPlane, Date.now());
    const known = { ...memory.known, injection, ...(refused !== undefined && { refused }) };
    const peers = plan.peers.map((planned) => peerStatus(planned, plan, step, dataPlane, known, Date.now()));
    const status = nodeStatus(observed, plan, step, dataPlane, peers, known, Date.now());
    // The node's first: it is what remembers that there was a key.
    const told = [await this.#tell(node, status), await this.#tellPeers(plan, peers)];
    if (wrote || told.includes(true)) memory.activeAt = Date.now();
    return { requeueAfterMs: isSettled([status, ...peers], plan, dataPlane) ? HEARTBEAT_MS : waitingTime(memory) };
  }

  /**
   * Of a node that is not there: takes back what it gave its peers, and tells them. Its ConfigMap for NATS stays, since a
   * nats-server does not start without a file that it includes, and its key, which peers know.
   */
  async #gone(namespace: string, node: string): Promise<void> {
    const { api, cluster } = this.#options;
    const written = await api.get<ConfigMap>(KINDS.configMap, namespace, NAMES.nats(node));
    if (written?.metadata.labels?.[NODE_LABEL] === node) await this.#takeBack(namespace, node, written);
    for (const peer of cluster.peersOf(namespace, node)) await this.#tell(peer, orphanStatus(peer, node, Date.now()));
  }

  async #takeBack(namespace: string, node: string, written: ConfigMap): Promise<void> {
    const { api, log } = this.#options;
    const { name, labels, annotations = {} } = written.metadata;
    const { [WORKLOAD_NOTE]: held, ...others } = annotations;
    const { apiVersion, kind } = written;
    const emptied = { apiVersion, kind, metadata: { name }, data: withoutRevoked(written.data ?? {}, []) };
    const configMaps = new ConfigMaps(api, log);
    const write = async (notes: typeof annotations): Promise<boolean> => {
      const metadata = { name, namespace, ...(labels && { labels }), annotations: notes };
      const { refused: problem } = await configMaps.write([{ ...emptied, metadata }], new Map([[name, written]]));
      if (problem !== undefined)
        log.warn({ configMap: name, namespace, problem }, 'what a node that is gone had is not taken back');
      return problem === undefined;
    };
    const rollout = readRolloutNote(emptied, annotations[ROLLOUT_NOTE]);
    if ((await write(annotations)) && rollout) await this.#bring(namespace, rollout);
    if (held === undefined) return;
    await this.#injector.release(`${namespace}/${node}`, held);
    // Another node may have it from now on.
    await write(others);
  }

  /** Once for each thing that was written. That it arrived is seen by signing in, and asked of the sidecars. */
  async #rolloutConfig(node: NodeObject, rollouts: readonly ConfigRollout[], { arrived }: Memory): Promise<void> {
    for (const rollout of rollouts) {
      const workload = workloadText(rollout.workload);
      if (arrived.get(workload) === rollout.hash) continue;
      const isThere = await this.#bring(node.metadata.namespace ?? '', rollout);
      if (isThere !== undefined) arrived.set(workload, isThere ? rollout.hash : undefined);
    }
  }

  /** @returns whether there is such a workload; undefined where it could not be told */
  async #bring(namespace: string, rollout: ConfigRollout): Promise<boolean | undefined> {
    const { api, log } = this.#options;
    try {
      return await rolloutConfig(api, namespace, rollout, log);
    } catch (error) {
      // Without it everything arrives all the same, only later; or what is missing is told as what it leads to.
      if (!(error instanceof KubeError)) throw error;
      const workload = workloadText(rollout.workload);
      log.warn({ workload, problem: messageOf(error) }, 'its pods could not be told that there is something new');
      return undefined;
    }
  }

  /** @returns whether a person would notice a difference. @throws the first problem, when the others were told */
  async #tellPeers({ peers }: Plan, statuses: readonly PeerStatusOf[]): Promise<boolean> {
    const pending = peers.flatMap(({ peer }, index) => [{ peer, status: statuses[index] ?? {} }]);
    const outcomes: PromiseSettledResult<boolean>[] = [];
    while (pending.length > 0) {
      const some = pending.splice(0, STATUSES_AT_ONCE).map(({ peer, status }) => this.#tell(peer, status));
      outcomes.push(...(await Promise.allSettled(some)));
    }
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    return outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value);
  }

  /** @returns whether a person would notice a difference */
  async #tell(object: NodeObject | PeerObject, status: object): Promise<boolean> {
    if (isDeepStrictEqual(object.status, plainJson(status))) return false;
    const { apiVersion, kind, metadata } = object;
    const { name, namespace = '', uid } = metadata;
    const change = { apiVersion, kind, metadata: { name, namespace, ...(uid !== undefined && { uid }) }, status };
    try {
      const told = await this.#options.api.apply(change, '/status');
      const foreign = mergePatchRemoving((told as typeof object).status, status);
      if (foreign) await this.#options.api.remove(change, { status: foreign }, '/status');
    } catch (error) {
      if (error instanceof KubeError && (error.isNotFound || error.isConflict)) return false;
      throw error;
    }
    const { conditions = [] } = status as { readonly conditions?: readonly Condition[] };
    const notices = noticesOf(object.status?.conditions ?? [], conditions);
    await this.#options.onNotice(object, notices);
    return notices.length > 0;
  }
}

function usableKey(step: KeyStep, stored: StoredKey | undefined, { status }: NodeObject) {
  if (step.step !== 'use') return { publicKeys: status?.publicKeys ?? [], seed: undefined, previousSeed: undefined };
  return { publicKeys: step.publicKeys, seed: stored?.seed, previousSeed: stored?.previousSeed };
}

function newMemory({ api, log }: Pick<ControllerOptions, 'api' | 'log'>): Memory {
  return {
    liveHash: undefined,
    leavesOut: false,
    writtenHash: undefined,
    known: { writtenAt: Date.now(), missing: new Set(), progress: new Map(), accesses: new Map() },
    derived: undefined,
    arrived: new Map(),
    configMaps: new ConfigMaps(api, log),
    certificates: cachingCertificateReader(),
    refusals: new Map(),
    activeAt: Date.now(),
  };
}

function observedFrom(snapshot: Snapshot, memory: Memory, key: ObservedKey | undefined): Observed {
  const { configMaps, certificates, liveHash, leavesOut: isLeftOut } = memory;
  const { name } = snapshot.node.metadata;
  const current = configMaps.current(snapshot.configMaps);
  const [written, writtenSettings] = [NAMES.nats(name), NAMES.sidecar(name)].map((each) => current.get(each)?.data);
  return { ...snapshot, certificates, key, written, writtenSettings, liveHash, leavesOut: isLeftOut };
}

/** Where something was refused: of what stands there all the same. */
function rolloutsOfSeen({ node, configMaps: seen }: Snapshot, { configMaps }: Memory): ConfigRollout[] {
  const current = configMaps.current(seen);
  const { name } = node.metadata;
  return rolloutsOfWritten(node, current.get(NAMES.nats(name)), current.get(NAMES.sidecar(name)));
}

function waitingTime({ activeAt }: Memory): number {
  return Date.now() - activeAt < ACTIVE_MS ? SOON_MS : HEARTBEAT_MS;
}

function derivedFrom(seed: string | undefined, previousSeed: string | undefined, memory: Memory): DerivedKeys {
  if (seed === undefined) return NO_DERIVED_KEYS;
  const { derived } = memory;
  if (derived?.seed === seed && derived.previousSeed === previousSeed) return derived.keys;
  const keys = derivedKeys(seed, previousSeed);
  memory.derived = { seed, previousSeed, keys };
  return keys;
}

function refusingNow({ refusals }: Memory, now: number): ReadonlySet<string> {
  return new Set([...refusals].flatMap(([server, at]) => (Math.abs(now - at) < STRANGER_MS ? [server] : [])));
}

/** Only one that runs our configuration: whatever happens to that, its hash is another one. */
function noteRefusals({ refusals }: Memory, { nats }: DataPlane, now: number): void {
  for (const { server, outcome } of nats?.servers ?? []) {
    if (outcome !== 'Live') refusals.delete(server);
    else if (Math.abs(now - (refusals.get(server) ?? 0)) >= STRANGER_MS) refusals.set(server, now);
  }
}

function remember(memory: Memory, plan: Plan, dataPlane: DataPlane, now: number): void {
  const { progress, accesses, writtenAt } = memory.known;
  const isNew = memory.writtenHash !== plan.files?.hash;
  memory.liveHash = liveHashOf(plan, dataPlane) ?? memory.liveHash;
  memory.writtenHash = plan.files?.hash;
  memory.known = {
    writtenAt: isNew ? now : writtenAt,
    missing: new Set([...memory.arrived].flatMap(([workload, hash]) => (hash === undefined ? [workload] : []))),
    progress: advanceProgress(progress, plan.peers, dataPlane, now),
    accesses: advanceAccesses(accesses, plan.granted, dataPlane, now),
  };
  const isLive = memory.liveHash !== undefined && memory.liveHash === memory.writtenHash;
  // Without a stream nobody can be served.
  const canServe = dataPlane.nats?.streamFirst !== undefined && dataPlane.nats.problem === undefined;
  memory.leavesOut = isLive && canServe && leavesOut(memory.known.accesses, memory.known.writtenAt, now);
}

/** What only a server says that was asked; anything else is a reason why it could not be. */
const ANSWERS: ReadonlySet<string> = new Set(['Live', 'NoAuthorization', 'ConfigNotLive', 'IncludeMissing']);

/** Every server that answers runs this configuration; those that do not answer read it when they start. */
function liveHashOf({ files }: Plan, { nats }: DataPlane): string | undefined {
  const answering = (nats?.servers ?? []).filter(({ outcome }) => ANSWERS.has(outcome));
  const live = answering.length > 0 && answering.every(({ outcome }) => outcome === 'Live');
  return live && files ? hashOf(files.files) : undefined;
}

/** Nothing is on its way, at a peer neither: what its sidecar reports first would be seen only with the next heartbeat. */
function isSettled(
  statuses: readonly { readonly conditions?: readonly Condition[] }[],
  { files }: Plan,
  { nats }: DataPlane,
): boolean {
  const ready = ({ conditions = [] }: (typeof statuses)[number]): boolean =>
    conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  return statuses.every(ready) && files?.phase === 'final' && nats !== undefined;
}

/** As it would come back from the API server: without what is undefined. */
function plainJson(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

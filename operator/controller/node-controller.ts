import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Condition } from '../api/conditions.ts';
import type { KubeApi } from '../kube/api.ts';
import { KubeError } from '../kube/errors.ts';
import { type ConfigMap, GROUP, type KubeObject, type Secret } from '../kube/objects.ts';
import { advanceAccesses, peersToLookAt } from '../plan/access.ts';
import { type KeyStep, keyStep } from '../plan/keys.ts';
import { type DerivedKeys, hashOf } from '../plan/nats-files.ts';
import type { DataPlane, NodeObject, Observed, PeerObject } from '../plan/observed.ts';
import { NAMES, NONE_DERIVED, type Plan, planNode, withoutPeers } from '../plan/plan.ts';
import { advanceProgress } from '../plan/progress.ts';
import { nameOf } from '../plan/reload.ts';
import {
  type Known,
  nodeStatus,
  orphanStatus,
  type PeerStatusOf,
  peerStatus,
  previousKeyUsers,
} from '../plan/status.ts';
import type { Cluster, Snapshot } from './cluster.ts';
import { visitDataPlane } from './data-plane.ts';
import { derivedKeys } from './derived-keys.ts';
import { noticesOf } from './events.ts';
import { Injector } from './injector.ts';
import { createKey, dropPreviousKey, readKey, rotateKey, type StoredKey } from './key-store.ts';
import type { TurnResult } from './queue.ts';
import { arrive } from './workloads.ts';

/** Keeps an object until what it gave others is taken back. */
export const FINALIZER = `${GROUP}/access`;

/** While something is on its way: a reload, a sidecar that starts. */
const SOON_MS = 2_000;
/** Otherwise: the data plane tells nothing by itself. */
const HEARTBEAT_MS = 10_000;

export interface ControllerOptions {
  readonly api: KubeApi;
  readonly cluster: Cluster;
  readonly log: Logger;
  /** Of the sidecars; undefined: none is injected. */
  readonly image: string | undefined;
  readonly onNotice: (about: KubeObject, notices: ReturnType<typeof noticesOf>) => Promise<void>;
}

interface Memory {
  /** What every server that answers was last seen to run. */
  liveHash: string | undefined;
  writtenHash: string | undefined;
  known: Known;
  derived: { readonly seed: string; readonly keys: DerivedKeys } | undefined;
  /** What was brought to each workload last, by `kind/name`; undefined where there is no such workload. */
  readonly arrived: Map<string, string | undefined>;
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

  async turn(key: string): Promise<TurnResult> {
    const [namespace = '', name = ''] = key.split('/');
    const snapshot = this.#options.cluster.snapshot(namespace, name);
    if (!snapshot) {
      this.#memories.delete(key);
      await this.#orphans(namespace, name);
      return {};
    }
    if (snapshot.node.metadata.deletionTimestamp !== undefined) {
      await this.#release(snapshot);
      return {};
    }
    const memory = this.#memories.get(key) ?? newMemory();
    this.#memories.set(key, memory);
    return this.#reconcile(snapshot, memory);
  }

  async #reconcile(snapshot: Snapshot, memory: Memory): Promise<TurnResult> {
    const { node } = snapshot;
    await this.#claim(snapshot);
    const { stored, step } = await this.#key(snapshot);
    const observed = observedFrom(snapshot, stored, memory.liveHash);
    const publicKeys = step.step === 'use' ? step.publicKeys : (node.status?.publicKeys ?? []);
    const seed = step.step === 'use' ? stored?.seed : undefined;
    const plan = planNode(observed, publicKeys, derivedFrom(seed, memory), Date.now());
    await this.#apply(plan.objects, snapshot.configMaps);
    await this.#letGo(snapshot);
    const injection = await this.#injector.tend(snapshot, plan, seed !== undefined);
    await this.#arrive(snapshot, plan, memory);
    const lookAt = peersToLookAt(plan, memory.known.accesses, Date.now());
    const dataPlane: DataPlane =
      seed === undefined
        ? { nats: undefined, sidecars: undefined }
        : await visitDataPlane({ ...snapshot, plan, seed, previousSeed: stored?.previousSeed, lookAt });
    remember(memory, plan, dataPlane, Date.now());
    const peers = await this.#tellPeers(plan, step, dataPlane, memory);
    const known = { ...memory.known, injection };
    const status = nodeStatus(observed, plan, step, dataPlane, peers, known, Date.now());
    await this.#tell(node, status);
    return { againAfterMs: isSettled(status.conditions, plan, dataPlane) ? HEARTBEAT_MS : SOON_MS };
  }

  /** Nothing may leave before what it gave others is taken back. */
  async #claim({ node, peers }: Snapshot): Promise<void> {
    for (const object of [node, ...peers]) {
      const { deletionTimestamp, finalizers = [] } = object.metadata;
      if (deletionTimestamp === undefined && !finalizers.includes(FINALIZER))
        await this.#finalizers(object, [FINALIZER]);
    }
  }

  /** The configuration without them was written: they may go. Never waits for NATS. */
  async #letGo({ peers }: Snapshot): Promise<void> {
    for (const peer of peers) if (isLeaving(peer)) await this.#finalizers(peer, []);
  }

  async #release(snapshot: Snapshot): Promise<void> {
    const { node, peers, configMaps } = snapshot;
    const name = NAMES.nats(node.metadata.name);
    const written = configMaps.get(name)?.data;
    if (written) {
      await this.#apply([withoutPeers({ node, written }, node.status?.publicKeys ?? [])], configMaps);
    }
    await this.#injector.release(snapshot);
    for (const peer of peers) if (isLeaving(peer)) await this.#finalizers(peer, []);
    await this.#finalizers(node, []);
  }

  /** Peers whose node is not there: nobody is left who could have given them anything. */
  async #orphans(namespace: string, node: string): Promise<void> {
    for (const peer of this.#options.cluster.peersOf(namespace, node)) {
      if (isLeaving(peer)) await this.#finalizers(peer, []);
      else await this.#tell(peer, orphanStatus(peer, node, Date.now()));
    }
  }

  /** Once for each thing that was written. That it did arrive is seen by signing in, and asked of the sidecars. */
  async #arrive({ node }: Snapshot, { arrivals }: Plan, { arrived }: Memory): Promise<void> {
    const { api, log } = this.#options;
    for (const arrival of arrivals) {
      const workload = nameOf(arrival.workload);
      if (arrived.get(workload) === arrival.hash) continue;
      try {
        const isThere = await arrive(api, node.metadata.namespace ?? '', arrival, log);
        arrived.set(workload, isThere ? arrival.hash : undefined);
      } catch (error) {
        // Without it everything arrives all the same, only later; or what is missing is told as what it leads to.
        if (!(error instanceof KubeError)) throw error;
        log.warn({ workload, problem: messageOf(error) }, 'its pods could not be told that there is something new');
      }
    }
  }

  async #finalizers(object: KubeObject, finalizers: readonly string[]): Promise<void> {
    const { apiVersion, kind, metadata } = object;
    const { name, namespace = '', uid } = metadata;
    const change = { apiVersion, kind, metadata: { name, namespace, finalizers, ...(uid !== undefined && { uid }) } };
    try {
      await this.#options.api.apply(change);
    } catch (error) {
      // It went in the meantime: an apply would make it anew, but for the uid, which then is a conflict.
      if (!(error instanceof KubeError && (error.isNotFound || error.isConflict))) throw error;
    }
  }

  async #key(snapshot: Snapshot): Promise<{ stored: StoredKey | undefined; step: KeyStep }> {
    const { api, log } = this.#options;
    const { node, peers } = snapshot;
    let secret: Secret | undefined = snapshot.keySecret;
    for (;;) {
      const stored = secret && readKey(secret);
      const inUse = previousKeyUsers({ key: stored, peers });
      const step = keyStep(node, stored, inUse, Date.now());
      if (step.step === 'use' || step.step === 'stop') return { stored, step };
      log.info({ node: node.metadata.name, namespace: node.metadata.namespace, step: step.step }, "the node's key");
      if (step.step === 'create') secret = await createKey(api, node);
      else if (!secret) return { stored, step };
      else if (step.step === 'rotate') secret = await rotateKey(api, secret, node.spec.key?.rotation ?? 0, Date.now());
      else secret = await dropPreviousKey(api, secret);
    }
  }

  async #apply(objects: readonly ConfigMap[], found: ReadonlyMap<string, ConfigMap>): Promise<void> {
    const { api, log } = this.#options;
    for (const object of objects) {
      if (isAsWanted(object, found.get(object.metadata.name))) continue;
      try {
        await api.apply(object);
        log.info({ configMap: object.metadata.name, namespace: object.metadata.namespace }, 'written');
      } catch (error) {
        if (!(error instanceof KubeError && error.isNamespaceTerminating)) throw error;
      }
    }
  }

  async #tellPeers(plan: Plan, step: KeyStep, dataPlane: DataPlane, memory: Memory): Promise<PeerStatusOf[]> {
    const statuses: PeerStatusOf[] = [];
    for (const planned of plan.peers) {
      const status = peerStatus(planned, plan, step, dataPlane, memory.known, Date.now());
      statuses.push(status);
      await this.#tell(planned.peer, status);
    }
    return statuses;
  }

  async #tell(object: NodeObject | PeerObject, status: object): Promise<void> {
    if (isDeepStrictEqual(object.status, plainJson(status))) return;
    const { apiVersion, kind, metadata } = object;
    const { name, namespace = '', uid } = metadata;
    const change = { apiVersion, kind, metadata: { name, namespace, ...(uid !== undefined && { uid }) }, status };
    try {
      await this.#options.api.apply(change, '/status');
    } catch (error) {
      if (error instanceof KubeError && (error.isNotFound || error.isConflict)) return;
      throw error;
    }
    const [before, after] = [
      object.status?.conditions ?? [],
      (status as { conditions?: readonly Condition[] }).conditions ?? [],
    ];
    await this.#options.onNotice(object, noticesOf(before, after));
  }
}

function newMemory(): Memory {
  return {
    liveHash: undefined,
    writtenHash: undefined,
    known: { writtenAt: Date.now(), missing: new Set(), progress: new Map(), accesses: new Map() },
    derived: undefined,
    arrived: new Map(),
  };
}

function derivedFrom(seed: string | undefined, memory: Memory): DerivedKeys {
  if (seed === undefined) return NONE_DERIVED;
  if (memory.derived?.seed !== seed) memory.derived = { seed, keys: derivedKeys(seed) };
  return memory.derived.keys;
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
    accesses: advanceAccesses(accesses, plan, dataPlane, now),
  };
}

function observedFrom(snapshot: Snapshot, key: StoredKey | undefined, liveHash: string | undefined): Observed {
  const { node, peers, otherNodes, references, configMaps } = snapshot;
  const written = configMaps.get(NAMES.nats(node.metadata.name))?.data;
  return { node, peers, otherNodes, references, key, written, liveHash };
}

function isLeaving({ metadata }: PeerObject): boolean {
  return metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(FINALIZER);
}

/** Whether an apply would change nothing. What others have added to the object is theirs. */
function isAsWanted(wanted: ConfigMap, found: ConfigMap | undefined): boolean {
  if (!found) return false;
  const within = (part: Readonly<Record<string, string>> = {}, whole: Readonly<Record<string, string>> = {}): boolean =>
    Object.entries(part).every(([name, value]) => whole[name] === value);
  return (
    within(wanted.data, found.data) &&
    Object.keys(found.data ?? {}).length === Object.keys(wanted.data ?? {}).length &&
    within(wanted.metadata.labels, found.metadata.labels) &&
    (wanted.metadata.ownerReferences ?? []).every(({ uid }) =>
      (found.metadata.ownerReferences ?? []).some((owner) => owner.uid === uid),
    )
  );
}

/** What only a server says that was asked; anything else is a reason why it could not be. */
const ANSWERS: ReadonlySet<string> = new Set(['Live', 'NoAuthorization', 'ConfigNotLive', 'IncludeMissing']);

/** Every server that answers runs this configuration; those that do not answer read it when they start. */
function liveHashOf({ files }: Plan, { nats }: DataPlane): string | undefined {
  const answering = (nats?.servers ?? []).filter(({ outcome }) => ANSWERS.has(outcome));
  const live = answering.length > 0 && answering.every(({ outcome }) => outcome === 'Live');
  return live && files ? hashOf(files.files) : undefined;
}

function isSettled(conditions: readonly Condition[] | undefined, { files }: Plan, { nats }: DataPlane): boolean {
  const ready = conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && files?.reload === 2 && nats !== undefined;
}

/** As it would come back from the API server: without what is undefined. */
function plainJson(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

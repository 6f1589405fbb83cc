import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { WORKLOADS, type Workload } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { objectKey, splitKey } from '../cluster/formats.ts';
import { INJECTION_MANAGER } from '../plan/injection/injection.ts';
import { isUpToDate, type LastApplied, lastAppliedAfter, undoneTooOften } from '../plan/injection/last-applied.ts';
import { isOfAnotherNode, missingRight, removalOf } from '../plan/injection/removal.ts';
import {
  awaitedRollout,
  desiredWorkload,
  type Injection,
  injectionStep,
  refusedRollout,
} from '../plan/injection/step.ts';
import { NO_REFERENCES, type NodeObject, type StoredNode } from '../plan/observed/observed.ts';
import { parseWorkload, workloadText } from '../plan/observed/workload-ref.ts';
import type { Plan } from '../plan/plan.ts';
import { type ConnectReading, readEnvironment, type Snapshot } from './snapshot.ts';
import type { Watches } from './watches.ts';

export interface InjectorOptions {
  readonly api: Cluster;
  readonly log: Logger;
  readonly watches: Pick<Watches, 'watched'>;
  /** The image of the sidecar; undefined: no sidecar is injected. */
  readonly image: string | undefined;
}

/**
 * Keeps the sidecar in the workloads that run connect. Each reconcile reads the workload, so that a sidecar that
 * somebody removed is back with the next one.
 */
export class Injector {
  readonly #options: InjectorOptions;
  /** What was last applied to the workload of each node, by the node's key. */
  readonly #lastApplied = new Map<string, LastApplied>();

  constructor(options: InjectorOptions) {
    this.#options = options;
  }

  /**
   * Reads the workload that runs a node's connect. What is wrong with it is returned, and stops nothing that does without it.
   *
   * @throws what is a bug
   */
  async readConnect(node: StoredNode): Promise<ConnectReading> {
    const { watched } = this.#options.watches;
    const desired = desiredWorkload(node);
    try {
      const workload = desired === undefined ? undefined : await this.#readWorkload(objectKey(node), desired);
      return { workload, environment: await readEnvironment(watched, objectKey(node), workload) };
    } catch (error) {
      return { environment: NO_REFERENCES, failure: problemOf(node.status?.workload, error, false) };
    }
  }

  /**
   * Injects a node's sidecar, keeps it up to date, or removes it. What is wrong with the workload is reported and not
   * thrown.
   *
   * @param canStart whether the node has a key that it may use, and its settings are written as they were planned: a sidecar takes no
   *   settings that its operator has not authenticated
   */
  async reconcileSidecar(snapshot: Snapshot, plan: Plan, canStart: boolean): Promise<Injection> {
    const { node, otherNodes, connect } = snapshot;
    const { image } = this.#options;
    if (connect.failure) return connect.failure;
    const { workload, environment: references } = connect;
    const desired = desiredWorkload(node);
    let at = desired;
    try {
      const prerequisitesMet = canStart && plan.problem === undefined && plan.kafkaProblem === undefined;
      const next = injectionStep({ node, otherNodes, references, image, workload, prerequisitesMet });
      if (next.step === 'remove') at = next.workload;
      if (next.step === 'inject') return await this.#inject(node, next.workload, next.spec);
      if (next.step === 'remove') await this.#remove(objectKey(node), next.workload);
      return next.outcome;
    } catch (error) {
      return problemOf(node.status?.workload, error, at !== undefined && missingRight(at, desired));
    }
  }

  /**
   * Removes the sidecar from the workload that a deleted node had. If that is refused it is logged, and nothing waits
   * for it.
   *
   * @param nodeKey `namespace/name`
   * @throws KubeError for a problem that may pass, so that the next reconcile tries again
   */
  async removeSidecar(nodeKey: string, workload: string): Promise<void> {
    try {
      await this.#remove(nodeKey, workload);
    } catch (error) {
      const { refusal } = problemOf(workload, error, missingRight(workload, undefined));
      if (!refusal) throw error;
      this.#options.log.warn({ workload, problem: refusal.message }, 'the sidecar stays in its workload');
    }
  }

  async #inject(node: NodeObject, workload: Workload, spec: object): Promise<Injection> {
    const { api, log } = this.#options;
    const { apiVersion, kind, metadata } = workload;
    const { name, namespace = '', uid = '', resourceVersion = '' } = metadata;
    const which = workloadText({ kind: kind as keyof typeof WORKLOADS, name });
    const last = this.#lastApplied.get(objectKey(node));
    const text = JSON.stringify(spec);
    let found = workload;
    if (!isUpToDate(text, workload, last)) {
      const refusal = undoneTooOften(workload, last, Date.now());
      if (refusal) return { workload: which, refusal };
      // Only to the version that was read: somebody may just be writing NATS_SYNC_SUBSCRIBERS.
      const change = { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion }, spec };
      found = (await api.applyAs(INJECTION_MANAGER, change)) as unknown as Workload;
      const applied = lastAppliedAfter(text, { before: workload, after: found }, last, Date.now());
      this.#lastApplied.set(objectKey(node), applied);
      const isNew = found.metadata.generation !== metadata.generation;
      if (isNew) log.info({ workload: which, namespace, node: node.metadata.name }, 'the sidecar was injected');
    }
    const refused = refusedRollout(found);
    if (refused !== undefined) return { workload: which, refusal: { reason: 'PodsRefused', message: refused } };
    const awaited = awaitedRollout(found);
    return { workload: which, ...(awaited !== undefined && { awaited }) };
  }

  async #remove(nodeKey: string, which: string): Promise<void> {
    const { api, log } = this.#options;
    const workload = await this.#readWorkload(nodeKey, which);
    const steps = workload && !isOfAnotherNode(workload, splitKey(nodeKey).name) ? removalOf(workload) : [];
    if (workload && steps.length > 0) {
      await api.patch(workload, steps);
      log.info({ workload: which, node: nodeKey }, 'the sidecar was removed');
    }
    this.#lastApplied.delete(nodeKey);
  }

  /** @param which as the status has it, `Deployment/connect` */
  async #readWorkload(nodeKey: string, which: string): Promise<Workload | undefined> {
    const found = parseWorkload(which);
    return found && this.#options.api.get<Workload>(WORKLOADS[found.kind], splitKey(nodeKey).namespace, found.name);
  }
}

/**
 * What the API server refuses, a person must mend. Any other problem may have passed by the next reconcile.
 *
 * @param advice what to do where a right is missing
 */
function problemOf(workload: string | undefined, error: unknown, advice: string | false): Injection {
  if (!(error instanceof KubeError)) throw error;
  const passes = error.isConflict || error.code === 0 || error.code === 429;
  const message = messageOf(error);
  if (passes) return { workload, awaited: `the workload could not be read or changed just now: ${message}` };
  const whole = error.isMissingRight && advice !== false ? `${message}. ${advice}` : message;
  return { workload, refusal: { reason: 'InjectionRefused', message: whole } };
}

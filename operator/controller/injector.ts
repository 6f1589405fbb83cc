import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Workload } from '../api/objects.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { INJECTION_MANAGER } from '../plan/injection/injection.ts';
import { isUpToDate, type LastApplied, lastAppliedAfter, undoneTooOften } from '../plan/injection/last-applied.ts';
import { isOfAnotherNode, removalOf } from '../plan/injection/removal.ts';
import { awaitedRollout, desiredWorkload, type Injection, injectionStep } from '../plan/injection/step.ts';
import type { NodeObject } from '../plan/observed/observed.ts';
import { parseWorkload, workloadText } from '../plan/observed/workload-ref.ts';
import type { Plan } from '../plan/plan.ts';
import type { Snapshot } from './cluster.ts';
import { WORKLOADS } from './rollout.ts';

export interface InjectorOptions {
  readonly api: KubeClient;
  readonly log: Logger;
  /** Of the sidecar; undefined: none is put in. */
  readonly image: string | undefined;
}

/**
 * Keeps the sidecar in the workloads that run connect. Each turn looks at the workload: whatever was done to it, the
 * sidecar is back a turn later. Never throws for what is wrong there: that is what it reports.
 */
export class Injector {
  readonly #options: InjectorOptions;
  readonly #written = new Map<string, LastApplied>();

  constructor(options: InjectorOptions) {
    this.#options = options;
  }

  /**
   * Puts it in, keeps it in, or takes it out.
   *
   * @param hasKey whether the node has a key that it may use
   */
  async tend(snapshot: Snapshot, plan: Plan, hasKey: boolean): Promise<Injection> {
    const { node } = snapshot;
    const wanted = desiredWorkload(node);
    try {
      const workload = wanted === undefined ? undefined : await this.#workload(keyOf(node), wanted);
      const prerequisitesMet = hasKey && plan.problem === undefined && plan.kafkaPasswordProblem === undefined;
      const next = injectionStep({ ...snapshot, image: this.#options.image, workload, prerequisitesMet });
      if (next.step === 'inject') return await this.#putIn(node, next.workload, next.spec);
      if (next.step === 'remove') await this.#takeOut(keyOf(node), next.workload);
      return next.outcome;
    } catch (error) {
      return problemOf(node.status?.workload, error);
    }
  }

  /**
   * Takes it out of what a node that is gone has held: what was refused is logged and keeps nobody.
   *
   * @param node `namespace/name`
   * @throws what passes: the next turn tries again
   */
  async release(node: string, held: string): Promise<void> {
    try {
      await this.#takeOut(node, held);
    } catch (error) {
      const { refusal } = problemOf(held, error);
      if (!refusal) throw error;
      this.#options.log.warn({ workload: held, problem: refusal.message }, 'the sidecar stays in its workload');
    }
  }

  async #putIn(node: NodeObject, workload: Workload, spec: object): Promise<Injection> {
    const { api, log } = this.#options;
    const { apiVersion, kind, metadata } = workload;
    const { name, namespace = '', uid = '', resourceVersion = '' } = metadata;
    const held = workloadText({ kind: kind as keyof typeof WORKLOADS, name });
    const last = this.#written.get(keyOf(node));
    const text = JSON.stringify(spec);
    let found = workload;
    if (!isUpToDate(text, workload, last)) {
      const fight = undoneTooOften(workload, last, Date.now());
      if (fight) return { workload: held, refusal: fight };
      // To this very version: somebody may just be writing NATS_SYNC_SUBSCRIBERS.
      const change = { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion }, spec };
      found = (await api.applyAs(INJECTION_MANAGER, change)) as unknown as Workload;
      this.#written.set(keyOf(node), lastAppliedAfter(text, { before: workload, after: found }, last, Date.now()));
      const isNew = found.metadata.generation !== metadata.generation;
      if (isNew) log.info({ workload: held, namespace, node: node.metadata.name }, 'the sidecar was put in');
    }
    const awaited = awaitedRollout(found);
    return { workload: held, ...(awaited !== undefined && { awaited }) };
  }

  async #takeOut(node: string, held: string): Promise<void> {
    const { api, log } = this.#options;
    const workload = await this.#workload(node, held);
    const [, name = ''] = node.split('/');
    const steps = workload && !isOfAnotherNode(workload, name) ? removalOf(workload) : [];
    if (workload && steps.length > 0) {
      await api.patch(workload, steps);
      log.info({ workload: held, node }, 'the sidecar was taken out');
    }
    this.#written.delete(node);
  }

  /** @param which as the status has it, `Deployment/connect` */
  async #workload(node: string, which: string): Promise<Workload | undefined> {
    const [namespace = ''] = node.split('/');
    const found = parseWorkload(which);
    return found && this.#options.api.get<Workload>(WORKLOADS[found.kind], namespace, found.name);
  }
}

/** A refusal is for a person to mend; what else may be wrong, the next turn will find otherwise. */
function problemOf(workload: string | undefined, error: unknown): Injection {
  if (!(error instanceof KubeError)) throw error;
  const passes = error.isConflict || error.code === 0 || error.code === 429;
  const message = messageOf(error);
  if (passes) return { workload, awaited: `the workload could not be looked at or changed just now: ${message}` };
  return { workload, refusal: { reason: 'InjectionRefused', message } };
}

function keyOf({ metadata }: NodeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Condition } from '../api/conditions.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { mergePatchRemoving } from '../cluster/merge-patch.ts';
import type { PeerObject, StoredNode } from '../plan/observed/observed.ts';
import type { NodeStatus, PeerStatusOf } from '../plan/status/status.ts';
import { forEachAtOnce } from './at-once.ts';
import { noticesOf, noticesOfRedrive, type RecordEvents } from './events.ts';

/** How many statuses are written at once. */
const CONCURRENT_WRITES = 16;

interface PublisherOptions {
  readonly api: Cluster;
  readonly log: Logger;
  readonly recordEvents: RecordEvents;
}

interface Publication {
  readonly object: StoredNode | PeerObject;
  readonly status: NodeStatus | PeerStatusOf;
}

/**
 * Writes the statuses of nodes and peers, each only where it has changed, and makes events of what a person should
 * notice.
 */
export class StatusPublisher {
  readonly #options: PublisherOptions;
  /** The versions of objects whose status was refused, and of which the log says so. */
  readonly #refused = new WeakSet<Publication['object']>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Publishes many statuses, some at a time. One that the API server refuses is only logged: it will be refused again, and the others
   * are not worse for it.
   *
   * @returns whether a person would notice a difference
   * @throws the first other error, after all the others were published
   */
  async publishStatuses(publications: readonly Publication[]): Promise<boolean> {
    const failures: unknown[] = [];
    let changed = false;
    await forEachAtOnce(publications, CONCURRENT_WRITES, async ({ object, status }) => {
      try {
        if (await this.publishStatus(object, status)) changed = true;
      } catch (error) {
        if (isRefusal(error)) this.#tellRefused(object, error);
        else failures.push(error);
      }
    });
    if (failures.length > 0) throw failures[0];
    return changed;
  }

  /**
   * Publishes the status of an object. One that was deleted or replaced meanwhile is left alone.
   *
   * @returns whether a person would notice a difference
   * @throws KubeError
   */
  async publishStatus(object: Publication['object'], status: Publication['status']): Promise<boolean> {
    if (isDeepStrictEqual(object.status, asJson(status))) return false;
    const { apiVersion, kind, metadata } = object;
    const { name, namespace = '', uid } = metadata;
    const change = { apiVersion, kind, metadata: { name, namespace, ...(uid !== undefined && { uid }) }, status };
    try {
      const applied = await this.#options.api.apply(change, '/status');
      const foreign = mergePatchRemoving((applied as Publication['object']).status, status);
      if (foreign) await this.#options.api.remove(change, { status: foreign }, '/status');
    } catch (error) {
      if (error instanceof KubeError && (error.isNotFound || error.isConflict)) return false;
      throw error;
    }
    const after: readonly Condition[] = status.conditions ?? [];
    const notices = [
      ...noticesOf(object.status?.conditions ?? [], after),
      ...noticesOfRedrive(redriveOf(object.status), redriveOf(status)),
    ];
    await this.#options.recordEvents(object, notices);
    return notices.length > 0;
  }

  /** Once for each version of the object, because a status is written again with each reconcile. */
  #tellRefused(object: Publication['object'], error: KubeError): void {
    if (this.#refused.has(object)) return;
    this.#refused.add(object);
    const { kind, metadata } = object;
    const about = { kind, name: metadata.name, namespace: metadata.namespace, problem: messageOf(error) };
    this.#options.log.warn(about, 'the status of an object is refused, and stays what it was');
  }
}

/** Whether the API server will refuse it again, however often it is written. */
export function isRefusal(error: unknown): error is KubeError {
  return error instanceof KubeError && error.isRefusal;
}

/** Of a peer's status; a node's has none. */
function redriveOf(status: NodeStatus | PeerStatusOf | undefined): PeerStatusOf['redrive'] {
  return status && 'redrive' in status ? status.redrive : undefined;
}

/** As it would come back from the API server: without fields that are undefined. */
function asJson(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

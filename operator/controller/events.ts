import { randomUUID } from 'node:crypto';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Condition } from '../api/conditions.ts';
import { KINDS, type KubeObject } from '../api/objects.ts';
import type { ConditionType } from '../api/reasons.ts';
import type { KubeClient } from '../kube/client.ts';
import { microTime } from '../kube/formats.ts';

/** A condition that has changed in a way that a person should notice in `kubectl describe`. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
}

/** The API server refuses an event with a note of more than 1,024 bytes. */
const NOTE_BYTES = 1000;

/** Conditions that only repeat the others. Stalled is also the one of which `True` is bad. */
const REPEATING: ReadonlySet<string> = new Set(['Ready', 'Reconciling', 'Stalled'] satisfies ConditionType[]);

/** Makes the events about an object. */
export type RecordEvents = (about: KubeObject, notices: readonly Notice[]) => Promise<void>;

/** One notice for each condition whose status or reason has changed. */
export function noticesOf(before: readonly Condition[], after: readonly Condition[]): Notice[] {
  return after
    .filter(({ type }) => !REPEATING.has(type))
    .filter(({ type, status, reason }) => {
      const known = before.find((condition) => condition.type === type);
      return known?.status !== status || known.reason !== reason;
    })
    .filter(({ status, reason }) => status !== 'Unknown' && reason !== 'NotRequested')
    .map(({ type, status, reason, message }) => ({
      type: status === 'True' ? 'Normal' : 'Warning',
      reason,
      action: type,
      note: Buffer.from(message).subarray(0, NOTE_BYTES).toString(),
    }));
}

/**
 * Makes a Kubernetes event of each notice, which `kubectl describe` shows. An event that cannot be made is logged, and
 * no reconcile fails for it.
 *
 * @param reporter the name of this operator's process
 */
export function eventRecorder(api: KubeClient, reporter: string, log: Logger): RecordEvents {
  return async (about, notices) => {
    const { apiVersion, kind, metadata } = about;
    const { name, namespace = '', uid } = metadata;
    for (const notice of notices) {
      const event = {
        ...KINDS.event,
        metadata: { name: `${name}.${randomUUID()}`.slice(-253), namespace },
        eventTime: microTime(),
        reportingController: 'lfh-sync.linuxforhealth.io/operator',
        reportingInstance: reporter.slice(0, 128),
        regarding: { apiVersion, kind, name, namespace, uid },
        ...notice,
      };
      await api
        .create(event)
        .catch((error: unknown) => log.warn({ problem: messageOf(error) }, 'cannot make an event'));
    }
  };
}

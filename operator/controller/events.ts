import { createHash, randomUUID } from 'node:crypto';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Condition } from '../api/conditions.ts';
import { KINDS, type KubeObject } from '../api/objects.ts';
import type { ConditionType } from '../api/reasons.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { microTime } from '../cluster/formats.ts';
import type { AccessChange } from '../plan/nats/access-changes.ts';
import type { DataPlane } from '../plan/observed/observed.ts';
import { peerDurable } from '../plan/observed/spec.ts';
import type { Plan } from '../plan/plan.ts';
import type { PeerStatusOf } from '../plan/status/status.ts';
import { forEachAtOnce } from './at-once.ts';

/** Something that a person should notice in `kubectl describe`, such as a condition that has changed. */
export interface Notice {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly action: string;
  readonly note: string;
  /** Where type, action and reason do not say which fact it is: what does. */
  readonly fact?: string;
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

/** That a redrive is done, with what came of it. */
export function noticesOfRedrive(before: PeerStatusOf['redrive'], after: PeerStatusOf['redrive']): Notice[] {
  if (after?.state !== 'Done' || (before?.state === 'Done' && before.completionTime === after.completionTime))
    return [];
  const { id = '', message = '' } = after;
  const note = Buffer.from(`redrive ${id}: ${message}`).subarray(0, NOTE_BYTES).toString();
  return [{ type: 'Normal', reason: 'RedriveDone', action: 'Redrive', note, fact: `${id} ${after.completionTime}` }];
}

/** That a ConfigMap had been made immutable. A kubelet that has seen it so does not look at it again for the pods that it has. */
export function replacedNotice(configMap: string): Notice {
  return {
    type: 'Warning',
    reason: 'ImmutableReplaced',
    action: 'Replace',
    note:
      `the ConfigMap ${configMap} had been made immutable, so that nobody's access could be taken back; it was deleted and made anew. ` +
      'Pods that mount it may keep the old files until they are restarted: kubectl rollout restart',
  };
}

/**
 * A notice for each key of a peer that all nats-servers let in now, or do not let in any more; there is no such change while one of
 * them does not answer. An auditor asks who could read what, and when that ended; it is about the node, because a peer that was deleted has no object any more.
 */
export function noticesOfAccess(changes: readonly AccessChange[], { peers }: Plan, { nats }: DataPlane): Notice[] {
  const names = new Map<string, string>(peers.map(({ peer }) => [peerDurable(peer), peer.metadata.name]));
  const servers = `all ${nats?.servers.length ?? 0} nats-servers`;
  return changes.map(({ reason, account, key }) => {
    const name = names.get(account);
    const peer = name === undefined ? account : `${account} (LfhSyncPeer ${name})`;
    const note =
      reason === 'AccessGranted'
        ? `${peer} may receive from this node with the key ${key}: ${servers} let it in`
        : `${peer} may not receive from this node with the key ${key} any more: ${servers} have ended its connections, and refuse it`;
    return { type: 'Normal', reason, action: 'NatsAccess', note, fact: `${account} ${key}` };
  });
}

/**
 * After the second occurrence of a condition, its event is written once in this time, however often it comes back: a peer may cause
 * that.
 */
const SERIES_MS = 60_000;
/** More are not remembered. The oldest is forgotten first, and begins a new event when it comes back. */
const MOST_FACTS = 5_000;
/** How many events about one object are made at once: a node may let in hundreds of peers in one moment. */
const EVENTS_AT_ONCE = 16;

interface KnownEvent {
  readonly name: string;
  /** How often the fact has occurred. */
  readonly count: number;
  /** When the event was last written, in milliseconds since 1970. */
  readonly writtenAt: number;
}

/**
 * Makes a Kubernetes event of each notice, which `kubectl describe` shows. When the same fact comes back, its event counts on, as a series:
 * a peer that goes up and down must not fill the namespace with events. An event that cannot be made is logged, and no reconcile fails
 * for it.
 *
 * @param reporter the name of this operator's process
 */
export function eventRecorder(api: Cluster, reporter: string, log: Logger): RecordEvents {
  const known = new Map<string, KnownEvent>();
  const remember = (fact: string, event: KnownEvent): void => {
    known.delete(fact);
    known.set(fact, event);
    const [oldest] = known.keys();
    if (known.size > MOST_FACTS && oldest !== undefined) known.delete(oldest);
  };
  const record = async (about: KubeObject, { fact: which, ...notice }: Notice): Promise<void> => {
    const fact = factOf(about, notice, which);
    const before = known.get(fact);
    if (before && (await isCountedOn(about, fact, before, which === undefined))) return;
    const event = newEvent(about, notice, reporter);
    await api.create(event);
    remember(fact, { name: event.metadata.name, count: 1, writtenAt: Date.now() });
  };
  const isCountedOn = async (
    about: KubeObject,
    fact: string,
    before: KnownEvent,
    mayWait: boolean,
  ): Promise<boolean> => {
    const next = { ...before, count: before.count + 1 };
    // Absolute, because the clock may have been set back since.
    if (mayWait && before.count > 1 && Math.abs(Date.now() - before.writtenAt) < SERIES_MS) {
      remember(fact, next);
      return true;
    }
    const { namespace = '' } = about.metadata;
    const { apiVersion, kind } = KINDS.event;
    const series = { count: next.count, lastObservedTime: microTime() };
    try {
      await api.patch({ apiVersion, kind, metadata: { name: before.name, namespace } }, [
        { op: 'add', path: '/series', value: series },
      ]);
    } catch (error) {
      // Kubernetes forgets events after an hour.
      if (error instanceof KubeError && error.isNotFound) return false;
      throw error;
    }
    remember(fact, { ...next, writtenAt: Date.now() });
    return true;
  };
  return async (about, notices) => {
    await forEachAtOnce(notices, EVENTS_AT_ONCE, (notice) =>
      record(about, notice).catch((error: unknown) => log.warn({ problem: messageOf(error) }, 'cannot make an event')),
    );
  };
}

/** The same for what is the same fact about the same object. */
function factOf({ metadata }: KubeObject, { type, action, reason }: Notice, which = ''): string {
  const parts = [metadata.namespace, metadata.name, metadata.uid, type, action, reason, which];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}

function newEvent(
  { apiVersion, kind, metadata: { name, namespace = '', uid } }: KubeObject,
  notice: Omit<Notice, 'fact'>,
  reporter: string,
): KubeObject {
  const event = {
    ...KINDS.event,
    metadata: { name: `${name}.${randomUUID()}`.slice(-253), namespace },
    eventTime: microTime(),
    reportingController: 'lfh-sync.linuxforhealth.io/operator',
    reportingInstance: reporter.slice(0, 128),
    regarding: { apiVersion, kind, name, namespace, uid },
    ...notice,
  };
  return event;
}

import type { StoredNode } from '../../operator/plan/observed/observed.ts';
import { expiryRemarks } from '../../operator/plan/trust/expiry.ts';
import { conditionView } from '../status/condition.ts';

/** Whether a node can invite others. */
export interface Readiness {
  /** Why its invitation would be of no use, or soon not, each with what to do; empty where it is in order. */
  readonly problems: readonly string[];
  readonly remarks: readonly string[];
}

/**
 * @param servers that the invitation names; undefined where there is none
 * @param now in milliseconds since 1970
 */
export function readiness(node: StoredNode, servers: readonly string[] | undefined, now: number): Readiness {
  const { metadata, status } = node;
  const isOld = (status?.observedGeneration ?? 0) < (metadata.generation ?? 0);
  const { natsCa, nats } = status?.certificateExpiry ?? {};
  const problems = [
    ...(isOld ? ['the operator has not looked at the newest spec yet: wait, and see whether it runs'] : []),
    ...(servers?.length === 0 ? [NO_ADDRESS] : []),
    ...(['KeyReady', 'NatsConfigLive'] as const).flatMap((type) => conditionProblem(node, type)),
    ...(servers === undefined ? [NOT_WRITTEN] : []),
    ...expiry('the last certificate authority in spec.nats.ca', natsCa, now),
  ];
  return { problems, remarks: expiry('the certificate of our nats-server', nats, now) };
}

const NOT_WRITTEN = 'the operator has not written the invitation yet';
const NO_ADDRESS =
  'the invitation names no server, so the other site would not know where to receive from: set spec.nats.advertise to the addresses at ' +
  'which it reaches our NATS, or spec.nats.advertiseFrom to the Service that has them';

function conditionProblem(node: StoredNode, type: 'KeyReady' | 'NatsConfigLive'): string[] {
  const { state, reason, message, whatToDo } = conditionView(node.status?.conditions, type);
  if (state === 'ok') return [];
  return [[`${type} is ${reason || 'not known yet'}: ${message}`, whatToDo].filter((part) => part !== '').join('. ')];
}

function expiry(what: string, time: string | undefined, now: number): string[] {
  const ends = Date.parse(time ?? '');
  if (Number.isNaN(ends)) return [];
  return ends <= now ? [`${what} has expired on ${time}: replace it`] : expiryRemarks(what, ends, now);
}

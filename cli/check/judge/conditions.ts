import { CONDITIONS, type ConditionType, reasonEntry } from '../../../operator/api/reasons.ts';
import type { Condition } from '../../../operator/api/types.ts';
import { parseTime } from '../../../operator/plan/observed/times.ts';
import type { CheckId } from './checks.ts';
import type { Finding, Outcome } from './finding.ts';

/** What the conditions say that the operator writes. Their reasons tell which check it is that does not hold. */

/** The check of a condition whose reason has none of its own. */
const OF_CONDITION = {
  KeyReady: 'key',
  NatsConfigLive: 'nats-config',
  StreamReady: 'stream',
  SidecarReady: 'sidecar',
  TransmitReady: 'transmit',
  ReceiveReady: 'receive',
  SendReady: 'send',
} as const satisfies Partial<Record<ConditionType, CheckId>>;

type Looked = keyof typeof OF_CONDITION;

/** The check of a condition with a certain reason. */
export const OF_REASON: { readonly [Type in Looked]?: Readonly<Record<string, CheckId>> } = {
  KeyReady: { PublishedKey: 'connect-key' },
  NatsConfigLive: {
    IncludeMissing: 'nats-includes',
    NoAuthorization: 'nats-includes',
    NatsRefusedConfig: 'nats-reload',
    ServerTooOld: 'nats-version',
    WorkloadMissing: 'nats-workload',
    CertificateExpired: 'certificates',
    AddressPending: 'advertise',
    AddressMissing: 'advertise',
  },
  SidecarReady: {
    SettingsNotLive: 'settings-live',
    KafkaUnavailable: 'kafka',
    WorkloadMissing: 'connect-workload',
    ContainerUnknown: 'connect-container',
    ConnectAlsoSubscribes: 'connect-subscribers',
    LfhIdMismatch: 'lfh-id',
    CertificateExpired: 'certificates',
  },
  ReceiveReady: {
    Unreachable: 'peer-reachable',
    KeyRefused: 'peer-key',
    NotTrusted: 'peer-trust',
    HostNameMismatch: 'peer-trust',
    TlsRequired: 'peer-trust',
    CertificateExpired: 'peer-trust',
    CertificateNotYetValid: 'peer-trust',
    ClientCertificateRequired: 'peer-trust',
    MessagesRejected: 'peer-rejected',
    SettingsNotLive: 'settings-live',
    KafkaUnavailable: 'kafka',
    KafkaRefused: 'kafka-rights',
    TopicNotCompacted: 'position-topic',
  },
  SendReady: { MessagesExpired: 'peer-retention' },
};

export interface ConditionsSeen {
  /** `lfhnode/local` */
  readonly about: string;
  readonly kind: 'LfhSyncNode' | 'LfhSyncPeer';
  readonly generation: number | undefined;
  readonly conditions: readonly Condition[];
  /** Whether the operator works, so that they are of now; undefined where that is not known. */
  readonly operatorWorks: boolean | undefined;
}

export function conditionFindings({ about, kind, generation, conditions, operatorWorks }: ConditionsSeen): Finding[] {
  const types = (Object.keys(OF_CONDITION) as Looked[]).filter((type) =>
    CONDITIONS[type].of.some((each: string) => each === kind),
  );
  return types.map((type): Finding => {
    const found = conditions.find((each) => each.type === type);
    const unknown = (message: string): Finding => ({ check: OF_CONDITION[type], about, outcome: 'Unknown', message });
    if (!found) return unknown(`${type} is not there: the operator has not looked yet`);
    const { status, reason, message, observedGeneration } = found;
    const says = `${type} is ${status} (${reason}): ${message}`;
    if (operatorWorks === false) return unknown(`no operator works, so this may be old: ${says}`);
    if (observedGeneration !== generation) return unknown(`of an earlier spec: ${says}`);
    return { check: checkOf(type, reason), about, outcome: outcomeOf(status), message: says, ...hintOf(type, found) };
  });
}

function checkOf(type: Looked, reason: string): CheckId {
  return OF_REASON[type]?.[reason] ?? OF_CONDITION[type];
}

function outcomeOf(status: Condition['status']): Outcome {
  return { True: 'Fine', False: 'Failed', Unknown: 'Unknown' }[status] as Outcome;
}

/** What the table of reasons says, which is what docs/api.md says. */
function hintOf(type: Looked, { status, reason }: Condition): { readonly hint?: string } {
  const entry = reasonEntry(type, reason);
  return status === 'True' || !entry ? {} : { hint: entry.text };
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** The alert LfhSyncCertificateExpiresSoon has the same. */
const SOON_DAYS = 30;

/** @param names what expires, with the time in the form of a status */
export function expiryFinding(
  check: 'certificates' | 'peer-certificates',
  about: string,
  expiries: Readonly<Record<string, string | undefined>>,
  now: number,
): Finding[] {
  const times = Object.entries(expiries).flatMap(([what, text]) => {
    const at = parseTime(text);
    return at === undefined ? [] : [{ what, days: (at - now) / DAY_MS, text: text ?? '' }];
  });
  if (times.length === 0) return [];
  const says = ({ what, days, text }: (typeof times)[number]): string =>
    days <= 0 ? `${what} has expired on ${text}` : `${what} expires in ${Math.floor(days)} days, on ${text}`;
  const soon = times.filter(({ days }) => days < SOON_DAYS);
  const outcome: Outcome = soon.some(({ days }) => days <= 0) ? 'Failed' : soon.length > 0 ? 'Warning' : 'Fine';
  return [{ check, about, outcome, message: (soon.length > 0 ? soon : times).map(says).join('; ') }];
}

import { canonicalFhirUrl } from '../../common/contract/fhir-servers.ts';
import { statusSubject } from '../../common/contract/names.ts';
import { REASONS, REJECT_REASONS } from '../../common/contract/reasons.ts';
import { isSettingsDigest } from '../../common/contract/settings-digest.ts';
import {
  isPlainOrigin,
  type PeerStatus,
  type RedriveStatus,
  type SidecarStatus,
} from '../../common/contract/status.ts';
import { TRANSMIT_REASON_TEXTS } from '../../common/contract/transmit-reasons.ts';
import type { TransmitStatus } from '../../common/contract/transmit-status.ts';
import type { Connected } from './connection.ts';
import { isObject, parseJson } from './json.ts';
import { askAll } from './request.ts';

export interface SidecarAnswers {
  readonly statuses: readonly SidecarStatus[];
  /** How many answers are not a status: from another version of the sidecar, or from something else on its subject. */
  readonly unreadable: number;
}

/**
 * Asks all sidecars of a node for their status. A sidecar that has not answered in time, or within 300 ms after the
 * last answer, counts as absent.
 *
 * @param node the name of the LfhSyncNode, which the sidecars have as their setting LFH_SYNC_NODE
 * @throws TransientError where the server cannot be asked; never because of a sidecar
 */
export async function askSidecars(connected: Connected, node: string, timeoutMs: number): Promise<SidecarAnswers> {
  const answers = await askAll(connected, statusSubject(node), '', timeoutMs, readStatus);
  const statuses = answers.filter((status) => status !== undefined);
  return { statuses, unreadable: answers.length - statuses.length };
}

/**
 * Reads a sidecar's answer. It comes from the node's own account, but perhaps from another version of the sidecar, or
 * from anyone else who may publish there. Every field that is used is checked, because the API server refuses a whole
 * status for one value that is not a valid number or time.
 *
 * @returns undefined where a field that is used is not what it should be
 */
function readStatus(answer: string): SidecarStatus | undefined {
  const status = parseJson(answer);
  return isObject(status) && hasAll(status, STATUS) ? completed(status as unknown as ReadStatus) : undefined;
}

/** What older sidecars do not report. */
type Newer = 'rejectedRun' | 'certificateExpires' | 'redrive' | 'digest';
type ReadStatus = Omit<SidecarStatus, 'peers' | 'settings' | 'kafka' | 'transmit'> & {
  readonly settings: Omit<SidecarStatus['settings'], 'digest'> & Partial<SidecarStatus['settings']>;
  readonly kafka: Omit<SidecarStatus['kafka'], 'remark'> & Partial<SidecarStatus['kafka']>;
  readonly transmit?: unknown;
  readonly peers: readonly (Omit<PeerStatus, Newer> & Partial<Pick<PeerStatus, Newer>>)[];
};

function completed(status: ReadStatus): SidecarStatus {
  const peers = status.peers.map(
    ({ rejectedRun = null, certificateExpires = null, redrive = null, digest = null, ...peer }) => {
      return { ...peer, rejectedRun, certificateExpires, redrive, digest };
    },
  );
  const { transmit, ...others } = status;
  const settings = { ...status.settings, digest: status.settings.digest ?? null };
  const kafka = { ...status.kafka, remark: status.kafka.remark ?? null };
  return {
    ...others,
    settings,
    kafka,
    peers,
    ...(Array.isArray(transmit) && { transmit: transmit.filter(isTransmitStatus) }),
  };
}

/** A report about one FHIR server that cannot be read, as from a newer sidecar, does not spoil the rest. */
function isTransmitStatus(value: unknown): value is TransmitStatus {
  return isObject(value) && hasAll(value, TRANSMIT);
}

type Check = (value: unknown) => boolean;
type Fields<Value> = { readonly [Field in keyof Value]?: Check };

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isTime: Check = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)) && /^\d{4}-/.test(value);
/** A text that goes into a status. */
const isShortText: Check = (value) => typeof value === 'string' && value.length <= 4_096;
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const isCounts: Check = (value) => isObject(value) && Object.values(value).every(isCount);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

/** For a field that older sidecars do not have. */
const orAbsent =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

const isRejectedRun: Check = (value) =>
  isObject(value) &&
  isCount(value.count) &&
  Object.keys(REJECT_REASONS).some((reason) => reason === value.reason) &&
  (value.origin === null || (isText(value.origin) && isPlainOrigin(value.origin as string)));

const isRedrive: Check = (value) => isObject(value) && hasAll(value, REDRIVE);

/** The fields of a redrive that the operator reads or copies. */
const REDRIVE: Fields<RedriveStatus> = {
  id: isShortText,
  dryRun: isFlag,
  state: (value) => value === 'Running' || value === 'Waiting' || value === 'Done',
  message: isShortText,
  found: isCount,
  replayed: isCount,
  rejected: isCount,
  missing: isCount,
  startedAt: isTime,
  finishedAt: orNull(isTime),
};

/** The fields of a peer that the operator reads or copies. */
const PEER: Fields<PeerStatus> = {
  name: isText,
  lfhId: isText,
  owned: isFlag,
  reason: (value) => (REASONS as readonly unknown[]).includes(value),
  message: isText,
  server: orNull(isText),
  key: orNull(isText),
  certificateExpires: orAbsent(orNull(isTime)),
  position: orNull((value) => isObject(value) && isCount(value.sequence)),
  digest: orAbsent(orNull(isSettingsDigest)),
  lag: orNull(isCount),
  replayed: isCount,
  skipped: isCounts,
  rejected: isCounts,
  rejectedRun: orAbsent(orNull(isRejectedRun)),
  lastReplayTime: orNull(isTime),
  redrive: orAbsent(orNull(isRedrive)),
};

/** The fields of a FHIR server that the operator reads or copies. */
const TRANSMIT: Fields<TransmitStatus> = {
  url: (value) => isText(value) && canonicalFhirUrl(value as string) === value,
  owned: isFlag,
  reason: (value) => isText(value) && Object.hasOwn(TRANSMIT_REASON_TEXTS, value as string),
  message: isShortText,
  lag: orNull(isCount),
  pending: orNull(isCount),
  oldestPending: orNull(isTime),
  lastSuccess: orNull(isTime),
  delivered: isCount,
  refused: isCount,
  givenUp: isCount,
  lastError: orNull((value) => isObject(value) && isShortText(value.message)),
};

const STATUS: Fields<SidecarStatus> = {
  lfhId: isText,
  node: isText,
  settings: (value) =>
    isObject(value) && isText(value.state) && isText(value.message) && orAbsent(orNull(isSettingsDigest))(value.digest),
  publicKeys: isTexts,
  kafka: (value) => isObject(value) && isFlag(value.joined) && orNull(isText)(value.remark ?? null),
  peers: (value) => Array.isArray(value) && value.every((peer) => isObject(peer) && hasAll(peer, PEER)),
};

function hasAll(
  value: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, Check | undefined>>,
): boolean {
  return Object.entries(fields).every(([name, check]) => check?.(value[name]));
}

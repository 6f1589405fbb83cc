import { REASONS } from '../../common/contract/reasons.ts';
import type { PeerStatus, SidecarStatus } from '../../common/contract/status.ts';

/**
 * Reads a sidecar's answer. It comes from the node's own account, but may be from another version, or from anybody who may
 * publish there; and the API server refuses a whole status for one number or time that is none.
 *
 * @returns undefined where it is no status, in whatever field that is looked at
 */
export function readStatus(answer: string): SidecarStatus | undefined {
  const status = parse(answer);
  return isObject(status) && hasAll(status, STATUS) ? (status as unknown as SidecarStatus) : undefined;
}

type Check = (value: unknown) => boolean;
type Fields<Value> = { readonly [Field in keyof Value]?: Check };

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isTime: Check = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)) && /^\d{4}-/.test(value);
const isTexts: Check = (value) => Array.isArray(value) && value.every(isText);
const isCounts: Check = (value) => isObject(value) && Object.values(value).every(isCount);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);

/** What the operator looks at, and what it copies. */
const PEER: Fields<PeerStatus> = {
  name: isText,
  lfhId: isText,
  owned: isFlag,
  reason: (value) => (REASONS as readonly unknown[]).includes(value),
  message: isText,
  server: orNull(isText),
  key: orNull(isText),
  position: orNull((value) => isObject(value) && isCount(value.sequence)),
  lag: orNull(isCount),
  replayed: isCount,
  skipped: isCounts,
  rejected: isCounts,
  lastReplayTime: orNull(isTime),
};

const STATUS: Fields<SidecarStatus> = {
  lfhId: isText,
  node: isText,
  settings: (value) => isObject(value) && isText(value.state) && isText(value.message),
  publicKeys: isTexts,
  kafka: (value) => isObject(value) && isFlag(value.joined),
  peers: (value) => Array.isArray(value) && value.every((peer) => isObject(peer) && hasAll(peer, PEER)),
};

function hasAll(
  value: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, Check | undefined>>,
): boolean {
  return Object.entries(fields).every(([name, check]) => check?.(value[name]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

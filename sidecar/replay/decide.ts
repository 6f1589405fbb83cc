import { isUtf8 } from 'node:buffer';
import { findContentProblem, isForbiddenTopic, isLegalTopic } from '../../common/contract/formats.ts';
import { type FieldProblem, type LfhMessage, MESSAGE_FIELDS, readMessage } from '../../common/contract/message.ts';
import {
  MAX_DEPTH,
  MAX_FIELDS,
  MAX_NAME,
  type ObjectProblem,
  READ_AT_ONCE,
  readObject,
} from '../../common/contract/object-reader.ts';
import type { RejectReason, SkipReason } from '../../common/contract/reasons.ts';
import { isPlainOrigin } from '../../common/contract/status.ts';
import { isUsualContent } from './scan/usual-content.ts';
import { readUsualMessage } from './scan/usual-message.ts';

/** The settings by which a peer's messages are judged. */
export interface Rules {
  readonly ownLfhId: string;
  readonly peerLfhId: string;
  /** Further nodes whose messages may come through this peer. */
  readonly allowOrigins: readonly string[];
  readonly isAllowedFormat: (format: string) => boolean;
  readonly maxMessageBytes: number;
}

/** As much of a delivery as a decision needs. */
export interface Candidate {
  readonly payload: Uint8Array;
  /** Of the whole, of which a payload that is too large may be a part. */
  readonly size: number;
  readonly streamSequence: number;
  readonly time: number;
}

export type Decision =
  | { readonly kind: 'skip'; readonly reason: SkipReason }
  | Rejection
  | { readonly kind: 'replay'; readonly message: LfhMessage };

export interface Rejection {
  readonly kind: 'reject';
  readonly reason: RejectReason;
  /** For a person, and for `error_msg`. It names fields and expectations, and quotes nothing that the peer wrote. */
  readonly detail: string;
  /** For `ForeignOrigin` the `lfh_id` that came, where it is a plain one; never logged and never written to Kafka. */
  readonly origin?: string;
}

/**
 * Decides what happens to one delivered message.
 *
 * A sequence at or below `position.sequence` is already committed in Kafka. This comparison, not the ack, is what makes
 * replay exactly-once: JetStream redelivers whenever an ack is lost.
 *
 * It yields wherever it has worked for some milliseconds: all peers of a sidecar share one thread, and what a peer sends
 * decides how long its message takes.
 *
 * @param position the committed position's sequence, and its `from`, before which no message is wanted
 */
export function* decide(
  candidate: Candidate,
  position: { readonly sequence: number; readonly from: number },
  rules: Rules,
): Generator<void, Decision> {
  if (candidate.streamSequence <= position.sequence) return { kind: 'skip', reason: 'AlreadyReplayed' };
  if (candidate.time < position.from) return { kind: 'skip', reason: 'BeforeStart' };

  const { size } = candidate;
  if (size === 0) return reject('Empty', 'the message is empty');
  if (size > rules.maxMessageBytes) {
    return reject('TooLarge', `the message has ${size} bytes; at most ${rules.maxMessageBytes} are allowed`);
  }
  const { buffer, byteOffset, byteLength } = candidate.payload;
  const payload = Buffer.from(buffer, byteOffset, byteLength);
  const usual = readUsualMessage(payload);
  if (usual !== undefined) return yield* decideObject(usual.fields, usual.content, rules);
  if (!isUtf8(payload)) return reject('NotUtf8', 'the message is not UTF-8');
  const found = yield* readObject(payload.toString('utf8'), MESSAGE_FIELDS, { refuseRepeated: true });
  if (found.kind !== 'object') return reject(...OBJECT_PROBLEMS[found.kind]);
  return yield* decideObject(found.fields, undefined, rules);
}

const OBJECT_PROBLEMS: Readonly<Record<ObjectProblem, [RejectReason, string]>> = {
  'not-json': ['NotJson', 'the message is not JSON'],
  'not-an-object': ['NotAnObject', 'the message is JSON, but not an object'],
  'too-deep': ['NotJson', `the message is nested deeper than ${MAX_DEPTH} levels, which no connect can read or write`],
  'too-many-fields': [
    'InvalidField',
    `the message has more than ${MAX_FIELDS} fields, or one whose name has more than ${MAX_NAME} characters`,
  ],
  repeated: ['InvalidField', 'the message has a field twice, but for upper and lower case'],
};

/** @param content of a usual message, what `data` holds; it is valid until the first `yield` */
function* decideObject(
  object: Readonly<Record<string, unknown>>,
  content: Buffer | undefined,
  rules: Rules,
): Generator<void, Decision> {
  const { lfh_id: origin } = object;
  // This is first because our own messages come back through a peer that announces them again, which is not a mistake.
  if (origin === rules.ownLfhId) return { kind: 'skip', reason: 'OwnMessage' };
  const message = readMessage(object);
  if ('kind' in message) return reject(message.kind, describe(message));
  if (message.lfh_id !== rules.peerLfhId && !rules.allowOrigins.includes(message.lfh_id)) {
    const rejection = reject('ForeignOrigin', 'lfh_id is neither the peer nor one of its allowed origins');
    return isPlainOrigin(message.lfh_id) ? { ...rejection, origin: message.lfh_id } : rejection;
  }
  const rejection = findTopicRejection(message.data_format, rules);
  if (rejection !== undefined) return rejection;
  if (content !== undefined && isUsualContent(message.data_format, content)) return { kind: 'replay', message };
  return (yield* findDataRejection(message)) ?? { kind: 'replay', message };
}

function findTopicRejection(format: string, rules: Rules): Rejection | undefined {
  if (!isLegalTopic(format)) return reject('IllegalTopic', 'data_format is not a legal name for a Kafka topic');
  if (isForbiddenTopic(format)) return reject('ForbiddenTopic', 'data_format names a topic that no peer may write to');
  if (!rules.isAllowedFormat(format)) return reject('FormatNotAllowed', 'data_format is not among the allowed formats');
  return undefined;
}

function* findDataRejection({ data, data_format: format }: LfhMessage): Generator<void, Rejection | undefined> {
  if (!(yield* isBase64(data))) return reject('BadBase64', 'data is not base64');
  const expected = yield* findContentProblem(format, data);
  return expected === undefined ? undefined : reject('ContentMismatch', `data does not hold ${expected}`);
}

const BASE64 = /^[A-Za-z0-9+/]+$/;

function* isBase64(data: string): Generator<void, boolean> {
  if (data.length % 4 !== 0) return false;
  const end = data.length - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0);
  for (let at = 0; at < end; at += READ_AT_ONCE) {
    if (!BASE64.test(data.slice(at, Math.min(end, at + READ_AT_ONCE)))) return false;
    if (at > 0) yield;
  }
  return true;
}

function describe(problem: FieldProblem): string {
  return problem.kind === 'MissingField'
    ? `the field ${problem.field} is missing`
    : `the field ${problem.field} is not ${problem.expected}`;
}

function reject(reason: RejectReason, detail: string): Rejection {
  return { kind: 'reject', reason, detail };
}

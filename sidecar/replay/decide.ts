import { isUtf8 } from 'node:buffer';
import { findContentProblem, isForbiddenTopic, isLegalTopic } from '../../common/contract/formats.ts';
import { type FieldProblem, type LfhMessage, readMessage } from '../../common/contract/message.ts';
import type { RejectReason, SkipReason } from '../../common/contract/reasons.ts';
import { isPlainOrigin } from '../../common/contract/status.ts';
import { hasRepeatedKey } from './repeated-key.ts';

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
 * @param position the committed position's sequence, and its `from`, before which no message is wanted
 */
export function decide(
  candidate: Candidate,
  position: { readonly sequence: number; readonly from: number },
  rules: Rules,
): Decision {
  if (candidate.streamSequence <= position.sequence) return { kind: 'skip', reason: 'AlreadyReplayed' };
  if (candidate.time < position.from) return { kind: 'skip', reason: 'BeforeStart' };

  const size = candidate.payload.byteLength;
  if (size === 0) return reject('Empty', 'the message is empty');
  if (size > rules.maxMessageBytes) {
    return reject('TooLarge', `the message has ${size} bytes; at most ${rules.maxMessageBytes} are allowed`);
  }
  const parsed = parse(candidate.payload);
  return 'kind' in parsed ? parsed : decideObject(parsed.object, rules);
}

function decideObject(object: Readonly<Record<string, unknown>>, rules: Rules): Decision {
  const { lfh_id: origin } = object;
  // This is first because our own messages come back through a peer that announces them again, which is not a mistake.
  if (origin === rules.ownLfhId) return { kind: 'skip', reason: 'OwnMessage' };
  const message = readMessage(object);
  if ('kind' in message) return reject(message.kind, describe(message));
  if (message.lfh_id !== rules.peerLfhId && !rules.allowOrigins.includes(message.lfh_id)) {
    const rejection = reject('ForeignOrigin', 'lfh_id is neither the peer nor one of its allowed origins');
    return isPlainOrigin(message.lfh_id) ? { ...rejection, origin: message.lfh_id } : rejection;
  }
  return findTopicRejection(message.data_format, rules) ?? findDataRejection(message) ?? { kind: 'replay', message };
}

function findTopicRejection(format: string, rules: Rules): Rejection | undefined {
  if (!isLegalTopic(format)) return reject('IllegalTopic', 'data_format is not a legal name for a Kafka topic');
  if (isForbiddenTopic(format)) return reject('ForbiddenTopic', 'data_format names a topic that no peer may write to');
  if (!rules.isAllowedFormat(format)) return reject('FormatNotAllowed', 'data_format is not among the allowed formats');
  return undefined;
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

function findDataRejection(message: LfhMessage): Rejection | undefined {
  if (message.data.length % 4 !== 0 || !BASE64.test(message.data)) return reject('BadBase64', 'data is not base64');
  const expected = findContentProblem(message.data_format, Buffer.from(message.data, 'base64'));
  return expected === undefined ? undefined : reject('ContentMismatch', `data does not hold ${expected}`);
}

function parse(payload: Uint8Array): Rejection | { object: Readonly<Record<string, unknown>> } {
  if (!isUtf8(payload)) return reject('NotUtf8', 'the message is not UTF-8');
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of JSON.parse quotes the input, which is a patient's.
    return reject('NotJson', 'the message is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return reject('NotAnObject', 'the message is JSON, but not an object');
  }
  if (hasRepeatedKey(text))
    return reject('InvalidField', 'the message has a field twice, but for upper and lower case');
  return { object: value as Record<string, unknown> };
}

function describe(problem: FieldProblem): string {
  return problem.kind === 'MissingField'
    ? `the field ${problem.field} is missing`
    : `the field ${problem.field} is not ${problem.expected}`;
}

function reject(reason: RejectReason, detail: string): Rejection {
  return { kind: 'reject', reason, detail };
}

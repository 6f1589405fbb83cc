import { ErrorCode, headers, type Msg, type NatsConnection, NatsError } from 'nats';
import { TransientError } from '../../common/errors.ts';
import type { ResetAnswer } from '../ports.ts';
import type { Connected } from './connection.ts';
import { clean, consumerMissing, type Remote, translate } from './errors.ts';

const IDENTITY_HEADER = 'Nats-Stream-Identity';
const IDENTITY = /^[\x21-\x7e]{1,256}$/;
const ANSWER_TIMEOUT_MS = 5000;

/**
 * A pull that is refused by its form, so that no durable ever delivers anything for it: a heartbeat must fit twice into
 * the time that a pull waits.
 */
const IMPOSSIBLE_PULL = JSON.stringify({ batch: 1, expires: 1, idle_heartbeat: 1 });

/**
 * Throws `ConsumerMissing` unless the durable is there.
 *
 * Asked by its pull subject, the only one that tells: a server says at once that nobody answers there, while a reset for a
 * durable that is missing is never answered at all.
 */
async function demandDurable({ connection, remote }: Connected, stream: string, durable: string): Promise<void> {
  try {
    await connection.request(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`, IMPOSSIBLE_PULL, {
      timeout: ANSWER_TIMEOUT_MS,
      noMux: true,
    });
  } catch (error) {
    throw explain(error, connection, remote, `${durable} on stream ${stream}`);
  }
}

function explain(error: unknown, connection: NatsConnection, remote: Remote, durable: string): TransientError {
  const code = error instanceof NatsError ? error.code : '';
  if (code === ErrorCode.NoResponders) return consumerMissing(remote, `has no durable consumer ${durable}`);
  if (code === ErrorCode.Timeout && !connection.isClosed()) {
    const seconds = ANSWER_TIMEOUT_MS / 1000;
    return new TransientError('Unreachable', `${remote.server} did not answer about ${durable} within ${seconds} s`);
  }
  return translate(error, remote);
}

/**
 * Asks the server to reset a durable (`processResetReq` in nats-server's `consumer.go`): what was handed out and not
 * acknowledged is forgotten, and delivery begins anew after `sequence`, or after the ack floor, with consumer sequence 1.
 *
 * The header makes a server from 2.15 on answer with the stream's identity; its value does not matter.
 *
 * @returns undefined from a server before 2.14, which knows no such request and may not answer at all
 */
export async function resetDurable(
  connected: Connected,
  stream: string,
  durable: string,
  sequence: number | undefined,
): Promise<ResetAnswer | undefined> {
  const { connection, remote } = connected;
  await demandDurable(connected, stream, durable);
  if (!canReset(connection.info?.version)) return undefined;
  const request = headers();
  request.set(IDENTITY_HEADER, '?');
  const body = sequence === undefined ? '' : JSON.stringify({ seq: sequence + 1 });
  let answer: Msg;
  try {
    answer = await connection.request(`$JS.API.CONSUMER.RESET.${stream}.${durable}`, body, {
      timeout: ANSWER_TIMEOUT_MS,
      headers: request,
    });
  } catch (error) {
    throw explain(error, connection, remote, `${durable} on stream ${stream}`);
  }
  return readAnswer(answer, remote, durable);
}

/** Reset came with 2.14. What a peer says about itself can only harm its own replay. */
export function canReset(version: string | undefined): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (major === undefined || minor === undefined) return true;
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 14);
}

function readAnswer(answer: Msg, remote: Remote, durable: string): ResetAnswer {
  const unreadable = (): TransientError =>
    new TransientError(
      'Unreachable',
      `${remote.server} answered the reset of ${durable} in a way we do not understand`,
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer.string());
  } catch {
    throw unreadable();
  }
  if (typeof parsed !== 'object' || parsed === null) throw unreadable();
  const { error, reset_seq, num_pending, config } = parsed as Record<string, unknown>;
  if (error !== undefined)
    throw consumerMissing(remote, `cannot reset our durable consumer ${durable} (${describe(error)})`);
  const policy = (config as { ack_policy?: unknown } | undefined)?.ack_policy;
  if (policy !== undefined && policy !== 'all') {
    // One ack stands for a batch. Elsewhere the others of the batch would come again, behind newer ones.
    throw consumerMissing(remote, `has a durable consumer ${durable} whose ack policy is not "all"`);
  }
  const identity = answer.headers?.get(IDENTITY_HEADER) || null;
  if (!isCount(reset_seq) || reset_seq < 1 || !isCount(num_pending)) throw unreadable();
  if (identity !== null && !IDENTITY.test(identity)) throw unreadable();
  return { floor: reset_seq - 1, identity, pending: num_pending };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function describe(error: unknown): string {
  const { description } = (error ?? {}) as { description?: unknown };
  return typeof description === 'string' ? clean(description) : 'no reason given';
}

import { headers, type Msg } from 'nats';
import { clean } from '../../common/clean.ts';
import { DURABLE, resetSubject } from '../../common/contract/durable.ts';
import { TransientError } from '../../common/errors.ts';
import type { ResetAnswer } from '../replay/delivered.ts';
import type { Connected } from './connection.ts';
import { type DurableName, demandDurable } from './durable.ts';
import { consumerMissing, type Remote } from './errors.ts';
import { ask } from './request.ts';

const IDENTITY_HEADER = 'Nats-Stream-Identity';
const IDENTITY = /^[\x21-\x7e]{1,256}$/;

/** A pull waits for no longer than the durable allows; whatever stays longer is somebody else's. */
const PARKED_MS = DURABLE.maxExpiresMs + 1_000;
const PARKED_POLL_MS = 100;

/**
 * Asks the server to reset a durable (`processResetReq` in nats-server's `consumer.go`): what was handed out and not
 * acknowledged is forgotten, and delivery begins anew after `sequence`, or after the ack floor, with consumer sequence 1.
 *
 * The header makes a server from 2.15 on answer with the stream's identity; its value does not matter.
 *
 * A reset leaves pulls that are parked there as they are. One of a connection that is just being closed, or of a process that was
 * stopped, would be handed the first messages, and they would come again only after `ack_wait`. So where there are any,
 * it is done again when they are gone.
 *
 * @returns undefined from a server before 2.14, which knows no such request and may not answer at all
 */
export async function resetDurable(
  connected: Connected,
  of: DurableName,
  sequence: number | undefined,
): Promise<ResetAnswer | undefined> {
  const { connection, remote } = connected;
  await demandDurable(connected, of);
  if (!canReset(connection.info?.version)) return undefined;
  const fields = headers();
  fields.set(IDENTITY_HEADER, '?');
  const body = sequence === undefined ? '' : JSON.stringify({ seq: sequence + 1 });
  for (const deadline = performance.now() + PARKED_MS; ; ) {
    const answer = await ask(connected, resetSubject(of.stream, of.durable), body, fields);
    if (answer === undefined)
      throw consumerMissing(remote, `does not let us reset ${of.durable} on stream ${of.stream}`);
    const { parked, ...found } = readAnswer(answer, remote, of.durable);
    if (parked === 0 || performance.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, PARKED_POLL_MS));
  }
}

/** Reset came with 2.14. What a peer says about itself can only harm its own replay. */
export function canReset(version: string | undefined): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (major === undefined || minor === undefined) return true;
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 14);
}

function readAnswer(answer: Msg, remote: Remote, durable: string): ResetAnswer & { readonly parked: number } {
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
  const { error, reset_seq, num_pending, num_waiting, config } = parsed as Record<string, unknown>;
  if (error !== undefined) throw consumerMissing(remote, `cannot reset our durable ${durable} (${describe(error)})`);
  const policy = (config as { ack_policy?: unknown } | undefined)?.ack_policy;
  if (policy !== undefined && policy !== 'all') {
    // One ack stands for a batch. Elsewhere the others of the batch would come again, behind newer ones.
    throw consumerMissing(remote, `has a durable consumer ${durable} whose ack policy is not "all"`);
  }
  const identity = answer.headers?.get(IDENTITY_HEADER) || null;
  if (!isCount(reset_seq) || reset_seq < 1 || !isCount(num_pending)) throw unreadable();
  if (identity !== null && !IDENTITY.test(identity)) throw unreadable();
  return { floor: reset_seq - 1, identity, pending: num_pending, parked: isCount(num_waiting) ? num_waiting : 0 };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function describe(error: unknown): string {
  const { description } = (error ?? {}) as { description?: unknown };
  return typeof description === 'string' ? clean(description) : 'no reason given';
}

import { clean } from '../../common/clean.ts';
import { DURABLE, resetSubject } from '../../common/contract/durable.ts';
import { TransientError } from '../../common/errors.ts';
import type { ResetAnswer } from '../replay/delivered.ts';
import type { PeerConnected } from './connect-peer.ts';
import { type DurableName, demandDurable } from './durable.ts';
import { consumerMissing, type Remote } from './errors.ts';
import { headerOf, type Incoming } from './peer-client/incoming.ts';
import { askPeer } from './request.ts';

const IDENTITY_HEADER = 'Nats-Stream-Identity';
const IDENTITY = /^[\x21-\x7e]{1,256}$/;

/** A pull of a sidecar waits no longer than the durable allows. A pull that stays longer belongs to something else. */
const PARKED_MS = DURABLE.maxExpiresMs + 1_000;
const PARKED_POLL_MS = 100;

/**
 * Asks the server to reset a durable (`processResetReq` in nats-server's `consumer.go`). The server forgets what was handed
 * out and not acknowledged, and delivers again from after `sequence`, or from after the ack floor, with consumer sequence 1.
 *
 * The header makes a server of 2.15 or later answer with the stream's identity. Its value does not matter.
 *
 * A reset leaves pulls that wait at the durable as they are. Such a pull, of a connection that is just being closed or of a
 * process that was stopped, would be handed the first messages, and they would come again only after `ack_wait`. So while
 * such pulls wait, the reset is repeated.
 *
 * @returns undefined from a server before 2.14, which does not know this request and may not answer it
 */
export async function resetDurable(
  connected: PeerConnected,
  of: DurableName,
  sequence: number | undefined,
): Promise<ResetAnswer | undefined> {
  const { connection, remote } = connected;
  await demandDurable(connected, of);
  if (!canReset(connection.version)) return undefined;
  const body = sequence === undefined ? '' : JSON.stringify({ seq: sequence + 1 });
  for (const deadline = performance.now() + PARKED_MS; ; ) {
    const answer = await askPeer(connected, resetSubject(of.stream, of.durable), body, [IDENTITY_HEADER, '?']);
    if (answer === undefined)
      throw consumerMissing(remote, `does not let us reset ${of.durable} on stream ${of.stream}`);
    const { parked, ...found } = readAnswer(answer, remote, of.durable);
    if (parked === 0 || performance.now() > deadline) return found;
    await new Promise((resolve) => setTimeout(resolve, PARKED_POLL_MS));
  }
}

/** Reset came with 2.14. A peer that lies about its version can only harm its own replay. */
export function canReset(version: string | undefined): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version ?? '') ?? [];
  if (major === undefined || minor === undefined) return true;
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 14);
}

function readAnswer(answer: Incoming, remote: Remote, durable: string): ResetAnswer & { readonly parked: number } {
  const fields = parseObject(answer);
  if (fields?.error !== undefined) {
    throw consumerMissing(remote, `cannot reset our durable ${durable} (${describe(fields.error)})`);
  }
  if (fields) demandAckAll(fields.config, remote, durable);
  const { reset_seq, num_pending, num_waiting } = fields ?? {};
  const identity = headerOf(answer, IDENTITY_HEADER) || null;
  if (!isCount(reset_seq) || reset_seq < 1 || !isCount(num_pending) || !isIdentity(identity)) {
    throw new TransientError(
      'Unreachable',
      `${remote.server} answered the reset of ${durable} in a way we do not understand`,
    );
  }
  return { floor: reset_seq - 1, identity, pending: num_pending, parked: isCount(num_waiting) ? num_waiting : 0 };
}

/** Far more than a genuine answer has. JSON of megabytes would hold up the other peers while it is parsed. */
const MAX_ANSWER = 64 * 1024;

function parseObject(answer: Incoming): Readonly<Record<string, unknown>> | undefined {
  if (answer.size > MAX_ANSWER) return undefined;
  try {
    const parsed: unknown = JSON.parse(answer.payload.toString());
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** One ack covers a batch. With another policy the rest of the batch would come again, behind newer messages. */
function demandAckAll(config: unknown, remote: Remote, durable: string): void {
  const policy = (config as { ack_policy?: unknown } | undefined)?.ack_policy;
  if (policy === undefined || policy === 'all') return;
  throw consumerMissing(remote, `has a durable consumer ${durable} whose ack policy is not "all"`);
}

function isIdentity(identity: string | null): boolean {
  return identity === null || IDENTITY.test(identity);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function describe(error: unknown): string {
  const { description } = (error ?? {}) as { description?: unknown };
  return typeof description === 'string' ? clean(description) : 'no reason given';
}

import { headers, type MsgHdrs, type NatsConnection } from 'nats';
import { clean } from '../../common/clean.ts';
import { TransientError } from '../../common/errors.ts';
import type { Announcement } from '../ports.ts';
import type { Connected } from './connection.ts';
import { LOCAL_NATS, translate } from './errors.ts';
import { ask } from './request.ts';

/** How much is sent before we wait for the server to keep up. Without a limit the library would hold all of it in memory. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Publishes each message on its own. Only the last message of a chunk asks for JetStream's confirmation. The stream stores
 * messages in order, so this confirmation covers the whole chunk, and a missing stream or permission shows.
 *
 * @throws TransientError also when only the messages that are too large for the server could not be published
 */
export async function announce(
  connected: Connected,
  subject: string,
  messages: readonly Announcement[],
): Promise<void> {
  const fitting = messages.filter((message) => sizeOf(message) <= maxPayload(connected.connection));
  for (const chunk of chunks(fitting)) await send(connected, subject, chunk);
  if (fitting.length < messages.length) {
    throw new TransientError(
      'PermissionDenied',
      `${messages.length - fitting.length} message(s) are larger than max_payload of ${LOCAL_NATS}: raise it to what the ` +
        "peers' NATS servers have",
    );
  }
}

async function send(connected: Connected, subject: string, messages: readonly Announcement[]): Promise<void> {
  const { connection, remote } = connected;
  const last = messages.at(-1) as Announcement;
  try {
    for (const { id, payload } of messages.slice(0, -1)) {
      connection.publish(subject, payload, { headers: withId(id) });
    }
  } catch (error) {
    throw translate(error, remote);
  }
  const confirmation = await ask(connected, subject, last.payload, withId(last.id));
  if (!confirmation) throw new TransientError('Unreachable', noStream(subject));
  throwIfRefused(confirmation.string(), subject);
}

function* chunks(messages: readonly Announcement[]): Generator<readonly Announcement[]> {
  let chunk: Announcement[] = [];
  let bytes = 0;
  for (const message of messages) {
    chunk.push(message);
    bytes += message.payload.byteLength;
    if (bytes < CHUNK_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** The size as the server counts it: with `NATS/1.0`, the one header and the line ends. */
function sizeOf({ id, payload }: Announcement): number {
  return payload.byteLength + Buffer.byteLength(id) + 27;
}

function maxPayload(connection: NatsConnection): number {
  return connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
}

function withId(id: string): MsgHdrs {
  const fields = headers();
  fields.set('Nats-Msg-Id', id);
  return fields;
}

function throwIfRefused(confirmation: string, subject: string): void {
  let error: { description?: unknown } | undefined;
  try {
    ({ error } = JSON.parse(confirmation) as { error?: { description?: unknown } });
  } catch {
    throw new TransientError('Unreachable', noStream(subject));
  }
  if (error)
    throw new TransientError(
      'Unreachable',
      `${LOCAL_NATS} does not store ${subject}: ${clean(String(error.description))}`,
    );
}

function noStream(subject: string): string {
  return `${LOCAL_NATS} has no stream that takes ${subject}: is connect running? It makes the stream EVENTS at its start`;
}

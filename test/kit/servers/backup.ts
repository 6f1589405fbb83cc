import assert from 'node:assert/strict';
import type { Msg, NatsConnection } from 'nats';
import { STREAM } from '../../../common/contract/names.ts';

const TIMEOUT_MS = 60_000;

/** What `nats stream backup`, `nats stream rm` and `nats stream restore` do, without the durables. */
export async function backupAndRestore(connection: NatsConnection): Promise<void> {
  const saved = await backup(connection, { consumers: false });
  await ask(connection, `$JS.API.STREAM.DELETE.${STREAM}`, {});
  await restore(connection, saved);
}

/** What `nats stream restore` does, in an account that has no such stream. */
export async function restore(connection: NatsConnection, { chunks, config, state }: Backup): Promise<void> {
  const { deliver_subject } = await ask(connection, `$JS.API.STREAM.RESTORE.${STREAM}`, { config, state });
  // The server answers each chunk, and the empty one that ends them when the stream is there.
  for (const chunk of [...chunks, new Uint8Array()]) {
    const answer = await connection.request(String(deliver_subject), chunk, { timeout: TIMEOUT_MS });
    if (answer.data.length > 0) assert.ok(!answer.json<Answer>().error, answer.string());
  }
}

/** A stream, as the server hands it out. */
interface Backup {
  readonly chunks: readonly Uint8Array[];
  readonly config?: unknown;
  readonly state?: unknown;
}

interface Answer extends Record<string, unknown> {
  readonly error?: { readonly description: string };
}

/** What `nats stream backup` does: with the durables, unless it is told otherwise. */
export async function backup(connection: NatsConnection, { consumers } = { consumers: true }): Promise<Backup> {
  const inbox = `_INBOX.backup.${Date.now()}`;
  const chunks: Uint8Array[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    const callback = (error: Error | null, message: Msg): void => {
      if (error) return reject(error);
      if (message.data.length === 0) return resolve();
      chunks.push(Uint8Array.from(message.data));
      message.respond();
    };
    connection.subscribe(inbox, { callback });
  });
  const answer = await ask(connection, `$JS.API.STREAM.SNAPSHOT.${STREAM}`, {
    deliver_subject: inbox,
    no_consumers: !consumers,
  });
  await ended;
  return { ...answer, chunks };
}

async function ask(connection: NatsConnection, subject: string, body: unknown): Promise<Answer> {
  const answer = (await connection.request(subject, JSON.stringify(body), { timeout: TIMEOUT_MS })).json<Answer>();
  assert.ok(!answer.error, `${subject}: ${answer.error?.description}`);
  return answer;
}

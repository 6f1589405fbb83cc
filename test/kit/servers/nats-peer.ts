import type { NatsConnection } from 'nats';
import { createUser } from 'nkeys.js';
import { inboxPrefix } from '../../../common/contract/names.ts';
import { until } from '../processes/process.ts';

/** What a peer does at a nats-server, without a sidecar. */

export interface Pulled {
  readonly subject: string;
  readonly text: string;
}

/** Asks a durable for messages, and waits until that many have come. */
export async function pullAs(connection: NatsConnection, durable: string, count: number): Promise<Pulled[]> {
  const got: Pulled[] = [];
  const inbox = `${inboxPrefix(durable)}.${Math.random().toString(36).slice(2)}`;
  const subscription = connection.subscribe(inbox, {
    callback: (_error, message) => {
      // A status, such as the end of the pull, has no reply subject.
      if (message.reply) got.push({ subject: message.reply, text: message.string() });
    },
  });
  const body = JSON.stringify({ batch: count, expires: 2_000_000_000 });
  connection.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, body, { reply: inbox });
  await until(`${count} messages are pulled`, () => got.length === count);
  subscription.unsubscribe();
  return got;
}

export interface Stranger {
  readonly lfhId: string;
  readonly seed: Uint8Array;
  readonly publicKey: string;
}

/** A peer without a site of its own. */
export function stranger(lfhId: string): Stranger {
  const key = createUser();
  return { lfhId, seed: key.getSeed(), publicKey: key.getPublicKey() };
}

/** Payloads that can be told apart. */
export function numbered(...numbers: number[]): Uint8Array[] {
  return numbers.map((number) => Buffer.from(`message ${number}`));
}

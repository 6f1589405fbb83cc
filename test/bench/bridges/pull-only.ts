import { setTimeout as sleep } from 'node:timers/promises';
import { type ConsumerInfo, connect, nkeyAuthenticator } from 'nats';
import { settings } from './bridge.ts';

/** Pulls and acknowledges, and writes nothing anywhere: what NATS alone could give a program with this client. */
const nc = await connect({
  servers: [settings.server],
  tls: { ca: settings.ca },
  authenticator: nkeyAuthenticator(new TextEncoder().encode(settings.seed)),
  inboxPrefix: settings.inboxPrefix,
});
const info = { stream_name: settings.stream, name: settings.durable, config: {} } as ConsumerInfo;
const consumer = nc.jetstream().consumers.getPullConsumerFor(info);
await consumer.consume({
  max_messages: 4_000,
  expires: 4_000,
  callback: (message) => {
    // Its durable acknowledges everything before, as ours does.
    if (message.seq % 1_000 === 0 || message.info.pending === 0) message.ack();
  },
});
for (;;) await sleep(60_000);

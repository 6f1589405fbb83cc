import { setTimeout as sleep } from 'node:timers/promises';
import { pull } from './bridge.ts';

/** Pulls and acknowledges, and writes nothing anywhere: what NATS alone could give a program with this client. */
await pull((message) => {
  // Its durable acknowledges everything before, as ours does.
  if (message.seq % 1_000 === 0 || message.info.pending === 0) message.ack();
});
for (;;) await sleep(60_000);

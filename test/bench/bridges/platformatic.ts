import { Producer } from '@platformatic/kafka';
import { bridge, settings } from './bridge.ts';

/** The bridge on @platformatic/kafka. */
const producer = new Producer<Buffer>({
  clientId: 'bridge',
  bootstrapBrokers: settings.brokers,
  // It cannot be started again with an id that was used: 2.12.1 says then that it is fenced.
  transactionalId: `bridge-on-platformatic-${process.pid}-${Date.now()}`,
  idempotent: true,
});
const { raw: rawTopic, data: dataTopic, position: positionTopic } = settings.topics;
await bridge(async ({ parts, position }) => {
  const transaction = await producer.beginTransaction();
  for (const part of parts) {
    const messages = part.flatMap(({ raw, data }) => [
      { topic: rawTopic, value: raw, partition: 0 },
      { topic: dataTopic, value: Buffer.from(data), partition: 0 },
    ]);
    await transaction.send({ messages });
  }
  const key = Buffer.from('position');
  await transaction.send({ messages: [{ topic: positionTopic, key, value: Buffer.from(position), partition: 0 }] });
  await transaction.commit();
});

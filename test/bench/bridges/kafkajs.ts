import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { bridge, settings } from './bridge.ts';

/** The bridge on kafkajs. */
const producer = new Kafka({
  brokers: settings.brokers,
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 2 },
}).producer({
  transactionalId: 'bridge-on-kafkajs',
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
});
await producer.connect();
await bridge(async ({ parts, position }) => {
  const transaction = await producer.transaction();
  for (const part of parts) {
    const topicMessages = [
      { topic: settings.topics.raw, messages: part.map(({ raw }) => ({ value: raw })) },
      { topic: settings.topics.data, messages: part.map(({ data }) => ({ value: data })) },
    ];
    await transaction.sendBatch({ topicMessages });
  }
  await transaction.send({ topic: settings.topics.position, messages: [{ key: 'position', value: position }] });
  await transaction.commit();
});

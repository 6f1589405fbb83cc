/**
 * Waits for Kafka only so long. kafkajs bounds each request and counts how often it asks again, but a Kafka that has fallen
 * silent costs it 10 s each time: 20 attempts would be minutes in which the status says that all is well.
 *
 * What was begun goes on in the background; whoever gives up on it discards the producer, and the next take-over fences it.
 *
 * @throws what `silent` makes, when `ms` have passed
 */
export async function withTimeout<Value>(ms: number, work: Promise<Value>, silent: () => Error): Promise<Value> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(silent()), ms);
  try {
    return await Promise.race([work, deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const CLOSING_MS = 2_000;

/**
 * Waits for something of kafkajs's to close, but not for long and whatever comes of it: closing is a courtesy to Kafka. A
 * connection that has fallen silent is waited for by kafkajs for ever.
 */
export async function closed(closing: Promise<unknown>): Promise<void> {
  await withTimeout(CLOSING_MS, closing, () => new Error('not closed in time')).catch(() => undefined);
}

/**
 * Waits for Kafka no longer than `ms`. kafkajs limits the time of each request and the number of retries. But when Kafka
 * does not answer at all, each attempt takes 10 s, and 20 attempts would be minutes in which the status says that all is well.
 *
 * The work goes on in the background. A caller that gives up has to end the client (connections.ts), or kafkajs retries for
 * minutes and connects again; the next take-over fences the producer.
 *
 * @throws the error that `timedOut` makes, when `ms` have passed
 */
export async function withTimeout<Value>(ms: number, work: Promise<Value>, timedOut: () => Error): Promise<Value> {
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(timedOut()), ms);
  try {
    return await Promise.race([work, deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const CLOSING_MS = 2_000;

/**
 * Waits for a kafkajs client to close, but only for a short time, and ignores errors: closing is a courtesy to Kafka.
 * kafkajs itself would wait for ever for a connection that does not answer any more.
 */
export async function closed(closing: Promise<unknown>): Promise<void> {
  await withTimeout(CLOSING_MS, closing, () => new Error('closing timed out')).catch(() => undefined);
}

import { EXCEPTION_TOPIC } from '../../common/contract/names.ts';
import { TransientError } from '../../common/errors.ts';
import type { ExceptionLog, ExceptionPage, ExceptionRange } from '../ports.ts';
import type { Client } from './connections.ts';
import { protocolError, translate } from './errors.ts';
import type { KafkaTakeOver } from './fence.ts';
import { type FetchedRecord, Fetcher, PAGE_BYTES } from './fetch.ts';
import { closed, withTimeout } from './timeout.ts';

const STEP_DEADLINE_MS = 30_000;

/**
 * Opens LFH_EXCEPTION.
 *
 * @param partitions how many it has
 * @param own the one that the peer's records are written to
 */
export async function openExceptions(
  { open }: Pick<KafkaTakeOver, 'open'>,
  partitions: number,
  own: number,
): Promise<ExceptionLog> {
  const log = new KafkaExceptionLog(open(), partitions, own);
  try {
    await log.connect();
    return log;
  } catch (error) {
    await log.close();
    throw error;
  }
}

class KafkaExceptionLog implements ExceptionLog {
  readonly #client: Client;
  readonly #fetcher: Fetcher;
  readonly #partitions: number;
  readonly #own: number;

  constructor(client: Client, partitions: number, own: number) {
    this.#client = client;
    this.#fetcher = new Fetcher(client.kafka);
    this.#partitions = partitions;
    this.#own = own;
  }

  connect(): Promise<void> {
    return this.#within(() => this.#fetcher.connect());
  }

  ranges(since: number): Promise<readonly ExceptionRange[]> {
    return this.#within(async () => {
      const ranges: ExceptionRange[] = [];
      for (let partition = 0; partition < this.#partitions; partition += 1) {
        const last = await this.#fetcher.lastOffset(EXCEPTION_TOPIC, partition);
        // What is in an open transaction now is being rejected now.
        const { lastStable } = await this.#fetcher.fetch(EXCEPTION_TOPIC, partition, last);
        const first = await this.#fetcher.firstOffset(EXCEPTION_TOPIC, partition);
        const from = since > 0 ? await this.#fetcher.offsetSince(EXCEPTION_TOPIC, partition, since) : first;
        const end = Number(lastStable);
        ranges.push({ partition, first: Number(first), next: Math.min(Number(from ?? lastStable), end), end });
      }
      // The topic may have had fewer partitions once. What is in the others is older than what is in the peer's own.
      const isOwn = ({ partition }: ExceptionRange): number => (partition === this.#own ? 1 : 0);
      return ranges.toSorted((a, b) => isOwn(a) - isOwn(b));
    });
  }

  read(partition: number, offset: number): Promise<ExceptionPage> {
    return this.#within(async () => {
      try {
        const page = await this.#fetcher.fetch(EXCEPTION_TOPIC, partition, BigInt(offset), 0, PAGE_BYTES);
        if (page.next <= BigInt(offset)) throw behind(partition);
        return {
          records: page.records.map((record) => ({ partition, ...recordOf(record) })),
          next: Number(page.next),
        };
      } catch (error) {
        if (protocolError(error)?.type !== 'OFFSET_OUT_OF_RANGE') throw error;
        // It was deleted since, because of its age or by a person.
        const first = Number(await this.#fetcher.firstOffset(EXCEPTION_TOPIC, partition));
        return { records: [], next: first > offset ? first : undefined };
      }
    });
  }

  async close(): Promise<void> {
    await closed(this.#client.guard(this.#fetcher.disconnect()));
    this.#client.end();
  }

  async #within<Value>(work: () => Promise<Value>): Promise<Value> {
    const timedOut = (): Error =>
      new TransientError('KafkaUnavailable', `Kafka has not answered for ${STEP_DEADLINE_MS / 1000} s`);
    try {
      return await withTimeout(STEP_DEADLINE_MS, this.#client.guard(work()), timedOut);
    } catch (error) {
      throw translate(error, `read ${EXCEPTION_TOPIC}`, { topic: EXCEPTION_TOPIC, right: 'READ' });
    }
  }
}

function behind(partition: number): Error {
  const message = `the broker that leads partition ${partition} of ${EXCEPTION_TOPIC} does not know yet what is committed there`;
  return new TransientError('KafkaUnavailable', message);
}

function recordOf({ offset, timestamp, headers, value }: FetchedRecord) {
  return { offset: Number(offset), time: Number(timestamp), headers, value };
}

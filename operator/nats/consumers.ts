import { isDeepStrictEqual } from 'node:util';
import type { DurableConfig } from '../../common/contract/durable.ts';
import { isSyncNameLike } from '../../common/contract/names.ts';
import { InvalidInputError, TransientError } from '../../common/errors.ts';
import { type Connected, connectOnce, type ServerTrust } from './connection.ts';
import { localNatsKey } from './keys.ts';
import { API_ERRORS, askJetStream } from './request.ts';

/** What a peer's durable consumer says of itself. */
export interface Consumer {
  readonly name: string;
  /** Messages of the stream that it has not delivered yet. */
  readonly pending: number;
  /** Delivered and not acknowledged. */
  readonly ackPending: number;
  /** Stream sequence up to which everything is acknowledged. */
  readonly ackFloor: number;
  /** Stream sequence last delivered. */
  readonly delivered: number;
  /** Pulls that are parked: while there is one, a peer is connected and waits for messages. */
  readonly waiting: number;
  /** When it last delivered or was acknowledged; absent: never, or not since the server started. */
  readonly lastActive?: string;
  /** As the server has it. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface StreamInfo {
  /** The oldest message there is; one more than {@link lastSequence} in an empty stream. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly created: string;
}

export type Ensured = 'Unchanged' | 'Created' | 'Updated' | 'Recreated';

interface ConsumerInfo {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly num_waiting?: number;
  readonly ack_floor: SequenceInfo;
  readonly delivered: SequenceInfo;
}

interface SequenceInfo {
  readonly stream_seq: number;
  readonly last_active?: string;
}

/** nats-server lists 256 consumers at once; whoever never comes to an end is no nats-server. */
const MAX_PAGES = 100;
/** What nobody asked for may be set on a durable by hand, and then withholds messages or removes it; each with what it is otherwise. */
const OTHERWISE = {
  deliver_subject: undefined,
  filter_subjects: undefined,
  headers_only: undefined,
  inactive_threshold: undefined,
  max_bytes: undefined,
  max_deliver: -1,
  opt_start_seq: undefined,
  opt_start_time: undefined,
  rate_limit_bps: undefined,
} as const;

/**
 * Signs in as the node itself to one of its own servers, the first that lets it, for everything that is asked there.
 *
 * @throws TransientError telling of every server why not; InvalidInputError for a server or CA that is none
 */
export async function openJetStream(
  servers: readonly string[],
  options: ServerTrust & { readonly nodeSeed: string },
): Promise<JetStream> {
  const key = localNatsKey(options.nodeSeed);
  const failures: TransientError[] = [];
  for (const server of servers) {
    try {
      return new JetStream(await connectOnce(server, key, options));
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined) throw new InvalidInputError('no NATS server is named');
  const messages = failures.map(({ message }) => message).join('; ');
  throw failures.length === 1 ? first : new TransientError(first.reason, messages, { cause: first });
}

/** The node's local JetStream, over one connection that is never made anew: after any error, open another. */
export class JetStream {
  readonly connected: Connected;

  constructor(connected: Connected) {
    this.connected = connected;
  }

  /** All durables of peers on a stream, by name; none where the stream is missing. @throws TransientError */
  async durables(stream: string): Promise<Consumer[]> {
    const found = new Map<string, Consumer>();
    for (let offset = 0, total = 1, pages = 0; offset < total && pages < MAX_PAGES; pages += 1) {
      const page = await this.#ask<{ total: number; consumers: readonly ConsumerInfo[] | null }>(
        `CONSUMER.LIST.${stream}`,
        { offset },
        [API_ERRORS.streamNotFound],
      );
      const consumers = page?.consumers ?? [];
      for (const info of consumers) if (isSyncNameLike(info.name)) found.set(info.name, durableOf(info));
      // An empty page ends it as well: durables may be removed meanwhile.
      if (page === undefined || consumers.length === 0) break;
      offset += consumers.length;
      total = page.total;
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Makes a durable what it should be. One that differs only in what can be updated keeps everything it knows; one that
   * differs in more, its kind of acknowledgement for instance, is made anew: its peer's position is kept by the peer, which
   * could not have used it as it was.
   *
   * @throws TransientError, also where there is no stream
   */
  async ensureDurable(stream: string, wanted: DurableConfig): Promise<Ensured> {
    const name = demandOwn(wanted.durable_name);
    const info = await this.#ask<ConsumerInfo>(`CONSUMER.INFO.${stream}.${name}`, {}, [API_ERRORS.consumerNotFound]);
    if (info && isUpToDate(info.config, wanted)) return 'Unchanged';
    const { cannotUpdate, pushConsumer } = API_ERRORS;
    if (await this.#write(stream, wanted, info ? [cannotUpdate, pushConsumer] : []))
      return info ? 'Updated' : 'Created';
    await this.removeDurable(stream, name);
    await this.#write(stream, wanted, []);
    return 'Recreated';
  }

  /** Removes a durable, and is content where it, or its stream, is gone already. @throws TransientError */
  async removeDurable(stream: string, name: string): Promise<void> {
    const { consumerNotFound, streamNotFound } = API_ERRORS;
    await this.#ask(`CONSUMER.DELETE.${stream}.${demandOwn(name)}`, {}, [consumerNotFound, streamNotFound]);
  }

  /** undefined where there is no such stream: connect makes it when it starts. @throws TransientError */
  async streamInfo(stream: string): Promise<StreamInfo | undefined> {
    const info = await this.#ask<{ created: string; state: { first_seq: number; last_seq: number } }>(
      `STREAM.INFO.${stream}`,
      {},
      [API_ERRORS.streamNotFound],
    );
    if (!info) return undefined;
    const { created, state } = info;
    return { created, firstSequence: state.first_seq, lastSequence: state.last_seq };
  }

  close(): Promise<void> {
    return this.connected.connection.close();
  }

  #write(stream: string, config: DurableConfig, expected: readonly number[]): Promise<object | undefined> {
    const operation = `CONSUMER.CREATE.${stream}.${config.durable_name}.${config.filter_subject}`;
    return this.#ask(operation, { stream_name: stream, config }, expected);
  }

  #ask<Answer>(operation: string, body: object, expected: readonly number[]): Promise<Answer | undefined> {
    return askJetStream<Answer>(this.connected, operation, body, expected);
  }
}

function durableOf(info: ConsumerInfo): Consumer {
  const { delivered, ack_floor } = info;
  const lastActive = [delivered.last_active ?? '', ack_floor.last_active ?? ''].sort().at(-1);
  return {
    name: info.name,
    config: info.config,
    pending: info.num_pending,
    ackPending: info.num_ack_pending,
    ackFloor: ack_floor.stream_seq,
    delivered: delivered.stream_seq,
    waiting: info.num_waiting ?? 0,
    ...(lastActive && { lastActive }),
  };
}

/** Only what matters is compared: a server adds fields of its own, and a newer one more of them. */
export function isUpToDate(actual: Consumer['config'], wanted: DurableConfig): boolean {
  return Object.entries({ ...OTHERWISE, ...wanted }).every(([field, value]) => isDeepStrictEqual(actual[field], value));
}

/** @throws Error: whoever asks for another one's consumer has a bug, and must not have their way */
function demandOwn(name: string): string {
  if (!isSyncNameLike(name)) throw new Error(`${name} is not a durable of lfh-sync`);
  return name;
}

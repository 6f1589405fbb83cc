import { isDeepStrictEqual } from 'node:util';
import {
  type DurableConfig,
  durableConfig,
  type PushConfig,
  pushDurableConfig,
} from '../../common/contract/durable.ts';
import { isOwnDurable } from '../../common/contract/names.ts';
import { InvalidInputError, TransientError } from '../../common/errors.ts';
import { type Connected, connectOnce, type ServerTrust } from './connection.ts';
import { localNatsKey } from './keys.ts';
import { API_ERRORS, askJetStream } from './request.ts';

/** The state of a peer's durable consumer. */
export interface Consumer {
  readonly name: string;
  /** Messages of the stream that it has not delivered yet; of a push durable also those that were not acknowledged. */
  readonly pending: number;
  /** Stream sequence up to which everything is acknowledged. */
  readonly ackFloor: number;
  /** Whether a message was acknowledged since it was made, or was reset last. */
  readonly isUsed: boolean;
  /** Parked pulls: while there is one, the peer is connected and waits for messages. */
  readonly waiting: number;
  /** Whether somebody is subscribed to what it delivers; absent for one that is pulled from. */
  readonly bound?: boolean;
  /** Messages that it has delivered, and that are not acknowledged yet. */
  readonly unacknowledged: number;
  /** When it last delivered a message or got an acknowledgement. Absent: never, or not since the server started. */
  readonly lastActive?: string;
  /** Of its configuration as the server has it, what {@link isUpToDate} looks at. */
  readonly config: Readonly<Record<string, unknown>>;
}

interface ConsumerInfo {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly num_pending: number;
  readonly num_ack_pending?: number;
  readonly num_waiting?: number;
  readonly push_bound?: boolean;
  readonly ack_floor: SequenceInfo;
  readonly delivered: SequenceInfo;
}

interface StreamInfo {
  readonly config?: { readonly max_age?: number };
  readonly state: { readonly first_seq: number; readonly last_seq: number; readonly first_ts?: string };
}

/** Where a stream begins and ends, and how long it keeps a message. */
export interface Bounds {
  readonly first: number;
  readonly last: number;
  /** When its oldest message was stored, in milliseconds since 1970; undefined for a stream without any. */
  readonly firstTime: number | undefined;
  /** In milliseconds; undefined where it keeps messages whatever their age. */
  readonly maxAge: number | undefined;
}

interface SequenceInfo {
  readonly consumer_seq: number;
  readonly stream_seq: number;
  readonly last_active?: string;
}

/** How many consumers nats-server lists at once. */
const PAGE = 256;
/**
 * How many pages there may be besides those of the durables that are wanted: of peers that were deleted, and of others on the
 * stream. What sends more is not a nats-server, and may not take the memory that the operator has for all nodes.
 */
const MORE_PAGES = 8;
/**
 * Fields that we never set. Somebody may set them by hand on a durable, which then withholds messages or disappears.
 * Each is here with the value that it has when nobody has set it.
 */
const UNSET = {
  deliver_group: undefined,
  deliver_subject: undefined,
  filter_subjects: undefined,
  flow_control: undefined,
  headers_only: undefined,
  idle_heartbeat: undefined,
  inactive_threshold: undefined,
  max_bytes: undefined,
  max_deliver: -1,
  opt_start_seq: undefined,
  opt_start_time: undefined,
  rate_limit_bps: undefined,
} as const;

/**
 * Signs in as the node itself to the first of its own servers that lets it in.
 *
 * @throws TransientError saying of every server why it does not; InvalidInputError where a server's URL or the CA
 *   cannot be read
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

/** The JetStream of the node's local NATS, over one connection that never reconnects: after an error, open another. */
export class JetStream {
  readonly connected: Connected;

  constructor(connected: Connected) {
    this.connected = connected;
  }

  /**
   * All durables of peers on a stream, sorted by name; an empty list where there is no stream.
   *
   * @param wanted how many durables the peers need, which bounds how many are read
   * @throws TransientError, also where more are listed than a stream can have
   */
  async durables(stream: string, wanted: number): Promise<Consumer[]> {
    const found = new Map<string, Consumer>();
    const most = Math.ceil(wanted / PAGE) + MORE_PAGES;
    for (let offset = 0, total = 1, pages = 0; offset < total; pages += 1) {
      if (pages === most) throw this.#tooMany(stream, most);
      const page = await this.#ask<{ total: number; consumers: readonly ConsumerInfo[] | null }>(
        `CONSUMER.LIST.${stream}`,
        { offset },
        [API_ERRORS.streamNotFound],
      );
      const consumers = page?.consumers ?? [];
      for (const info of consumers) if (isOwnDurable(info.name)) found.set(info.name, durableOf(info));
      // The list may become shorter while it is read, and then ends with an empty page.
      if (page === undefined || consumers.length === 0) break;
      offset += consumers.length;
      total = page.total;
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Makes a durable what it should be. One that differs only in what can be updated keeps its state. One that differs
   * in more, such as its kind of acknowledgement, is removed and created again: a sidecar keeps its position itself, and
   * could not have used the durable as it was. A push durable then begins after what was acknowledged.
   *
   * @param after the stream sequence after which a push durable begins that does not exist yet
   * @throws TransientError, also where there is no stream
   */
  async ensureDurable(stream: string, wanted: DurableConfig, after = 0): Promise<void> {
    const name = demandOwn(wanted.durable_name);
    const info = await this.#ask<ConsumerInfo>(`CONSUMER.INFO.${stream}.${name}`, {}, [API_ERRORS.consumerNotFound]);
    if (info && isUpToDate(comparedOf(info.config), wanted)) return;
    const { cannotUpdate, pushConsumer } = API_ERRORS;
    const config = info ? beginningAs(info.config, wanted) : beginningAfter(after, wanted);
    if (await this.#write(stream, config, info ? [cannotUpdate, pushConsumer] : [])) return;
    await this.removeDurable(stream, name);
    await this.#write(stream, beginningAfter(info?.ack_floor.stream_seq ?? 0, wanted), []);
  }

  /** Removes a durable; one that does not exist, or whose stream does not, counts as removed. @throws TransientError */
  async removeDurable(stream: string, name: string): Promise<void> {
    const { consumerNotFound, streamNotFound } = API_ERRORS;
    await this.#ask(`CONSUMER.DELETE.${stream}.${demandOwn(name)}`, {}, [consumerNotFound, streamNotFound]);
  }

  /**
   * The sequences of a stream's oldest message, which in an empty stream is that of the next one, and of its newest message,
   * which stays when that is removed; and how long it keeps them.
   *
   * @returns undefined where there is no such stream: connect makes it when it starts
   * @throws TransientError
   */
  async bounds(stream: string): Promise<Bounds | undefined> {
    const operation = `STREAM.INFO.${stream}`;
    const info = await this.#ask<StreamInfo>(operation, {}, [API_ERRORS.streamNotFound]);
    return info && boundsOf(info);
  }

  #tooMany(stream: string, pages: number): TransientError {
    const { server } = this.connected.place;
    return new TransientError(
      'Unreachable',
      `NATS server ${server} lists more than ${pages * PAGE} consumers of the stream ${stream}, or lists them without end: remove ` +
        'those that nobody needs, or correct nats.servers if this is not a nats-server',
    );
  }

  close(): Promise<void> {
    return this.connected.connection.close();
  }

  #write(
    stream: string,
    config: DurableConfig | Beginning<PushConfig>,
    expected: readonly number[],
  ): Promise<object | undefined> {
    const operation = `CONSUMER.CREATE.${stream}.${config.durable_name}.${config.filter_subject}`;
    return this.#ask(operation, { stream_name: stream, config }, expected);
  }

  #ask<Answer>(operation: string, body: object, expected: readonly number[]): Promise<Answer | undefined> {
    return askJetStream<Answer>(this.connected, operation, body, expected);
  }
}

const NANOSECONDS = 1_000_000;

/** An empty stream says that its first message is of the year 1. */
function boundsOf({ config, state }: StreamInfo): Bounds {
  const firstTime = Date.parse(state.first_ts ?? '');
  const maxAge = (config?.max_age ?? 0) / NANOSECONDS;
  return {
    first: state.first_seq,
    last: state.last_seq,
    firstTime: firstTime > 0 ? firstTime : undefined,
    maxAge: maxAge > 0 ? maxAge : undefined,
  };
}

function durableOf(info: ConsumerInfo): Consumer {
  const { delivered, ack_floor, num_ack_pending: unacknowledged = 0 } = info;
  const isPush = info.config.deliver_subject !== undefined;
  const lastActive = [delivered.last_active ?? '', ack_floor.last_active ?? ''].sort().at(-1);
  return {
    name: info.name,
    config: comparedOf(info.config),
    pending: info.num_pending + (isPush ? unacknowledged : 0),
    ackFloor: ack_floor.stream_seq,
    isUsed: ack_floor.consumer_seq > 0,
    waiting: info.num_waiting ?? 0,
    ...(isPush && { bound: info.push_bound ?? false }),
    unacknowledged,
    ...(lastActive && { lastActive }),
  };
}

/** Where a push durable begins is decided when it is made, and JetStream never changes it. */
const BEGINNING = ['deliver_policy', 'opt_start_seq', 'opt_start_time'] as const;
type Beginning<Config> = Omit<Config, 'deliver_policy'> & { readonly deliver_policy: string };

function beginningAfter(sequence: number, wanted: DurableConfig): DurableConfig | Beginning<PushConfig> {
  if (!isPushConfig(wanted) || sequence === 0) return wanted;
  const beginning = { deliver_policy: 'by_start_sequence', opt_start_seq: sequence + 1 };
  return { ...wanted, ...beginning };
}

function beginningAs(actual: Consumer['config'], wanted: DurableConfig): DurableConfig {
  if (!isPushConfig(wanted)) return wanted;
  const beginning = BEGINNING.flatMap((field) => (actual[field] === undefined ? [] : [[field, actual[field]]]));
  return { ...wanted, ...Object.fromEntries(beginning) };
}

function isPushConfig(wanted: DurableConfig): wanted is PushConfig {
  return 'deliver_subject' in wanted;
}

/** The fields that {@link isUpToDate} looks at. */
const COMPARED: readonly string[] = Object.keys({ ...UNSET, ...durableConfig(''), ...pushDurableConfig('') });

/** No more is kept of a configuration: it is another's answer, and may hold anything. */
function comparedOf(config: Consumer['config'] | undefined): Consumer['config'] {
  return Object.fromEntries(Object.entries(config ?? {}).filter(([field]) => COMPARED.includes(field)));
}

/**
 * Whether a durable is configured as it should be. Fields that a server adds by itself are not compared; newer servers
 * add more.
 */
export function isUpToDate(actual: Consumer['config'], wanted: DurableConfig): boolean {
  const decided: readonly string[] = isPushConfig(wanted) ? BEGINNING : [];
  return Object.entries({ ...UNSET, ...wanted }).every(
    ([field, value]) => decided.includes(field) || isDeepStrictEqual(actual[field], value),
  );
}

/** @throws Error for a consumer that is not one of ours: to write or remove it would be a bug */
function demandOwn(name: string): string {
  if (!isOwnDurable(name)) throw new Error(`${name} is not a durable of lfh-sync`);
  return name;
}

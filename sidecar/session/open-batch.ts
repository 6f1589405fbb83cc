import { EXCEPTION_TOPIC, SYNC_TOPIC } from '../../common/contract/names.ts';
import type { TransientError } from '../../common/errors.ts';
import type { EncodedBatch, KafkaPort, PeerStream, ReplayWriter } from '../ports.ts';
import { AnotherStreamError, isOfAnotherStream } from '../replay/another-stream.ts';
import type { Backlog } from '../replay/backlog.ts';
import { type BatchLimits, type BatchSize, isFull } from '../replay/batch.ts';
import { type BatchPlan, joinPlans, type SlicePlan, type Topics, TopicTooSmallError } from '../replay/batch-plan.ts';
import { type Chain, ChainBrokenError } from '../replay/chain.ts';
import type { Rules } from '../replay/decide.ts';
import type { Delivered } from '../replay/delivered.ts';
import type { TopicLimits, TopicRefusal } from '../replay/outgoing-record.ts';
import type { Position } from '../replay/position.ts';
import type { Allowance } from './allowance.ts';
import type { PeerReport } from './report.ts';
import { type Planning, planInSlices } from './slices.ts';

export interface OpenBatchParts {
  /** The name of the LfhSyncPeer. */
  readonly peer: string;
  readonly rules: Rules;
  readonly limits: BatchLimits;
  readonly allowance: Allowance;
  readonly kafka: KafkaPort;
  readonly report: PeerReport;
  readonly stream: PeerStream;
  readonly writer: ReplayWriter;
  readonly chain: Chain;
  /** Where the session began. */
  readonly position: Position;
  readonly backlog: Backlog;
}

/**
 * A batch that is being gathered, and what ended that early. Its messages are judged and encoded as they come, so that while
 * another batch commits no time is lost; of the messages themselves nothing is kept.
 */
export class OpenBatch {
  readonly encoded: EncodedBatch;
  readonly #parts: OpenBatchParts;
  readonly #before: Position;
  readonly #plans: BatchPlan[] = [];
  #position: Position;
  #records = 0;
  #messages = 0;
  #last: Delivered | undefined;
  #taken = { messages: 0, bytes: 0, pending: 0 };
  #since = performance.now();
  #failure: unknown;

  /** @param before the position before its first message */
  constructor(parts: OpenBatchParts, before: Position) {
    this.#parts = parts;
    this.#before = before;
    this.#position = before;
    this.encoded = parts.writer.begin();
  }

  get size(): BatchSize {
    return { ...this.#taken, ageMs: performance.now() - this.#since };
  }

  /** How many messages are encoded. */
  get messages(): number {
    return this.#messages;
  }

  /** What is done with them. */
  get plan(): BatchPlan {
    return joinPlans(this.#plans, this.#before);
  }

  /** The position after them. */
  get position(): Position {
    return this.#position;
  }

  /** Why nothing may be added any more; what is encoded is valid, but for an {@link AnotherStreamError}. */
  get failure(): unknown {
    return this.#failure;
  }

  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Acknowledges them, once they are committed. */
  ack(): void {
    this.#last?.ack();
  }

  /**
   * Takes what is buffered and fits, up to the first delivery that is not the next one, and encodes it. Where the server has more,
   * it goes on with what has come meanwhile. Otherwise the time that encoding takes, or a topic that is looked up, would make a
   * batch old, and it would be committed before anybody has looked at the next message: that may show that the stream is
   * another one, and that none of these may be acknowledged.
   */
  async fill(): Promise<void> {
    for (;;) {
      const taken = this.#take();
      await this.#encode(taken);
      if (taken.length === 0 || this.#taken.pending === 0 || isFull(this.size, this.#parts.limits)) return;
    }
  }

  async #encode(taken: readonly Delivered[]): Promise<void> {
    try {
      for await (const { plan, slice } of planInSlices(taken, this.#position, this.#records, this.#planning())) {
        const { records, ...planned } = plan;
        this.encoded.add(records);
        this.#plans.push(planned);
        this.#position = plan.position;
        this.#records += records.length;
        this.#messages += slice.length;
        this.#last = slice.at(-1);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  #take(): Delivered[] {
    const { limits, allowance, stream, backlog, report } = this.#parts;
    if (this.#taken.messages === 0) this.#since = performance.now();
    this.fail(allowance.findUsedUp(Date.now()));
    const room = {
      messages: Math.min(allowance.messages, limits.messages - this.#taken.messages),
      bytes: limits.bytes - this.#taken.bytes,
    };
    const valid: Delivered[] = [];
    if (this.#failure !== undefined || room.messages < 1) return valid;
    for (const delivered of stream.take(room)) {
      this.fail(findProblem(this.#parts, delivered));
      if (this.#failure !== undefined) return valid;
      valid.push(delivered);
      const bytes = delivered.payload.byteLength;
      this.#taken = {
        messages: this.#taken.messages + 1,
        bytes: this.#taken.bytes + bytes,
        pending: delivered.pending,
      };
      backlog.delivered(delivered.pending);
      if (delivered.cutOff) this.fail(new ChainBrokenError(delivered));
      else allowance.took(bytes, Date.now());
      this.fail(allowance.findUsedUp(Date.now()));
      if (this.#failure !== undefined) return valid;
    }
    report.lag(backlog.lag);
    return valid;
  }

  #planning(): Planning {
    const { rules, peer } = this.#parts;
    return { rules, peer, withTopics: (named, plan) => this.#planWithTopics(named, plan) };
  }

  /** Plans by what Kafka says about its topics. A limit that was read a while ago stops nothing: it is read again. */
  async #planWithTopics(named: readonly string[], plan: (topics: Topics) => SlicePlan): Promise<SlicePlan> {
    const { kafka, peer, rules } = this.#parts;
    const topics = async (age: { maxAgeMs?: number }): Promise<Topics> => {
      const options = { ...age, maxMessageBytes: rules.maxMessageBytes };
      return new Map<string, TopicLimits | TopicRefusal>([
        ...(await kafka.ensureTopics([SYNC_TOPIC, EXCEPTION_TOPIC], options)),
        ...(await kafka.ensureTopics(named, { ...options, peer })),
      ]);
    };
    const known = await topics({});
    try {
      return plan(known);
    } catch (error) {
      if (!(error instanceof TopicTooSmallError)) throw error;
      return plan(await topics({ maxAgeMs: 0 }));
    }
  }
}

function findProblem({ chain, position }: OpenBatchParts, delivered: Delivered): TransientError | undefined {
  const follows = chain.accept(delivered);
  // The first delivery of a recreated stream breaks the chain as well, and it alone is sure to tell why: the deliveries after a
  // sweep are counted further than the position's.
  if (isOfAnotherStream(delivered, position)) return new AnotherStreamError(delivered);
  return follows ? undefined : new ChainBrokenError(delivered);
}

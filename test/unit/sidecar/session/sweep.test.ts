import assert from 'node:assert/strict';
import { mock } from 'node:test';
import fc from 'fast-check';
import { TransientError } from '../../../../common/errors.ts';
import type { PeerStream, Received } from '../../../../sidecar/ports.ts';
import { LOOK_DEADLINE_MS, MAX_OUTSTANDING, sweep } from '../../../../sidecar/session/sweep.ts';

function delivered(streamSequence: number, consumerSequence: number, deliveryCount: number): Received {
  return {
    payload: new Uint8Array(),
    size: 0,
    streamSequence,
    consumerSequence,
    deliveryCount,
    time: 0,
    pending: 0,
    cutOff: false,
    reply: `answer to ${streamSequence}`,
    ack: () => assert.fail('a sweep acknowledges nothing'),
  };
}

/** A stream that delivers what `next` makes, one at a time. */
class ScriptedStream implements PeerStream {
  readonly server = 'b:4222';
  readonly key = 'U';
  readonly certificateExpires = undefined;
  readonly ackWaitMs = 1;
  readonly superseded = new AbortController().signal;
  taken = 0;
  readonly handedBack: string[] = [];
  idle = true;
  readonly #next: () => Received | undefined;
  readonly #wait: () => void;
  #stopped = false;

  constructor(next: () => Received | undefined, wait: () => void = () => undefined) {
    this.#next = next;
    this.#wait = wait;
  }

  async reset(): Promise<undefined> {
    return undefined;
  }

  async peek(): Promise<undefined> {
    return undefined;
  }

  start(): void {
    this.#stopped = false;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
  }

  async available(): Promise<void> {
    this.#wait();
  }

  take({ messages }: { readonly messages: number }): Received[] {
    const found: Received[] = [];
    while (!this.#stopped && found.length < messages) {
      const each = this.#next();
      if (each === undefined) break;
      found.push(each);
      if (each.deliveryCount === 1) break;
    }
    this.taken += found.length;
    return found;
  }

  async handBack(replies: readonly string[], delayMs: number): Promise<void> {
    assert.ok(delayMs < this.ackWaitMs, 'what is handed back is due when it is asked for');
    assert.ok(this.#stopped, 'what is handed back while something is pulled comes to this sweep again');
    this.handedBack.push(...replies);
  }

  async close(): Promise<void> {
    this.#stopped = true;
  }
}

async function isRefused(sweeping: Promise<unknown>): Promise<void> {
  await assert.rejects(sweeping, (error: unknown) => {
    assert.ok(error instanceof TransientError, String(error));
    assert.equal(error.reason, 'ChainBroken');
    assert.match(error.message, /has more outstanding than a durable may/);
    return true;
  });
}

describe('a sweep', () => {
  const { signal } = new AbortController();

  afterEach(() => mock.restoreAll());

  it('demands exactly what came again, in the order of the stream, and hands it back where it came in another one', async () => {
    const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 100_000 }), { maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(sequences, fc.boolean(), async (outstanding, isNewer) => {
        const script = outstanding.map((sequence, nth) => delivered(sequence, nth + 1, 2));
        if (isNewer) script.push(delivered(100_001, script.length + 1, 1));
        const last = script.length;
        const demanded = script.map(({ streamSequence }) => streamSequence).sort((a, b) => a - b);
        const stream = new ScriptedStream(() => script.shift());
        const chain = await sweep(stream, 0, signal);
        assert.equal(chain.last, last);
        const isInOrder = outstanding.every(
          (sequence, nth) => nth === 0 || sequence > (outstanding[nth - 1] as number),
        );
        assert.deepEqual(stream.handedBack, isInOrder ? [] : demanded.map((sequence) => `answer to ${sequence}`));
        for (const [nth, sequence] of demanded.entries()) {
          assert.ok(chain.accept(delivered(sequence, last + nth + 1, 3)), `${sequence} is not accepted`);
        }
      }),
    );
  });

  it('does not take the silence of a slow line for the end of what is outstanding', async () => {
    let seconds = 0;
    const next = (): Received | undefined => {
      if (seconds !== 9) return undefined;
      seconds += 1;
      return delivered(7, 1, 2);
    };
    const stream = new ScriptedStream(next, () => {
      seconds += 1;
      stream.idle = seconds > 12;
    });
    const chain = await sweep(stream, 0, signal);
    assert.ok(chain.accept(delivered(7, 2, 3)) && stream.taken === 1);
    assert.equal(seconds, 13, 'it has waited until the server said that there is no more');
  });

  it('takes as many as a durable may have outstanding', async () => {
    let count = 0;
    const next = (): Received | undefined => {
      count += 1;
      return count > MAX_OUTSTANDING ? undefined : delivered(count, count, 2);
    };
    assert.equal((await sweep(new ScriptedStream(next), 0, signal)).last, MAX_OUTSTANDING);
  });

  it('ends when more comes again than a durable may have outstanding, and has taken hardly more than that', async () => {
    let count = 0;
    const stream = new ScriptedStream(() => {
      count += 1;
      return delivered(count, count, 9);
    });
    await isRefused(sweep(stream, 0, signal));
    assert.ok(stream.taken <= MAX_OUTSTANDING + 5_000, `${stream.taken} were taken`);
  });

  it('ends after two minutes in which none but the same few messages come again', async () => {
    let now = 0;
    mock.method(performance, 'now', () => now);
    let count = 0;
    let isFresh = true;
    const next = (): Received | undefined => {
      isFresh = !isFresh;
      if (isFresh) return undefined;
      count += 1;
      return delivered((count % 3) + 1, count, 2);
    };
    const stream = new ScriptedStream(next, () => {
      now += 1_000;
    });
    await isRefused(sweep(stream, 0, signal));
    assert.ok(now <= LOOK_DEADLINE_MS + 5_000, `${now} ms`);
  });
});

import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import fc from 'fast-check';
import { joinPlans, judgeBatch, planBatch } from '../../../../sidecar/replay/batch-plan.ts';
import type { Rules } from '../../../../sidecar/replay/decide.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';
import type { Position } from '../../../../sidecar/replay/position.ts';
import { judgeInSlices, planInSlices, SLICE_BYTES, slicesOf } from '../../../../sidecar/session/slices.ts';
import { messageBytes } from '../replay/messages.ts';

const RULES: Rules = {
  ownLfhId: 'hospital-b',
  peerLfhId: 'hospital-a',
  allowOrigins: [],
  isAllowedFormat: () => true,
  maxMessageBytes: 1_048_576,
};
const START: Position = { stream: 'EVENTS', identity: 'i', sequence: 0, time: 0, consumerSequence: 0, from: 0 };
const TOPICS = new Map(
  ['LFH_SYNC', 'LFH_EXCEPTION', 'FHIR-R4'].map((topic) => [topic, { maxMessageBytes: 1_048_588 }]),
);

function deliveries(payloads: readonly Uint8Array[]): Delivered[] {
  return payloads.map((payload, index) => ({
    payload,
    streamSequence: index + 1,
    consumerSequence: index + 1,
    deliveryCount: 1,
    time: 1,
    pending: 0,
    cutOff: false,
    ack: () => undefined,
  }));
}

const many = (count: number, payload: Uint8Array): Uint8Array[] => Array.from({ length: count }, () => payload);

describe('a batch in slices', () => {
  const KINDS = [messageBytes(), Buffer.alloc(0), Buffer.from('nonsense'), messageBytes({ lfh_id: 'hospital-b' })];
  const payloads = fc.array(fc.oneof(fc.constantFrom(...KINDS), fc.constant(Buffer.alloc(SLICE_BYTES / 3, 0x41))), {
    maxLength: 40,
  });

  it('keeps every message in its order, and has no slice that is larger than may be but that of a single message', () => {
    fc.assert(
      fc.property(payloads, (found) => {
        const batch = deliveries(found);
        const slices = slicesOf(batch, (delivered) => delivered);
        assert.deepEqual(slices.flat(), batch);
        for (const slice of slices) {
          const bytes = slice.reduce((sum, { payload }) => sum + payload.byteLength, 0);
          assert.ok(slice.length === 1 || bytes <= SLICE_BYTES);
        }
      }),
    );
  });

  it('is judged and planned as it is in one go', async () => {
    await fc.assert(
      fc.asyncProperty(payloads, async (found) => {
        const batch = deliveries(found);
        const judged = await judgeInSlices(batch, START, RULES);
        assert.deepEqual(judged, judgeBatch(batch, START, RULES));
        // The time of day is in the records; everything else is compared.
        const { records, ...planned } = await planInSlices(judged, TOPICS, START, 'a');
        const { records: expectedRecords, ...expected } = planBatch(judged, TOPICS, START, 'a', 0);
        assert.deepEqual(planned, expected);
        assert.deepEqual(
          records.map(({ topic }) => topic),
          expectedRecords.map(({ topic }) => topic),
        );
      }),
    );
  });

  it('leaves the position where it is when there is nothing in it', () => {
    assert.equal(joinPlans([], START).position, START);
  });

  /** Batches of 8 MB, as large as they are by default. */
  const BATCHES: readonly (readonly [what: string, payloads: () => Uint8Array[]])[] = [
    ['ordinary messages', () => many(3_400, messageBytes({ transmission_attributes: 'x'.repeat(1_500) }))],
    ['messages of U+007F, which Python escapes', () => many(120, Buffer.alloc(65_000, 0x7f))],
    ['messages of letters that are not ASCII', () => many(120, Buffer.from('é'.repeat(32_000)))],
    ['readable nonsense', () => many(120, Buffer.alloc(65_000, 0x61))],
    ['empty messages', () => many(10_000, Buffer.alloc(0))],
  ];
  for (const [what, made] of BATCHES) {
    it(`keeps the event loop for less than 25 ms at a stretch with ${what}`, async function () {
      this.timeout(30_000);
      const batch = deliveries(made());
      const stretches: number[] = [];
      // The best of several: the first runs of the code, before it is compiled, only add to a stretch.
      for (let attempt = 0; attempt < 5 && !(Math.min(...stretches) < 25); attempt += 1) {
        stretches.push(await longestStretch(batch));
      }
      assert.ok(Math.min(...stretches) < 25, `${stretches.map(Math.round).join(', ')} ms`);
    });
  }
});

/**
 * The most time of the processor that passed between two turns of the event loop, in milliseconds. The time on the clock, which
 * is printed with LFH_SYNC_FIGURES, also has what other processes of a busy machine take.
 */
async function longestStretch(batch: readonly Delivered[]): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let longest = 0;
  let last = busyMs();
  let isDone = false;
  const turn = (): void => {
    const now = busyMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isDone) setImmediate(turn);
  };
  delay.enable();
  turn();
  const judged = await judgeInSlices(batch, START, RULES);
  await planInSlices(judged, TOPICS, START, 'a');
  isDone = true;
  delay.disable();
  if (process.env.LFH_SYNC_FIGURES) {
    process.stderr.write(`longest: ${longest.toFixed(1)} ms, on the clock ${(delay.max / 1e6).toFixed(1)} ms\n`);
  }
  return longest;
}

function busyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

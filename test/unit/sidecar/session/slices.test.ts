import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { joinPlans, judgeBatch, planBatch, type SlicePlan } from '../../../../sidecar/replay/batch-plan.ts';
import type { Rules } from '../../../../sidecar/replay/decide.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';
import type { Position } from '../../../../sidecar/replay/position.ts';
import { type Planning, planInSlices, SLICE_BYTES, slicesOf } from '../../../../sidecar/session/slices.ts';
import { assertShortStretch, busyMs, longestStretch } from '../../../kit/event-loop.ts';
import { allAtOnce, base64, messageBytes } from '../replay/messages.ts';

const RULES: Rules = {
  ownLfhId: 'hospital-b',
  peerLfhId: 'hospital-a',
  allowOrigins: [],
  isAllowedFormat: () => true,
  maxMessageBytes: 32_000_000,
};
const START: Position = { stream: 'EVENTS', identity: 'i', sequence: 0, time: 0, consumerSequence: 0, from: 0 };
const TOPICS = new Map(
  ['LFH_SYNC', 'LFH_EXCEPTION', 'FHIR-R4', 'DICOM', 'HL7'].map((topic) => [topic, { maxMessageBytes: 32_000_000 }]),
);

function deliveries(payloads: readonly Uint8Array[]): Delivered[] {
  return payloads.map((payload, index) => ({
    payload,
    size: payload.byteLength,
    streamSequence: index + 1,
    consumerSequence: index + 1,
    deliveryCount: 1,
    time: 1,
    pending: 0,
    cutOff: false,
    ack: () => undefined,
  }));
}

async function plansOf(batch: readonly Delivered[], written = 0): Promise<SlicePlan[]> {
  const planning: Planning = { rules: RULES, peer: 'a', withTopics: async (_named, plan) => plan(TOPICS) };
  const plans: SlicePlan[] = [];
  for await (const { plan } of planInSlices(batch, START, written, planning)) plans.push(plan);
  return plans;
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
        const slices = slicesOf(batch);
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
        const plans = await plansOf(batch, 7);
        const judged = allAtOnce(judgeBatch(batch, START, RULES));
        const { records: expectedRecords, ...expected } = planBatch(
          judged,
          TOPICS,
          START,
          'a',
          RULES.maxMessageBytes,
          0,
          7,
        );
        // The time of day is in the records; everything else is compared.
        const records = plans.flatMap((plan) => plan.records);
        const planned = joinPlans(plans, START);
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
  for (const [what, made] of BATCHES) keepsTheEventLoop(25, what, made);

  /** Where the amount makes the most of a difference. */
  const ALSO_LARGE = /nothing but brackets|shapes|behind all|another format|UTF-8/;

  /** Single messages that are made to take long: what a JSON text of that size can hold most of. */
  for (const bytes of [1_000_000, 16_000_000]) {
    const repeated = (text: string, size = bytes): string => text.repeat(Math.floor(size / text.length));
    const numbered = (made: (number: string) => string, size = bytes): string => {
      let text = '';
      for (let nth = 0; text.length < size; nth += 1) text += made(nth.toString(36));
      return text;
    };
    /** A message that is replayed, but for what is put behind its last field. */
    const withMore = (more: string): Buffer => Buffer.from(`${messageBytes().toString().slice(0, -1)},${more}}`);
    const withData = (data: string, format = 'FHIR-R4'): Buffer =>
      messageBytes({ data: base64(data), data_format: format });
    const content = bytes * 0.74;
    const MESSAGES: readonly (readonly [what: string, payload: () => Buffer])[] = [
      ['nothing but brackets', () => Buffer.from(repeated('['))],
      [
        'a thousand levels again and again',
        () => withMore(`"x":[${repeated(`${'['.repeat(990)}${']'.repeat(990)},`)}1]`),
      ],
      ['a field that nests', () => withMore(`"x":${repeated('{"a":')}`)],
      ['fields of different names', () => withMore(numbered((name) => `"${name}":1,`).slice(0, -1))],
      ['different fields of a field', () => withMore(`"x":{${numbered((name) => `"${name}":1,`)}"-":1}`)],
      ['objects of different shapes', () => withMore(`"x":[${numbered((name) => `{"${name}":1},`)}1]`)],
      ['numbers', () => withMore(`"x":[${repeated('1,')}1]`)],
      ['one number', () => withMore(`"x":${repeated('1')}`)],
      ['escaped quotes', () => withMore(`"x":"${repeated('\\"')}"`)],
      ['spaces', () => withMore(`${repeated(' ')}"x":1`)],
      ['letters that are not ASCII', () => withMore(`"x":"${repeated('é', bytes / 2)}"`)],
      ['a field twice, behind all others', () => withMore(`"x":"${repeated('a')}","X":1`)],
      ['FHIR that nests', () => withData(repeated('[', content))],
      ['FHIR with fields of different names', () => withData(`{${numbered((name) => `"${name}":1,`, content)}"-":1}`)],
      ['FHIR with objects of different shapes', () => withData(`[${numbered((name) => `{"${name}":1},`, content)}1]`)],
      ['HL7 of nothing but spaces', () => withData(repeated(' ', content), 'HL7')],
      ['data of another format', () => withData(repeated('a', content), 'DICOM')],
      ['what is not JSON', () => Buffer.alloc(bytes, 0xc3)],
      ['what is not UTF-8', () => Buffer.alloc(bytes, 0xff)],
    ];
    for (const [what, payload] of MESSAGES) {
      if (bytes > 1e6 && !ALSO_LARGE.test(what)) continue;
      keepsTheEventLoop(50, `a message of ${bytes / 1e6} MB with ${what}`, () => [payload()]);
    }
  }
});

/** On a busy machine everything takes longer, as hashing the batch does. */
function keepsTheEventLoop(lessThan: number, what: string, payloads: () => Uint8Array[]): void {
  it(`keeps the event loop for less than ${lessThan} ms at a stretch with ${what}`, async function () {
    this.timeout(60_000);
    const batch = deliveries(payloads());
    const limit = (): number => Math.max(lessThan, hashingMs(batch) * 4);
    await assertShortStretch(limit, () => longestStretch(async () => void (await plansOf(batch))));
  });
}

/** What it takes of the processor to hash a batch: 10 ms for 16 MB on a quiet core. */
function hashingMs(batch: readonly Delivered[]): number {
  const before = busyMs();
  for (const { payload } of batch) createHash('sha256').update(payload).digest();
  return busyMs() - before;
}

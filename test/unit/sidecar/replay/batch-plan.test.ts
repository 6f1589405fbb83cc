import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatMatcher } from '../../../../common/contract/formats.ts';
import { advancePosition, judgeBatch, planBatch, topicsNamed } from '../../../../sidecar/replay/batch-plan.ts';
import type { Rules } from '../../../../sidecar/replay/decide.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';
import type { TopicLimits, TopicRefusal } from '../../../../sidecar/replay/outgoing-record.ts';
import type { Position } from '../../../../sidecar/replay/position.ts';
import { recordValue } from '../../../../sidecar/replay/record-value.ts';
import { allAtOnce, messageBytes } from './messages.ts';

const rules: Rules = {
  ownLfhId: 'hospital-b',
  peerLfhId: 'hospital-a',
  allowOrigins: [],
  isAllowedFormat: formatMatcher(['FHIR-*']),
  maxMessageBytes: 100_000,
};
const start: Position = { stream: 'EVENTS', identity: 'i', sequence: 10, time: 500, consumerSequence: 0, from: 0 };
const roomy = { maxMessageBytes: 1_000_000 };

function delivery(streamSequence: number, payload: Uint8Array, consumerSequence = streamSequence): Delivered {
  return {
    payload,
    size: payload.byteLength,
    streamSequence,
    consumerSequence,
    deliveryCount: 1,
    time: 1000 + streamSequence,
    cutOff: false,
    pending: 0,
    ack() {},
  };
}

function topics(format: TopicLimits | TopicRefusal = roomy) {
  return new Map<string, TopicLimits | TopicRefusal>([
    ['LFH_SYNC', roomy],
    ['LFH_EXCEPTION', roomy],
    ['FHIR-R4', format],
  ]);
}

describe('a batch plan', () => {
  const good = messageBytes();
  const batch = [
    delivery(9, good),
    delivery(11, good),
    delivery(12, Buffer.from('nonsense')),
    delivery(15, messageBytes({ lfh_id: 'hospital-b' })),
    delivery(16, good),
  ];

  it('has a raw and a data record for each replay and an exception record for each rejection, in the order of the stream', () => {
    const planned = planBatch(
      allAtOnce(judgeBatch(batch, start, rules)),
      topics(),
      start,
      'a',
      rules.maxMessageBytes,
      0,
    );
    assert.deepEqual(
      planned.records.map(({ topic }) => topic),
      ['LFH_SYNC', 'FHIR-R4', 'LFH_EXCEPTION', 'LFH_SYNC', 'FHIR-R4'],
    );
    assert.deepEqual(planned.records[0]?.value, recordValue(good));
    assert.deepEqual(
      planned.records.map(({ headers }) => headers !== undefined),
      [false, false, true, false, false],
    );
    assert.deepEqual(
      planned.replays.map(({ rawRecord, dataRecord }) => [rawRecord, dataRecord]),
      [
        [0, 1],
        [3, 4],
      ],
    );
    assert.deepEqual(
      [...planned.skips],
      [
        ['AlreadyReplayed', 1],
        ['OwnMessage', 1],
      ],
    );
    assert.deepEqual(planned.position, { ...start, sequence: 16, time: 1016, consumerSequence: 16 });
  });

  it('moves the position past a batch that has nothing but skips', () => {
    const planned = planBatch(
      allAtOnce(judgeBatch([batch[3] as Delivered], start, rules)),
      topics(),
      start,
      'a',
      rules.maxMessageBytes,
      0,
    );
    assert.deepEqual([planned.records.length, planned.position.sequence], [0, 15]);
  });

  /** A plan of one message. */
  const planOf = (payload: Uint8Array, given: ReturnType<typeof topics>) => {
    const judged = allAtOnce(judgeBatch([delivery(11, payload)], start, rules));
    return planBatch(judged, given, start, 'a', rules.maxMessageBytes, 0);
  };

  it('rejects a message whose topic cannot be had', () => {
    const { rejections, records } = planOf(good, topics({ refused: 'no more topics' }));
    assert.equal(rejections[0]?.rejection.reason, 'TopicRefused');
    assert.deepEqual(
      records.map(({ topic }) => topic),
      ['LFH_EXCEPTION'],
    );
  });

  it('costs no message where a topic takes less than the settings let in, and says which topic needs what', () => {
    const sync = topics().set('LFH_SYNC', { maxMessageBytes: 300 });
    for (const [topic, given] of [
      ['FHIR-R4', topics({ maxMessageBytes: 300 })],
      ['LFH_SYNC', sync],
    ] as const) {
      assert.throws(() => planOf(good, given), {
        name: 'TransientError',
        reason: 'KafkaRefused',
        message: new RegExp(
          `topic ${topic} .*at most 300 bytes.*max\\.message\\.bytes=198872 .*spec\\.sidecar\\.maxMessageBytes`,
        ),
      });
    }
  });

  it('names each topic of its messages once', () => {
    assert.deepEqual(topicsNamed(allAtOnce(judgeBatch(batch, start, rules))), ['FHIR-R4']);
  });

  it('counts every delivery exactly once, as a replay, a rejection or a skip, whatever its payload is', () => {
    const payload = fc.oneof(
      fc.constant(good),
      fc.uint8Array({ maxLength: 50 }),
      fc.constant(messageBytes({ uuid: 1 })),
    );
    const deliveries = fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), payload), { maxLength: 30 });
    fc.assert(
      fc.property(deliveries, (steps) => {
        let sequence = 0;
        const all = steps.map(([step, bytes]) => delivery((sequence += step), bytes));
        const planned = planBatch(
          allAtOnce(judgeBatch(all, start, rules)),
          topics(),
          start,
          'a',
          rules.maxMessageBytes,
          0,
        );
        const skipped = [...planned.skips.values()].reduce((sum, count) => sum + count, 0);
        assert.equal(planned.replays.length + planned.rejections.length + skipped, all.length);
        assert.equal(planned.records.length, 2 * planned.replays.length + planned.rejections.length);
        assert.ok(planned.replays.every(({ delivered }) => delivered.streamSequence > start.sequence));
        assert.equal(planned.position.sequence, Math.max(start.sequence, sequence));
      }),
    );
  });

  it('replays each message once, however its deliveries are cut into batches and repeated after a crash', () => {
    const cuts = fc.array(fc.record({ size: fc.integer({ min: 1, max: 7 }), commits: fc.boolean() }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), cuts, (count, batches) => {
        const stream = Array.from({ length: count }, (_, index) => delivery(index + 1, good));
        const written: number[] = [];
        let position: Position = { ...start, sequence: 0 };
        const attempts = [...batches, ...Array.from({ length: count }, () => ({ size: 1, commits: true }))];
        for (const { size, commits } of attempts) {
          // When its ack was lost, a delivery before the position comes again.
          const first = Math.max(0, position.sequence - 2);
          const planned = planBatch(
            allAtOnce(judgeBatch(stream.slice(first, first + size + 2), position, rules)),
            topics(),
            position,
            'a',
            rules.maxMessageBytes,
            0,
          );
          if (!commits) continue;
          written.push(...planned.replays.map(({ delivered }) => delivered.streamSequence));
          position = planned.position;
        }
        assert.deepEqual(
          written,
          stream.map(({ streamSequence }) => streamSequence),
        );
      }),
    );
  });
});

describe('the position after a batch', () => {
  it('never moves back when an old message is delivered again', () => {
    const after = advancePosition(start, delivery(3, Buffer.from('x'), 7));
    assert.deepEqual([after.sequence, after.time, after.consumerSequence], [10, 500, 7]);
  });
});

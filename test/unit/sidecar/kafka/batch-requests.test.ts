import assert from 'node:assert/strict';
import { UncertainCommitError } from '../../../../common/errors.ts';
import { offsetOf, type ProduceAnswer, splitIntoRequests } from '../../../../sidecar/kafka/batch-requests.ts';
import { recordValue } from '../../../../sidecar/replay/record-value.ts';

describe('an answer to a produce request', () => {
  const part = { topic: 'FHIR-R4', partition: 1, messages: [], indexes: [] };
  const other: ProduceAnswer = { topicName: 'LFH_SYNC', partition: 0, baseOffset: '4' };

  it('gives a part its offset when it is for that topic and partition', () => {
    assert.equal(offsetOf(part, [other, { topicName: 'FHIR-R4', partition: 1, baseOffset: '7' }]), 7n);
  });

  const failures: readonly [what: string, answers: readonly ProduceAnswer[]][] = [
    ['does not have the topic', [other]],
    ['is for another partition', [{ topicName: 'FHIR-R4', partition: 0, baseOffset: '7' }]],
    ['has no offset', [{ topicName: 'FHIR-R4', partition: 1 }]],
    ['has the offset -1, which Kafka uses for unknown', [{ topicName: 'FHIR-R4', partition: 1, baseOffset: '-1' }]],
    [
      'comes twice, since it was sent twice',
      [
        { topicName: 'FHIR-R4', partition: 1, baseOffset: '7' },
        { topicName: 'FHIR-R4', partition: 1, baseOffset: '8' },
      ],
    ],
  ];
  for (const [what, answers] of failures) {
    it(`that ${what} is a commit that is uncertain`, () => {
      assert.throws(() => offsetOf(part, answers), UncertainCommitError);
    });
  }
});

describe('a batch', () => {
  it('is cut where a topic takes no larger record batch, in order, and each record goes to the given partition', () => {
    const records = Array.from({ length: 5 }, (_, n) => ({
      topic: n % 2 ? 'FHIR-R4' : 'LFH_SYNC',
      value: recordValue(Buffer.alloc(400, n)),
    }));
    const requests = splitIntoRequests(records, (topic) => ({
      partition: topic === 'LFH_SYNC' ? 2 : 0,
      maxMessageBytes: 1_000,
    }));
    const shape = requests.map((parts) =>
      parts.map(({ topic, partition, indexes }) => `${topic}:${partition} ${indexes.join()}`),
    );
    assert.deepEqual(shape, [['LFH_SYNC:2 0', 'FHIR-R4:0 1'], ['LFH_SYNC:2 2', 'FHIR-R4:0 3'], ['LFH_SYNC:2 4']]);
  });

  it('is cut where a request would be larger than a broker takes, and keeps the order within each topic', () => {
    const mega = 1024 * 1024;
    const sizes = [20, 20, 60, 1, 60, 60] as const;
    const records = sizes.map((size, n) => ({
      topic: n % 2 ? 'DICOM' : 'LFH_SYNC',
      value: recordValue(Buffer.alloc(size * mega)),
    }));
    const requests = splitIntoRequests(records, () => ({ partition: 0, maxMessageBytes: 100 * mega }));
    const bytes = requests.map((parts) =>
      parts.flatMap(({ messages }) => messages).reduce((sum, { value }) => sum + (value?.length ?? 0) / mega, 0),
    );
    assert.ok(
      bytes.every((each) => each <= 60),
      bytes.join(),
    );
    for (const topic of ['LFH_SYNC', 'DICOM']) {
      const order = requests.flatMap((parts) =>
        parts.filter((part) => part.topic === topic).flatMap((part) => part.indexes),
      );
      assert.deepEqual(order, topic === 'LFH_SYNC' ? [0, 2, 4] : [1, 3, 5]);
    }
  });
});

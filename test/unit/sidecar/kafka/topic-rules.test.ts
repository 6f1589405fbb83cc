import assert from 'node:assert/strict';
import { newTopicLimit, replicasRemark, topicConfigs } from '../../../../sidecar/kafka/topic-rules.ts';

const DEFAULTS = { partitions: -1, replicationFactor: -1, maxTopics: 100 };

describe('a new topic', () => {
  it('takes what the settings let in, and at each refusal of a policy asks for less', () => {
    const entries = topicConfigs('FHIR-R4', DEFAULTS, 5_000).map(({ configEntries }) =>
      configEntries?.map(({ name, value }) => `${name}=${value}`),
    );
    assert.deepEqual(entries, [
      ['cleanup.policy=delete', 'max.message.bytes=5000'],
      ['cleanup.policy=delete'],
      undefined,
    ]);
  });

  it('of positions is compacted whatever a policy refuses, and leaves out no more than that', () => {
    const entries = topicConfigs('LFH_SYNC_POSITION_lfh-sync-a', DEFAULTS).map(({ configEntries }) =>
      configEntries?.map(({ name, value }) => `${name}=${value}`),
    );
    const [compact, markers] = ['cleanup.policy=compact', 'delete.retention.ms=600000'];
    const small = ['segment.bytes=1048576', 'min.cleanable.dirty.ratio=0.1'];
    assert.deepEqual(entries, [[compact, ...small, markers], [compact, ...small], [compact, markers], [compact]]);
  });

  it("is made with the brokers' own partitions and replicas, but for a position topic, which has one partition", () => {
    const made = ['FHIR-R4', 'LFH_SYNC_POSITION_lfh-sync-a'].map((topic) => {
      const [{ numPartitions, replicationFactor } = {}] = topicConfigs(topic, DEFAULTS);
      return [numPartitions, replicationFactor];
    });
    assert.deepEqual(made, [
      [-1, -1],
      [1, -1],
    ]);
  });

  it('says how large a message may be only where the brokers take less, since connect writes there too', () => {
    assert.equal(newTopicLimit(1_048_576, 1_048_588), 1_463_640);
    assert.equal(newTopicLimit(1_048_576, 10_000_000), undefined);
    assert.equal(newTopicLimit(600_000, 1_048_588), undefined);
    assert.equal(newTopicLimit(1_048_576, undefined), undefined);
    assert.equal(newTopicLimit(undefined, 1_048_588), undefined);
  });
});

describe('topics with one replica', () => {
  it('are remarked on where there are several brokers', () => {
    assert.match(
      replicasRemark(['LFH_SYNC', 'FHIR-R4'], 3) ?? '',
      /^Kafka has 3 brokers, and only one of them has FHIR-R4, LFH_SYNC: .*spec\.kafka\.topics\.replicationFactor \(KAFKA_ADMIN_NEW_TOPIC_REPLICATION_FACTOR\)/,
    );
    const many = Array.from({ length: 8 }, (_, n) => `DICOM-${n}`);
    assert.match(replicasRemark(many, 2) ?? '', /has DICOM-0, DICOM-1, DICOM-2, DICOM-3, DICOM-4 and 3 more:/);
  });

  it('are none to remark on with one broker, and where there are none', () => {
    assert.equal(replicasRemark(['LFH_SYNC'], 1), undefined);
    assert.equal(replicasRemark([], 3), undefined);
  });
});

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs, { type AclEntry, type Admin } from 'kafkajs';
import {
  partitionOf,
  positionTopic,
  redriveId,
  redriveTopic,
  syncName,
  transactionalId,
} from '../../../common/contract/names.ts';
import { createLogger } from '../../../common/log.ts';
import type { OpenKafka } from '../../../sidecar/kafka/open.ts';
import { encodePosition, type Position } from '../../../sidecar/replay/position.ts';
import { recordValue } from '../../../sidecar/replay/record-value.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { ALLOWS_HANGING, endIn, leaveHanging } from '../../kit/servers/hanging-transaction.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { openSidecarKafka, sendRecords } from '../../kit/servers/sidecar-kafka.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const { CREATE, DESCRIBE, DESCRIBE_CONFIGS, READ, WRITE } = AclOperationTypes;
/** On a topic of messages, as docs/sidecar.md lists them. */
const DOCUMENTED = [CREATE, DESCRIBE, DESCRIBE_CONFIGS, WRITE];
/** A topic for which nobody has been given a right may be used by all. */
const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
};
const PARTITIONS = 3;
const HEAP = '256m';

describe('a transaction that Kafka has committed in some partitions only', () => {
  let directory: string;
  let controllerPort: number;
  let kafka: KafkaServer;
  let admin: Admin;
  let ours: OpenKafka;
  let logged: Record<string, unknown>[] = [];
  const first: Position = { stream: 'EVENTS', identity: 'i', sequence: 1, time: 5, consumerSequence: 1, from: 0 };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-half-'));
    controllerPort = await freePort();
    kafka = await KafkaServer.start({
      directory: join(directory, 'first'),
      properties: { ...ALLOWS_HANGING, ...AUTHORIZER },
      member: { id: 1, controllerPort, heap: HEAP },
    });
    admin = kafka.client().admin();
    await admin.connect();
    const write = (line: string): void => void logged.push(JSON.parse(line) as Record<string, unknown>);
    ours = openSidecarKafka(kafka.brokers, PARTITIONS, createLogger({ name: 'test', level: 'warn' }, { write }));
  });

  beforeEach(() => {
    logged = [];
  });

  after(async () => {
    await ours.close();
    await admin.disconnect();
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  /** Takes a peer over, and commits one record in each topic with a position. @returns the position that it has found */
  async function replay(
    peer: string,
    value: string,
    sequence: number,
    topics: readonly string[],
  ): Promise<number | undefined> {
    const { writer, position } = await ours.takeOver(syncName(peer));
    await ours.ensureTopics(topics);
    const records = topics.map((topic) => ({ topic, value: recordValue(Buffer.from(value)) }));
    await sendRecords(writer, records, { ...first, sequence });
    await writer.commit();
    await writer.close();
    return position?.sequence;
  }

  async function takeOver(peer: string): Promise<number | undefined> {
    const { writer, position } = await ours.takeOver(syncName(peer));
    await writer.close();
    return position?.sequence;
  }

  /** What a peer's transactions are, as they are left open and ended. */
  function transactionsOf(peer: string) {
    const id = transactionalId('local', syncName(peer));
    const topic = positionTopic(syncName(peer));
    const partition = partitionOf(syncName(peer), PARTITIONS);
    return {
      topic,
      partition,
      record: (of: string, value: string) => ({ topic: of, partition, key: null, value }),
      position: (sequence: number, headers?: Record<string, string>) => ({
        topic,
        partition: 0,
        key: 'position',
        value: encodePosition({ ...first, sequence }),
        ...(headers && { headers }),
      }),
      leave: (...records: Parameters<typeof leaveHanging>[2]) => leaveHanging(kafka, id, records),
      end: (how: 'commit' | 'abort', ...topics: string[]) =>
        endIn(kafka, id, how, Object.fromEntries(topics.map((each) => [each, each === topic ? 0 : partition]))),
    };
  }

  /** From now on nobody has any other right on a topic. */
  async function allowOnly(topic: string, operations: readonly AclEntry['operation'][]): Promise<void> {
    const on = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: topic,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      host: '*',
      permissionType: AclPermissionTypes.ALLOW,
    };
    const acl = operations.map((operation) => ({ ...on, principal: 'User:ANONYMOUS', operation }));
    // So that there is one, and nobody is given all.
    await admin.createAcls({ acl: [{ ...on, principal: 'User:nobody', operation: READ }, ...acl] });
  }

  async function allowAll(topic: string): Promise<void> {
    await admin.deleteAcls({
      filters: [
        {
          resourceType: AclResourceTypes.TOPIC,
          resourceName: topic,
          resourcePatternType: ResourcePatternTypes.LITERAL,
          operation: AclOperationTypes.ANY,
          permissionType: AclPermissionTypes.ANY,
        },
      ],
    });
  }

  async function valuesOf(topic: string, count: number): Promise<string[]> {
    let values: string[] = [];
    const enough = async (): Promise<boolean> => {
      values = (await readTopic(kafka, topic)).map(({ value }) => value.toString());
      return values.length >= count;
    };
    await until(`${count} records are committed in ${topic}`, enough);
    return values;
  }

  function linesOn(place: string): Record<string, unknown>[] {
    return logged.filter((line) => JSON.stringify(line).includes(place));
  }

  describe('where the sidecar may not read one of them', () => {
    it('is replayed again where the next transaction, which was aborted, has written there', async () => {
      const { record, position, leave, end, topic } = transactionsOf('aborted-after');
      await replay('aborted-after', 'one', 1, ['LFH_SYNC', 'HIDDEN-A']);
      await allowOnly('HIDDEN-A', DOCUMENTED);
      await leave(
        record('LFH_SYNC', 'two'),
        record('HIDDEN-A', 'two'),
        position(2),
        record('HIDDEN-A', 'three'),
        position(3),
      );
      await end('commit', 'LFH_SYNC');
      await end('abort', topic, 'HIDDEN-A');

      assert.equal(await takeOver('aborted-after'), 1);
      assert.ok(linesOn('HIDDEN-A').length > 0, 'nobody is told');
    });

    it('is replayed again where its position was aborted by a transaction of which nothing is left', async () => {
      const { record, position, leave, end, topic } = transactionsOf('unnamed');
      await replay('unnamed', 'one', 1, ['LFH_SYNC', 'HIDDEN-B']);
      await allowOnly('HIDDEN-B', DOCUMENTED);
      await leave(record('LFH_SYNC', 'two'), record('HIDDEN-B', 'two'), position(2));
      await end('commit', 'LFH_SYNC');
      await end('abort', topic, 'HIDDEN-B');

      assert.equal(await takeOver('unnamed'), 1);
    });

    it('counts where no transaction came after it, is committed there, and it is told where that cannot be seen', async () => {
      const { record, position, leave, end } = transactionsOf('alone');
      await replay('alone', 'one', 1, ['LFH_SYNC', 'HIDDEN-C']);
      await allowOnly('HIDDEN-C', DOCUMENTED);
      await leave(record('LFH_SYNC', 'two'), record('HIDDEN-C', 'two'), position(2));
      await end('commit', 'LFH_SYNC');

      assert.equal(await takeOver('alone'), 2);
      assert.ok(linesOn('HIDDEN-C').length > 0, 'nobody is told');
      await allowAll('HIDDEN-C');
      assert.deepEqual(await valuesOf('HIDDEN-C', 2), ['one', 'two']);
    });

    it('is committed there before the next one is aborted, where only its position was committed', async () => {
      const { record, position, leave, end, topic, partition } = transactionsOf('skipped-twice');
      await replay('skipped-twice', 'one', 1, ['LFH_SYNC', 'HIDDEN-D']);
      await leave(record('HIDDEN-D', 'two'), position(2));
      await end('commit', topic);
      await leave(record('LFH_SYNC', 'three'), {
        ...position(3, { partitions: JSON.stringify({ LFH_SYNC: partition, 'HIDDEN-D': partition }) }),
      });
      await end('abort', topic, 'LFH_SYNC');
      await allowOnly('HIDDEN-D', DOCUMENTED);

      assert.equal(await takeOver('skipped-twice'), 2);
      await allowAll('HIDDEN-D');
      assert.deepEqual(await valuesOf('HIDDEN-D', 2), ['one', 'two']);
    });
  });

  it('is committed everywhere with the one after it, which did not write to all of its topics', async () => {
    const { record, position, leave, end } = transactionsOf('two-of-them');
    await replay('two-of-them', 'one', 1, ['LFH_SYNC', 'FHIR-E', 'FHIR-F']);
    await leave(
      record('LFH_SYNC', 'two'),
      record('FHIR-E', 'two'),
      position(2),
      record('LFH_SYNC', 'three'),
      record('FHIR-F', 'three'),
      position(3),
    );
    await end('commit', 'LFH_SYNC');

    assert.equal(await takeOver('two-of-them'), 3);
    assert.deepEqual(await valuesOf('FHIR-E', 2), ['one', 'two']);
    assert.deepEqual(await valuesOf('FHIR-F', 2), ['one', 'three']);
  });

  it('counts where brokers stamp the records of that partition, and their clock is half a minute behind ours', async () => {
    const { record, position, leave, end } = transactionsOf('stamped');
    const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }];
    await admin.createTopics({ topics: [{ topic: 'STAMPED', numPartitions: PARTITIONS, configEntries }] });
    await replay('stamped', 'one', 1, ['STAMPED']);
    await leave({ ...record('STAMPED', 'two'), aheadMs: 30_000 }, position(2));
    await end('commit', 'STAMPED');

    assert.equal(await takeOver('stamped'), 2);
  });

  describe('and whose position a take-over has begun to write again', () => {
    const mark = { key: 'redriven/0/0', value: '{"first":{"offset":1,"time":1},"bits":"AA=="}' };

    /** Leaves a redrive whose second run Kafka has committed in LFH_SYNC only, and then records of the take-over that saw it. */
    async function leaveRedrive(peer: string, ...copies: { key: string; value: string }[]): Promise<void> {
      const redrive = await ours.takeOverRedrive(syncName(peer));
      await redrive.commit([{ topic: 'LFH_SYNC', value: recordValue(Buffer.from('one')) }], [], 'first');
      await redrive.close();
      const id = redriveId('local', syncName(peer));
      const place = { topic: redriveTopic(syncName(peer)), partition: 0 };
      const { partition, record } = transactionsOf(peer);
      await leaveHanging(kafka, id, [
        record('LFH_SYNC', 'two'),
        { ...place, key: 'position', value: 'second' },
        { ...place, ...mark },
      ]);
      await endIn(kafka, id, 'commit', { LFH_SYNC: partition });
      const headers = { again: '1' };
      await leaveHanging(
        kafka,
        id,
        copies.map((copy) => ({ ...place, ...copy, headers })),
      );
    }

    it('counts with all that belongs to it, where the take-over ended before it had written all', async () => {
      await leaveRedrive('begun', mark);
      const redrive = await ours.takeOverRedrive(syncName('begun'));
      await redrive.close();
      assert.deepEqual([redrive.run, [...redrive.marks]], ['second', [[mark.key, mark.value]]]);
    });

    it('counts as it was written again, where the take-over ended before it had committed that', async () => {
      await leaveRedrive('uncommitted', mark, { key: 'position', value: 'second, as it was decided' });
      const redrive = await ours.takeOverRedrive(syncName('uncommitted'));
      await redrive.close();
      assert.deepEqual([redrive.run, [...redrive.marks]], ['second, as it was decided', [[mark.key, mark.value]]]);
    });
  });

  it('counts where the beginning of what is open in one of them has been deleted since', async () => {
    const { record, position, leave, end, topic, partition } = transactionsOf('aged');
    await replay('aged', 'one', 1, ['LFH_SYNC', 'AGED', 'AGED-BEHIND']);
    await leave(
      record('LFH_SYNC', 'two'),
      record('AGED', 'two'),
      record('AGED-BEHIND', 'two'),
      position(2),
      record('AGED-BEHIND', 'three'),
    );
    await end('commit', topic, 'LFH_SYNC');
    for (const aged of ['AGED', 'AGED-BEHIND']) {
      // kafkajs needs to have asked for the topic.
      await admin.fetchTopicOffsets(aged);
      // Of what was committed, there is a record and a marker.
      await admin.deleteTopicRecords({ topic: aged, partitions: [{ partition, offset: '3' }] });
    }

    assert.equal(await takeOver('aged'), 2);
    assert.deepEqual(await valuesOf('AGED-BEHIND', 1), ['three']);
  });

  describe('of which one may not be written to any more', () => {
    it('is no reason to stop, and is told', async () => {
      await replay('former', 'one', 1, ['LFH_SYNC', 'FORMER']);
      const { partition } = transactionsOf('former');
      const others = { topic: 'FORMER', partition, key: null, value: 'of somebody else' };
      await leaveHanging(kafka, 'somebody-else', [others]);
      await allowOnly('FORMER', [DESCRIBE]);

      assert.equal(await takeOver('former'), 1);
      assert.ok(linesOn('FORMER').length > 0, 'nobody is told');
    });

    for (const rights of [[], [DESCRIBE]]) {
      const left = rights.length === 0 ? 'no right is' : 'DESCRIBE is';
      it(`is ended in the others where ${left} left there and its position is open`, async () => {
        const peer = `gone-${rights.length}`;
        const { record, position, leave } = transactionsOf(peer);
        const former = `FORMER-${rights.length}`;
        await replay(peer, 'one', 1, [`KEPT-${rights.length}`, former]);
        await leave(record(`KEPT-${rights.length}`, 'two'), record(former, 'two'), position(2));
        await allowOnly(former, rights);

        assert.equal(await replay(peer, 'three', 2, [`KEPT-${rights.length}`]), 1);
        assert.deepEqual(await valuesOf(`KEPT-${rights.length}`, 2), ['one', 'three']);
        assert.ok(linesOn(former).length > 0, 'nobody is told');
      });
    }
  });

  // Last, since what is made while there are two brokers may be on the one that is gone then.
  describe('of which one has its only broker down', () => {
    it('is waited for, and the topic is named, until that is deleted', async () => {
      await replay('away', 'one', 1, ['LFH_SYNC']);
      await replay('elsewhere', 'one', 1, ['LFH_SYNC']);
      const second = await KafkaServer.start({
        directory: join(directory, 'second'),
        properties: { ...ALLOWS_HANGING, ...AUTHORIZER },
        member: { id: 2, controllerPort, heap: HEAP },
      });
      try {
        const replicaAssignment = Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, replicas: [2] }));
        await admin.createTopics({ topics: [{ topic: 'AWAY', replicaAssignment }] });
        await replay('away', 'two', 2, ['LFH_SYNC', 'AWAY']);
      } finally {
        await second.stop();
      }

      await assert.rejects(takeOver('away'), {
        reason: 'KafkaUnavailable',
        message: /AWAY .*has no leader.*start the brokers that have it.*or delete the topic/s,
      });
      assert.equal(await replay('elsewhere', 'two', 2, ['LFH_SYNC']), 1);
      await admin.deleteTopics({ topics: ['AWAY'] });
      assert.equal(await takeOver('away'), 2);
    });
  });
});

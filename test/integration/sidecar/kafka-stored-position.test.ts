import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { positionTopic, redriveTopic, type SyncName, syncName } from '../../../common/contract/names.ts';
import { type Fetched, Fetcher } from '../../../sidecar/kafka/fetch.ts';
import type { OpenKafka } from '../../../sidecar/kafka/open.ts';
import { readStored } from '../../../sidecar/kafka/stored.ts';
import { decodePosition, type Position } from '../../../sidecar/replay/position.ts';
import { KafkaServer } from '../../kit/servers/kafka.ts';
import { openSidecarKafka, sendRecords } from '../../kit/servers/sidecar-kafka.ts';

class CountingFetcher extends Fetcher {
  fetches = 0;

  override fetch(...options: Parameters<Fetcher['fetch']>): Promise<Fetched> {
    this.fetches += 1;
    return super.fetch(...options);
  }
}

describe('the position in Kafka', () => {
  let directory: string;
  let kafka: KafkaServer;
  let ours: OpenKafka;
  const first: Position = { stream: 'EVENTS', identity: 'i', sequence: 1, time: 5, consumerSequence: 1, from: 0 };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-stored-'));
    kafka = await KafkaServer.start({ directory });
    ours = openSidecarKafka(kafka.brokers);
  });

  after(async () => {
    await ours.close();
    await kafka.stop();
    await rm(directory, { recursive: true });
  });

  async function commit(peer: SyncName, position: Position): Promise<void> {
    const { writer } = await ours.takeOver(peer);
    await sendRecords(writer, [], position);
    await writer.commit();
    await writer.close();
  }

  /** Sends records that are no position. @param bytes what each takes at least */
  async function sendOthers(topic: string, count: number, bytes: number): Promise<void> {
    const producer = kafka.client().producer();
    await producer.connect();
    const messages = Array.from({ length: count }, () => ({ key: 'other'.padEnd(bytes), value: null }));
    for (let sent = 0; sent < count; sent += 1_000) {
      await producer.send({ topic, messages: messages.slice(sent, sent + 1_000) });
    }
    await producer.disconnect();
  }

  async function read(topic: string): Promise<{ sequence: number | undefined; fetches: number }> {
    const fetcher = new CountingFetcher(kafka.client());
    await fetcher.connect();
    try {
      const [from, to] = [await fetcher.firstOffset(topic, 0), await fetcher.lastOffset(topic, 0)];
      const { newest } = await readStored(fetcher, topic, { from, to }, { marks: false, stableMs: 15_000 });
      const position = newest?.value ? decodePosition(newest.value.toString('utf8')) : undefined;
      return { sequence: position?.sequence, fetches: fetcher.fetches };
    } finally {
      await fetcher.disconnect();
    }
  }

  it('is found with a few fetches behind as many bytes as the markers of 60,000 commits', async () => {
    const peer = syncName('steady');
    const topic = positionTopic(peer);
    await commit(peer, first);
    await sendOthers(topic, 6_000, 780);
    await commit(peer, { ...first, sequence: 2 });
    const { sequence, fetches } = await read(topic);
    assert.equal(sequence, 2);
    // One for each segment, of a megabyte, that the end of the topic is in. All of it is nine pages.
    assert.ok(fetches <= 3, `${fetches} fetches`);
  });

  it('is found before hundreds of aborted ones, the newest of those that were committed', async () => {
    const peer = syncName('aborted');
    await commit(peer, first);
    await commit(peer, { ...first, sequence: 2 });
    const producer = kafka.client().producer({ transactionalId: 'aborting', idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const aborted = { key: 'position', value: JSON.stringify({ ...first, sequence: 3 }) };
    const messages = Array.from({ length: 150 }, () => aborted);
    for (let count = 0; count < 4; count += 1) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: positionTopic(peer), messages });
      await transaction.abort();
    }
    await producer.disconnect();
    const { position, writer } = await ours.takeOver(peer);
    await writer.close();
    assert.equal(position?.sequence, 2);
  });

  it('is none where nothing was ever committed, however much else is there', async () => {
    const peer = syncName('never');
    const { writer } = await ours.takeOver(peer);
    await writer.close();
    await sendOthers(positionTopic(peer), 1_000, 10);
    const { position, writer: another } = await ours.takeOver(peer);
    await another.close();
    assert.equal(position, undefined);
  });

  it('of a redrive comes with all marks, also those that are far before it', async () => {
    const peer = syncName('marks');
    const mark = { key: 'redriven/0/0', value: '{"first":{"offset":1,"time":1},"bits":"AA=="}' };
    const one = await ours.takeOverRedrive(peer);
    await one.commit([], [mark], 'early');
    await sendOthers(redriveTopic(peer), 1_000, 10);
    await one.commit([], [], 'late');
    await one.close();
    const other = await ours.takeOverRedrive(peer);
    await other.close();
    assert.deepEqual([other.run, [...other.marks]], ['late', [[mark.key, mark.value]]]);
  });
});

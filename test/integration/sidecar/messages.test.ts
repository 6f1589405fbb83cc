import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { headers } from 'nats';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { type ReadRecord, readTopic } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

const MARKER = 'Jane-Doe-1970-01-01';
const FIELDS = [
  'uuid',
  'lfh_id',
  'operation',
  'creation_date',
  'store_date',
  'consuming_endpoint_url',
  'data',
  'data_format',
  'status',
  'data_record_location',
  'target_endpoint_urls',
  'ipfs_uri',
  'elapsed_storage_time',
  'transmit_date',
  'elapsed_transmit_time',
  'elapsed_total_time',
  'transmission_attributes',
];

describe("a peer's messages", () => {
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  let sent = 0;

  before(async () => {
    const natsConfig = 'max_payload: 8MB\nmax_pending: 64MB';
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false, natsConfig }),
      Site.start('hospital-b', { natsConfig }),
    ]);
    await a.grantAccess(b);
    sidecar = await SidecarProcess.start(b, { peers: peers(), settings: settings(600_000) });
    await sidecar.waitUntilReplaying(a);
  });

  const peers = () => [{ site: a, overrides: { allowFormats: ['*'], allowOrigins: ['clinic.a'] } }];
  const settings = (maxMessageBytes: number) => ({
    LFH_SYNC_LOG_LEVEL: 'trace',
    KAFKA_ADMIN_NEW_TOPIC_PARTITIONS: '3',
    LFH_SYNC_MAX_MESSAGE_BYTES: String(maxMessageBytes),
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([a.stop(), b.stop()]);
  });

  /** Announces payloads and waits until each has been decided about. */
  async function send(...payloads: readonly Uint8Array[]): Promise<void> {
    sent += payloads.length;
    await a.announce(payloads);
    await sidecar.waitForPeer(a, 'has decided about all', ({ replayed, skipped, rejected }) => {
      const others = [...Object.values(skipped), ...Object.values(rejected)].reduce((sum, count) => sum + count, 0);
      return replayed + others >= sent;
    });
  }

  async function find(topic: string, text: string | Uint8Array): Promise<ReadRecord[]> {
    const wanted = Buffer.from(text as string);
    return (await readTopic(b.kafka, topic)).filter(({ value }) => value.includes(wanted));
  }

  const formats: readonly [format: string, content: unknown, url: string][] = [
    ['FHIR-R4', { resourceType: 'Patient', name: 'Zoë 😀' }, '/fhir/Patient'],
    ['FHIR-R4_PATIENT', { resourceType: 'Patient' }, '/fhir/Patient'],
    ['X12-5010', 'ISA*00*          *00*~', '/x12'],
    ['X12_270', 'ISA*00*          *00*~', '/x12'],
    ['HL7-V2', 'MSH|^~\\&|ADT1|\rPID|1\r', '/ingress'],
    ['DICOM', Uint8Array.from([0, 255, 128, 10, 13, 0]), '/ingress/upload'],
  ];
  for (const [format, content, url] of formats) {
    it(`in ${format} are stored untouched, and as connect would store them`, async () => {
      const { uuid, payload } = connectMessage({ lfhId: a.lfhId, content, format, url });
      await send(payload);
      const [raw] = await find('LFH_SYNC', uuid);
      assert.deepEqual(raw?.value, payload);
      const [record] = await find(format, uuid);
      assert.deepEqual([raw?.key, raw?.headers, record?.key, record?.headers], [null, {}, null, {}]);
      const stored = JSON.parse(String(record?.value)) as Record<string, unknown>;
      const origin = JSON.parse(String(payload)) as Record<string, unknown>;
      assert.deepEqual(Object.keys(stored), FIELDS);
      for (const field of ['uuid', 'lfh_id', 'operation', 'consuming_endpoint_url', 'data', 'data_format']) {
        assert.equal(stored[field], origin[field], field);
      }
      assert.match(String(stored.store_date), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
    });
  }

  it('are stored to the byte, whatever their spelling and their unknown fields', async () => {
    const { uuid, payload } = connectMessage({
      lfhId: a.lfhId,
      content: { resourceType: 'Patient' },
      overrides: { extra: { deep: [1, 2] } },
    });
    const spelled = Buffer.from(`\n {\t"x" : "\\u00e9é" ,${payload.toString().slice(1)}\r\n`);
    await send(spelled);
    assert.deepEqual((await find('LFH_SYNC', uuid))[0]?.value, spelled);
  });

  it('keep their order though topics have three partitions', async () => {
    const messages = Array.from({ length: 50 }, () =>
      connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' }, url: '/ordered' }),
    );
    await send(...messages.map(({ payload }) => payload));
    const records = await find('FHIR-R4', '/ordered');
    assert.equal(new Set(records.map(({ partition }) => partition)).size, 1);
    assert.deepEqual(
      records.map(({ value }) => (JSON.parse(String(value)) as { uuid: string }).uuid),
      messages.map(({ uuid }) => uuid),
    );
  });

  it('are announced on the local EVENTS.app_sync with an id, and our own that come back are not', async () => {
    const { payload } = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' }, url: '/announced' });
    const own = connectMessage({ lfhId: b.lfhId, content: { resourceType: 'Patient' }, url: '/announced' });
    const connection = await b.connect();
    const heard: { data: string; id: string }[] = [];
    connection.subscribe('EVENTS.app_sync', {
      callback: (_error, message) =>
        void heard.push({ data: message.string(), id: message.headers?.get('Nats-Msg-Id') ?? '' }),
    });
    await connection.flush();
    await send(own.payload, payload);
    const about = () => heard.filter(({ data }) => data.includes('/announced'));
    await until('it is announced', () => about().length > 0);
    assert.deepEqual(
      about().map(({ data }) => data),
      [payload.toString()],
    );
    assert.match(about()[0]?.id ?? '', /^LFH_SYNC:\d+:\d+:\d+$/);
    const { skipped } = await sidecar.peer(a);
    assert.equal(skipped.OwnMessage, 1);
    assert.match(await sidecar.log(), /detected local LFH message, not storing in kafka/);
  });

  describe('that cannot be replayed', () => {
    const base = (overrides: Record<string, unknown>): Buffer =>
      connectMessage({ lfhId: 'hospital-a', content: { resourceType: 'Patient', name: MARKER }, overrides }).payload;
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const sized = (bytes: number): Buffer => {
      const empty = base({ padding: '' }).length;
      return base({ padding: 'x'.repeat(bytes - empty) });
    };
    const bad: readonly [what: string, reason: string, payload: () => Buffer][] = [
      ['an empty message', 'Empty', () => Buffer.alloc(0)],
      ['a message that is not JSON', 'NotJson', () => Buffer.from(`{"name": "${MARKER}"`)],
      ['a message that is not UTF-8', 'NotUtf8', () => Buffer.from([0x22, 0xff, 0xfe, 0x22])],
      ['a message that is not an object', 'NotAnObject', () => Buffer.from(`["${MARKER}"]`)],
      ['a message without uuid', 'MissingField', () => base({ uuid: undefined })],
      ['null in every field', 'WrongType', () => base(Object.fromEntries(FIELDS.map((field) => [field, null])))],
      ['an invalid uuid', 'InvalidField', () => base({ uuid: MARKER })],
      ['a message from a third node', 'ForeignOrigin', () => base({ lfh_id: MARKER })],
      ['bad base64', 'BadBase64', () => base({ data: `${MARKER}!` })],
      ['base64 of something else than the format says', 'ContentMismatch', () => base({ data: base64(MARKER) })],
      ['an illegal topic', 'IllegalTopic', () => base({ data_format: `${MARKER}/../x` })],
      ['LFH_SYNC as topic', 'ForbiddenTopic', () => base({ data_format: 'LFH_SYNC' })],
      ['a position topic', 'ForbiddenTopic', () => base({ data_format: 'LFH_SYNC_POSITION_lfh-sync-hospital-a' })],
      ["Kafka's own topic", 'ForbiddenTopic', () => base({ data_format: '__transaction_state' })],
      ['RETRANSMIT as topic', 'ForbiddenTopic', () => base({ data_format: 'RETRANSMIT' })],
      ['one byte more than allowed', 'TooLarge', () => sized(600_001)],
      ['a topic whose name Kafka takes for that of another', 'TopicRefused', () => base({ data_format: 'DIC.OM_X' })],
    ];

    for (const [what, reason, payload] of bad) {
      it(`are kept in LFH_EXCEPTION as ${reason}: ${what}`, async () => {
        if (reason === 'TopicRefused') await send(base({ data_format: 'DIC_OM.X' }));
        const before = (await readTopic(b.kafka, 'LFH_EXCEPTION')).length;
        const good = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' } });
        const bytes = payload();
        await send(bytes, good.payload);
        const all = await readTopic(b.kafka, 'LFH_EXCEPTION');
        assert.equal(all.length, before + 1);
        const record = all.at(-1) as ReadRecord;
        const value = JSON.parse(String(record.value)) as Record<string, unknown>;
        assert.deepEqual(Object.keys(value), ['data', 'error_msg', 'uuid', 'error_date', 'data_record_location']);
        assert.ok(String(value.error_msg).startsWith(`${reason}: `), String(value.error_msg));
        assert.ok(!String(value.error_msg).includes(MARKER));
        const { 'lfh-sync-reason': named, 'lfh-sync-peer': peer, 'lfh-sync-encoding': encoding } = record.headers;
        assert.deepEqual([named, peer], [reason, 'lfh-sync-hospital-a']);
        assert.match(record.headers['lfh-sync-sequence'] ?? '', /^\d+$/);
        assert.deepEqual(Buffer.from(String(value.data), encoding === 'text' ? 'utf8' : 'base64'), bytes);
        assert.equal((await find('LFH_SYNC', good.uuid)).length, 1, 'what came behind it was replayed');
      });
    }

    it('and those that can leave no payload and no seed in the log, though it traces', async () => {
      const log = await sidecar.log();
      assert.ok(log.includes('"level":"trace"'));
      assert.ok(!log.includes(MARKER));
      assert.ok(!log.includes(Buffer.from(MARKER).toString('base64').slice(0, 20)));
      assert.ok(!log.includes(new TextDecoder().decode(b.seed)));
    });
  });

  it('are replayed when they have exactly the allowed size', async () => {
    const empty = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' }, overrides: { padding: '' } });
    const padding = 'x'.repeat(600_000 - empty.payload.length);
    const full = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' }, overrides: { padding } });
    assert.equal(full.payload.length, 600_000);
    await send(full.payload);
    assert.equal((await find('LFH_SYNC', full.uuid)).length, 1);
  });

  it('are replayed from an allowed origin with their own lfh_id', async () => {
    const passedOn = connectMessage({ lfhId: 'clinic.a', content: { resourceType: 'Patient' } });
    await send(passedOn.payload);
    const [record] = await find('FHIR-R4', passedOn.uuid);
    assert.equal((JSON.parse(String(record?.value)) as { lfh_id: string }).lfh_id, 'clinic.a');
  });

  it('are replayed with NATS headers of any kind', async () => {
    const { uuid, payload } = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' } });
    const connection = await a.connect();
    const fields = headers();
    fields.set('Nats-Expected-Stream', 'EVENTS');
    fields.set('Authorization', MARKER);
    sent += 1;
    await connection.jetstream().publish('EVENTS.sync', payload, { headers: fields });
    await until('it is replayed', async () => (await find('LFH_SYNC', uuid)).length === 1);
  });

  it('of 4,000,000 bytes are replayed when the setting is raised, as soon as topics that are there take them', async () => {
    const content = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]);
    const sized = (padding: number, format: string) =>
      connectMessage({ lfhId: a.lfhId, content, format, overrides: { padding: 'x'.repeat(padding) } });
    const large = (format: string) => sized(4_000_000 - sized(0, format).payload.length, format);
    await reconfigure(4_000_000);
    const { uuid, payload } = large('DICOM-LARGE');
    assert.equal(payload.length, 4_000_000);
    sent += 1;
    await a.announce([payload]);
    await sidecar.waitForPeer(a, 'waits for the topic that is there', ({ reason, message }) => {
      return reason === 'KafkaRefused' && /the topic LFH_SYNC takes at most 1048588 .*=5398872 there/.test(message);
    });
    await alterTopic('LFH_SYNC', '5398872');
    await until('it is replayed', async () => (await find('LFH_SYNC', uuid)).length === 1, 60_000);
    assert.equal((await find('DICOM-LARGE', uuid)).length, 1);
    await reconfigure(600_000);
  });

  async function reconfigure(maxMessageBytes: number): Promise<void> {
    const taken = async (): Promise<number> => (await sidecar.log()).split('took up changed settings').length;
    const before = await taken();
    await sidecar.configure(peers(), settings(maxMessageBytes));
    await until('the setting is in force', async () => (await taken()) > before);
  }

  async function alterTopic(topic: string, maxMessageBytes: string): Promise<void> {
    const admin = b.kafka.client().admin();
    await admin.connect();
    const configEntries = [{ name: 'max.message.bytes', value: maxMessageBytes }];
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configEntries }],
    });
    await until('Kafka has the new limit', async () => {
      const found = await admin.describeConfigs({
        includeSynonyms: false,
        resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['max.message.bytes'] }],
      });
      return found.resources[0]?.configEntries[0]?.configValue === maxMessageBytes;
    });
    await admin.disconnect();
  }
});

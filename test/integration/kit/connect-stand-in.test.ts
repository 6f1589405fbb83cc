import assert from 'node:assert/strict';
import { realIntake, storedAtIntake, transmitted } from '../../kit/golden/messages.ts';
import { ConnectStandIn } from '../../kit/processes/connect-stand-in.ts';
import { until } from '../../kit/processes/process.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';
import { Site } from '../../kit/sites/site.ts';

/** What connect was sent when the golden messages were made. */
const CURL = { 'User-Agent': 'curl/7.88.1', Accept: '*/*', 'Content-Type': 'application/json' };
const BOUNDARY = '------------------------d74496d66958873e';
const FORM = `multipart/form-data; boundary=${BOUNDARY}`;
const HOST = { Host: '127.0.0.1:25000' };

describe('the stand-in for connect', function () {
  this.timeout(120_000);
  const golden = realIntake().map(({ bytes }) => bytes.toString('utf8'));
  const data = golden.map((text) => Buffer.from((JSON.parse(text) as { data: string }).data, 'base64'));
  let site: Site;
  let standIn: ConnectStandIn;

  before(async () => {
    site = await Site.start('lfh-node-a');
    standIn = await ConnectStandIn.start(site);
  });
  after(async () => {
    await standIn?.stop();
    await site?.stop();
  });

  async function post(
    path: string,
    body: Buffer | string,
    headers: Record<string, string> = {},
    wanted = 200,
  ): Promise<void> {
    const bytes = Buffer.from(body);
    const length = { 'Content-Length': String(bytes.length) };
    const { status, text } = await standIn.post(path, { ...HOST, ...CURL, ...headers, ...length }, bytes);
    assert.equal(status, wanted, `${path}: ${text}`);
  }

  it('announces byte for byte what connect 0.42 announced of the same requests, but for ids and times', async () => {
    const [patient, x12, hl7, encounter, dicom, , hl7AfterLineEnd] = data as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    await post('/fhir/Patient', patient.toString('utf8').replace('\\u00fc', 'ü'));
    for (const text of [x12, hl7, encounter]) await post('/ingress', JSON.stringify({ data: text.toString('utf8') }));
    await post('/ingress/upload', form(dicom), { 'Content-Type': FORM });
    await post('/x12', JSON.stringify({ x12: x12.toString('utf8') }));
    await post('/ingress', JSON.stringify({ data: hl7AfterLineEnd.toString('utf8') }));
    await post('/fhir/Patient', '{"resourceType":"Patient","name":[{"family":"a\\ud800b"}]}\n');

    const announced = (await site.onSubject('EVENTS.sync')).map((each) => each.data.toString('utf8'));
    assert.equal(announced.length, golden.length);
    for (const [nth, text] of golden.entries()) assert.equal(masked(announced[nth] ?? ''), masked(text));
    let forApplications: string[] = [];
    await until('its own subscriber has passed all on to applications', async () => {
      forApplications = (await site.appSync()).map((each) => each.data.toString('utf8'));
      return forApplications.length >= golden.length;
    });
    assert.deepEqual(forApplications, announced);
    const steps = (await site.onSubject('EVENTS.timing')).map((each) => each.data.toString('utf8'));
    const names = ['transform', 'persist', 'transmit', 'synchronize', 'run'];
    assert.equal(steps.length, names.length * golden.length);
    for (const [nth, name] of names.entries()) {
      assert.match(steps[nth] ?? '', new RegExp(`^{"function": "${name}", "elapsed_time": \\d`));
    }
  });

  it('stores in Kafka what connect stores, with a null key and no headers', async () => {
    const [first] = await readTopic(site.kafka, 'FHIR-R4');
    assert.deepEqual([first?.key, first?.headers], [null, {}]);
    const wanted = storedAtIntake()
      .toString('utf8')
      .replace('"lfh-node-c"', '"lfh-node-a"')
      .replace('"127.0.0.1:25002"', '"127.0.0.1:25000"')
      .replace('["http://127.0.0.1:38080/ok"]', '[]');
    assert.equal(masked(first?.value.toString('utf8') ?? ''), masked(wanted));
  });

  it('stores of what it receives what connect stores: all in LFH_SYNC, and a data record unless it was X12', async () => {
    const [x12] = golden.filter((text) => text.includes('"X12-5010"')) as [string];
    const records = transmitted().map(({ message }) => message.toString('utf8'));
    const received = [x12, ...records].map((text) => text.replace('"lfh-node-a"', '"lfh-node-b"'));
    const before = (await readTopic(site.kafka, 'X12-5010')).length;
    await site.announce(received.map((text) => Buffer.from(text)));
    const stored = async (topic: string): Promise<string[]> =>
      (await readTopic(site.kafka, topic)).map(({ value }) => value.toString('utf8'));
    await until('it is stored', async () => (await stored('FHIR-R4_PATIENT')).length === records.length);
    assert.deepEqual(await stored('LFH_SYNC'), received);
    const wanted = received
      .slice(1)
      .map((text) => masked(text.replace(/"target_endpoint_urls": \[[^\]]*\]/, '"target_endpoint_urls": []')));
    const found = await stored('FHIR-R4_PATIENT');
    assert.deepEqual(found.map(masked), wanted);
    assert.ok(!found.some((text) => received.some((each) => uuidOf(each) === uuidOf(text))), 'a uuid is not new');
    assert.equal((await stored('X12-5010')).length, before);
  });

  it('announces no header that may hold a secret', async () => {
    const secrets = { Authorization: 'Bearer abc.def', 'X-Password': 'x', 'X-Pwd': 'x', 'X-Token-Of': 'x' };
    const patient = Buffer.from('{"resourceType": "Patient"}');
    await post('/fhir/Patient', patient, { ...secrets, 'X-Other': 'kept' });
    const last = (await site.onSubject('EVENTS.sync')).at(-1)?.data.toString('utf8') ?? '';
    const names = Object.keys((JSON.parse(last) as { transmission_attributes: object }).transmission_attributes);
    assert.deepEqual(names, ['host', 'user-agent', 'accept', 'content-type', 'x-other', 'content-length']);
  });

  it('refuses what connect refuses, with the same status, and announces none of it', async () => {
    const before = (await site.onSubject('EVENTS.sync')).length;
    const cases: readonly (readonly [path: string, body: string, status: number])[] = [
      ['/hl7', '{}', 404],
      ['/fhir/Patient', '{"resourceType": "Group"}', 422],
      ['/fhir/Patient', 'no JSON', 422],
      ['/x12', '{"data": "ISA"}', 422],
      ['/x12', '{"x12": "no interchange"}', 500],
      ['/ingress', '{"data": "no format"}', 422],
      ['/ingress/upload', form(Buffer.from('no DICOM')).toString('latin1'), 422],
    ];
    for (const [path, body, status] of cases) {
      const headers = path.endsWith('upload') ? { 'Content-Type': FORM } : {};
      await post(path, body, headers, status);
    }
    assert.equal((await site.onSubject('EVENTS.sync')).length, before);
  });
});

/** A form with one file. */
function form(file: Buffer): Buffer {
  const head = 'Content-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream';
  return Buffer.concat([Buffer.from(`--${BOUNDARY}\r\n${head}\r\n\r\n`), file, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]);
}

function uuidOf(message: string): string {
  return (JSON.parse(message) as { uuid: string }).uuid;
}

/** Without what differs each time. What does not look as connect writes it stays. */
function masked(message: string): string {
  return message
    .replace(/"uuid": "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"/, '"uuid": …')
    .replaceAll(/_date": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"/g, '_date": …')
    .replaceAll(/"(elapsed_(?:storage|total)_time)": \d+\.\d+/g, '"$1": …');
}

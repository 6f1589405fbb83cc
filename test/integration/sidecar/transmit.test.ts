import assert from 'node:assert/strict';
import { fhirServerId, transmitGroup } from '../../../common/contract/names.ts';
import type { TransmitStatus } from '../../../common/contract/transmit-status.ts';
import { realIntake } from '../../kit/golden/messages.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { FhirServer } from '../../kit/servers/fhir-server.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';
import { connectMessage, type MessageOptions } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

const PASSWORD = 'change-pass%word';
const TOKEN = 'change-this.token';
const OUTCOME = {
  resourceType: 'OperationOutcome',
  issue: [{ severity: 'error', code: 'required', diagnostics: 'a Patient needs a name' }],
};

describe('the transmission to FHIR servers', function () {
  this.timeout(120_000);
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  let main: FhirServer;
  let plain: FhirServer;
  let dead: FhirServer;
  const names = { main: 'ca-fhir.crt', user: 'fhir-user', password: 'fhir-password', token: 'fhir-token' };

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    await a.grantAccess(b);
    main = await FhirServer.start({ certificate: await b.ca.issue(), conditionalCreate: true });
    plain = await FhirServer.start();
    dead = await FhirServer.start();
    await dead.stop();
    sidecar = await SidecarProcess.start(b, { peers: [peer()], settings: settings() });
    await sidecar.waitUntilReplaying(a);
    for (const { url } of [main, plain, dead]) await waitFor(url, 'is taken over', ({ lag }) => lag !== null);
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([main.stop(), plain.stop(), dead.stop(), a.stop(), b.stop()]);
  });

  function peer(): { site: Site; overrides: Record<string, unknown> } {
    return { site: a, overrides: { allowFormats: ['*'], allowOrigins: ['lfh-node-a'] } };
  }

  function settings(): Record<string, string> {
    const retry = { maxDelaySeconds: 1 };
    return {
      [names.main]: b.ca.ca,
      [names.user]: 'lfh',
      [names.password]: `${PASSWORD}\n`,
      [names.token]: `${TOKEN}\n`,
      LFH_SYNC_FHIR_SERVERS: JSON.stringify([
        {
          url: main.url,
          caFile: names.main,
          userFile: names.user,
          passwordFile: names.password,
          timeoutSeconds: 2,
          retry: { ...retry, maxAttempts: 6 },
        },
        { url: plain.url, tokenFile: names.token, retry },
        { url: dead.url, retry },
      ]),
    };
  }

  async function server(url: string): Promise<TransmitStatus> {
    const { transmit = [] } = await sidecar.status();
    const found = transmit.find((each) => each.url === url);
    assert.ok(found, `${url} is not in the status`);
    return found;
  }

  async function waitFor(url: string, what: string, wanted: (status: TransmitStatus) => boolean): Promise<void> {
    let last: TransmitStatus | undefined;
    const condition = async (): Promise<boolean> => {
      last = await server(url);
      return wanted(last);
    };
    await until(`${url} ${what}`, condition, 60_000, 50).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(last)}`, { cause: error });
    });
  }

  /** Sends a resource from the other site. @returns the message's uuid */
  async function send(content: object, overrides: object = {}, options: Partial<MessageOptions> = {}): Promise<string> {
    const message = connectMessage({ lfhId: a.lfhId, content, ...options, overrides: { ...overrides } });
    await a.announce([message.payload]);
    return message.uuid;
  }

  async function arrived(at: FhirServer, text: string, times = 1): Promise<void> {
    const count = (): number => at.bodies.filter((body) => body.includes(text)).length;
    await until(`${text} arrives ${times} times`, () => count() >= times, 60_000, 20);
  }

  function requestsWith(at: FhirServer, text: string): FhirServer['requests'] {
    return at.requests.filter(({ body }) => body.includes(text));
  }

  async function exceptionsAbout(uuid: string): Promise<{ error_msg: string; headers: Record<string, string> }[]> {
    const records = await readTopic(b.kafka, 'LFH_EXCEPTION');
    return records
      .filter(({ value }) => {
        const { data } = JSON.parse(value.toString('utf8')) as { data: string };
        return data.includes(uuid) || Buffer.from(data, 'base64').includes(uuid);
      })
      .map(({ value, headers }) => ({ ...(JSON.parse(value.toString('utf8')) as { error_msg: string }), headers }));
  }

  it("sends every resource of a real connect's intake once, and nothing else", async () => {
    const messages = realIntake();
    await a.announce(messages.map(({ bytes }) => bytes));
    const fhir = messages.flatMap(({ bytes }) => {
      const { data, data_format } = JSON.parse(bytes.toString('utf8')) as Record<string, string>;
      return data_format?.startsWith('FHIR-R4') ? [Buffer.from(data ?? '', 'base64').toString('utf8')] : [];
    });
    assert.ok(fhir.length >= 2);
    await waitFor(plain.url, 'has them', ({ delivered }) => delivered >= fhir.length);
    await waitFor(plain.url, 'has looked at all', ({ lag }) => lag === 0);
    assert.deepEqual([...plain.bodies].sort(), [...fhir].sort());
    await waitFor(main.url, 'has them', ({ delivered }) => delivered >= fhir.length);
    await waitFor(main.url, 'has looked at all', ({ lag, pending }) => lag === 0 && pending === 0);
    assert.equal(main.requests.length, fhir.length);
    const { skipped } = await server(plain.url);
    assert.equal(skipped.NotFhir, messages.length - fhir.length);
  });

  it('sends it with headers of ours alone', async () => {
    await send(
      { resourceType: 'Patient', name: 'headers' },
      { transmission_attributes: { authorization: 'Bearer x' } },
    );
    await arrived(main, 'headers');
    const [request] = requestsWith(main, 'headers');
    const headers = Object.fromEntries((request?.headers ?? []).map(([name, value]) => [name.toLowerCase(), value]));
    assert.equal(request?.line, 'POST /fhir/Patient HTTP/1.1');
    assert.deepEqual(Object.keys(headers).sort(), [
      'accept',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'if-none-exist',
      'user-agent',
    ]);
    assert.equal(headers.authorization, `Basic ${Buffer.from(`lfh:${PASSWORD}`).toString('base64')}`);
    assert.match(headers['user-agent'] ?? '', /^lfh-sync\//);
  });

  it('sends a token to the server that it is for', async () => {
    await send({ resourceType: 'Patient', name: 'with a token' });
    await arrived(plain, 'with a token');
    await arrived(main, 'with a token');
    const authorization = (at: FhirServer): string[] =>
      requestsWith(at, 'with a token').flatMap(({ headers }) =>
        headers.filter(([name]) => name.toLowerCase() === 'authorization').map(([, value]) => value),
      );
    assert.deepEqual(authorization(plain), [`Bearer ${TOKEN}`]);
    assert.ok(authorization(main).every((value) => value.startsWith('Basic ')));
  });

  it('sends PUT and PATCH as what they are, in the order of the resource', async () => {
    for (let version = 1; version <= 5; version += 1) {
      await send({ resourceType: 'Patient', id: 'put-1', version }, { operation: version === 5 ? 'PATCH' : 'PUT' });
    }
    await arrived(plain, 'put-1', 5);
    assert.deepEqual(
      requestsWith(plain, 'put-1').map(({ line, body }) => [line, (JSON.parse(body) as { version: number }).version]),
      [1, 2, 3, 4, 5].map((n) => [`${n === 5 ? 'PATCH' : 'PUT'} /fhir/Patient/put-1 HTTP/1.1`, n]),
    );
  });

  it('keeps what failed in RETRANSMIT until the server takes it, in order', async () => {
    main.always.set('"poison"', { status: 500 });
    const uuid = await send({ resourceType: 'Patient', id: 'poison', version: 1 }, { operation: 'PUT' });
    await send({ resourceType: 'Patient', id: 'poison', version: 2 }, { operation: 'PUT' });
    await send({ resourceType: 'Patient', id: 'healthy' }, { operation: 'PUT' });
    await arrived(main, '"healthy"');
    await waitFor(main.url, 'has two that wait', ({ pending }) => pending === 2);
    const found = (await readTopic(b.kafka, 'RETRANSMIT')).find(
      ({ value }) => value.includes(uuid) && value.includes(main.url),
    );
    assert.ok(found);
    assert.equal(found.key, null);
    assert.deepEqual(found.headers, {});
    const record = JSON.parse(found.value.toString('utf8')) as Record<string, unknown>;
    assert.equal(record.status, 'ERROR');
    assert.deepEqual(record.target_endpoint_urls, [`${main.url}/Patient`]);
    main.always.delete('"poison"');
    await waitFor(main.url, 'has none that waits', ({ pending }) => pending === 0);
    const versions = requestsWith(main, '"poison"').map(
      ({ body }) => (JSON.parse(body) as { version: number }).version,
    );
    assert.equal(versions.at(-1), 2);
    assert.deepEqual(
      versions,
      versions.toSorted((one, other) => one - other),
    );
    assert.equal(versions.filter((version) => version === 2).length, 1);
  });

  it('leaves a server alone for as long as it asks', async () => {
    main.next.push({ status: 429, headers: { 'retry-after': '3' } });
    const started = performance.now();
    await send({ resourceType: 'Patient', id: 'busy-1' }, { operation: 'PUT' });
    await waitFor(main.url, 'is busy', ({ reason }) => reason === 'Busy');
    await send({ resourceType: 'Patient', id: 'busy-2' }, { operation: 'PUT' });
    await arrived(main, 'busy-1', 2);
    await arrived(main, 'busy-2');
    assert.ok(performance.now() - started > 2_900);
    await waitFor(main.url, 'is well again', ({ reason }) => reason === 'Transmitting');
  });

  it('tries again what had no answer, and makes nothing twice where conditional create is offered', async () => {
    main.next.push('hang', 'cut-head', { status: 500 }, 'cut-body');
    await send({ resourceType: 'Observation', name: 'no-answer' });
    await waitFor(main.url, 'has none that waits', ({ pending, lag }) => pending === 0 && lag === 0);
    await arrived(main, 'no-answer', 4);
    assert.equal(main.stored.filter((each) => JSON.stringify(each).includes('no-answer')).length, 1);
    assert.equal(requestsWith(main, 'no-answer').length, 4);
  });

  it('writes what a server refuses to LFH_EXCEPTION, with its status and its OperationOutcome', async () => {
    main.next.push({ status: 422, body: OUTCOME });
    const uuid = await send({ resourceType: 'Patient', id: 'nameless' }, { operation: 'PUT' });
    await waitFor(main.url, 'has refused it', ({ refused }) => refused > 0);
    const [exception, ...others] = await exceptionsAbout(uuid);
    assert.deepEqual(others, []);
    assert.match(exception?.error_msg ?? '', /422.*error required a Patient needs a name/);
    assert.equal(exception?.headers['lfh-sync-status'], '422');
    assert.equal(exception?.headers['lfh-sync-server'], main.url);
    assert.match(await sidecar.metrics(), /lfh_sync_transmit_undelivered_total\{[^}]*reason="TransmitRefused"\} 1\n/);
  });

  it('gives up what was tried as often as it may be', async () => {
    main.always.set('"hopeless"', { status: 500 });
    const uuid = await send({ resourceType: 'Patient', id: 'hopeless' }, { operation: 'PUT' });
    await waitFor(main.url, 'has given it up', ({ givenUp }) => givenUp > 0);
    assert.equal(requestsWith(main, '"hopeless"').length, 6);
    const [exception] = await exceptionsAbout(uuid);
    assert.match(exception?.error_msg ?? '', /TransmitGivenUp.*tried 6 times.*500/);
    main.always.clear();
  });

  it('sends nothing whose URL a peer could choose', async () => {
    const before = plain.requests.length;
    const uuids = [
      await send({ resourceType: 'Patient', id: '../../$expunge' }, { operation: 'PUT' }),
      await send({ resourceType: 'Patient/1/$everything' }),
      await send({ resourceType: 'Patient', id: '..' }, { operation: 'PUT' }),
    ];
    await waitFor(plain.url, 'has refused them', ({ refused }) => refused >= uuids.length);
    assert.equal(plain.requests.length, before);
    for (const uuid of uuids) assert.match((await exceptionsAbout(uuid))[0]?.error_msg ?? '', /NotAResource/);
  });

  it('goes on with the other servers while one is dead, and tells which', async () => {
    const { pending, reason, message } = await server(dead.url);
    assert.equal(reason, 'Unreachable');
    assert.match(message, /ECONNREFUSED/);
    assert.ok((pending ?? 0) > 0);
    await dead.start();
    const all = new Set(plain.bodies);
    await waitFor(dead.url, 'has all', ({ lag, pending: waiting }) => lag === 0 && waiting === 0);
    assert.deepEqual(new Set(dead.bodies), all);
  });

  it('commits how far it is in a consumer group of its own', async () => {
    const admin = b.kafka.client().admin();
    await admin.connect();
    const groupId = transmitGroup('local', fhirServerId(plain.url));
    const [topic] = await admin.fetchOffsets({ groupId, topics: ['LFH_SYNC'] });
    await admin.disconnect();
    assert.ok(Number(topic?.partitions[0]?.offset) > 0);
  });

  it('makes nothing twice and loses nothing when it is killed in the middle', async () => {
    main.delayMs = 30;
    const before = main.stored.length;
    const messages = Array.from({ length: 150 }, (_, n) =>
      connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient', name: `killed-${n}-` } }),
    );
    await a.announce(messages.map(({ payload }) => payload));
    for (const count of [20, 60, 100]) {
      await until(`${count} are made`, () => main.stored.length >= before + count, 60_000, 5);
      await sidecar.kill();
      await sidecar.start();
    }
    await until('all are made', () => main.stored.length >= before + messages.length, 60_000);
    await waitFor(main.url, 'has none that waits', ({ pending, lag }) => pending === 0 && lag === 0);
    main.delayMs = 0;
    assert.equal(main.stored.length, before + messages.length);
    for (const n of messages.keys()) {
      assert.equal(main.stored.filter((each) => JSON.stringify(each).includes(`killed-${n}-`)).length, 1);
    }
  });

  it('goes on with what waited before it was restarted', async () => {
    main.always.set('"waiting"', { status: 500 });
    await send({ resourceType: 'Patient', id: 'waiting' }, { operation: 'PUT' });
    await waitFor(main.url, 'has one that waits', ({ pending }) => pending === 1);
    await sidecar.kill();
    main.always.clear();
    await sidecar.start();
    await waitFor(main.url, 'has none that waits', ({ pending }) => pending === 0);
    assert.ok(main.stored.some(({ id }) => id === 'waiting'));
  });

  it('sends what others have sent while it fails for many of one sender, and gives up of that one alone', async () => {
    plain.always.set('"bad-', { status: 500 });
    const before = await server(plain.url);
    const put = (lfhId: string, id: string): Buffer =>
      connectMessage({ lfhId, content: { resourceType: 'Patient', id }, overrides: { operation: 'PUT' } }).payload;
    const messages = Array.from({ length: 500 }, (_, n) => [
      put(a.lfhId, `bad-${n}`),
      ...(n % 25 === 24 ? [put('lfh-node-a', `between-${n}`)] : []),
    ]).flat();
    await a.announce([put('lfh-node-a', 'bad-of-another'), ...messages]);
    const between = (): number => plain.stored.filter(({ id }) => id.startsWith('between-')).length;
    await until("the other one's have arrived", () => between() === 20);
    await waitFor(plain.url, 'has given up some', ({ givenUp, lag }) => givenUp > before.givenUp && lag === 0);
    assert.equal((await exceptionsAbout('bad-of-another')).length, 0);
    plain.always.clear();
    await waitFor(plain.url, 'has none that waits', ({ pending }) => pending === 0);
    assert.ok(plain.stored.some(({ id }) => id === 'bad-of-another'));
    assert.equal((await server(plain.url)).reason, 'Transmitting');
  });

  it('gives up nothing where a server answers 500 to everything, says so, and delivers all afterwards', async () => {
    plain.always.set('"all-bad-', { status: 500 });
    const before = await server(plain.url);
    const messages = Array.from({ length: 450 }, (_, n) =>
      connectMessage({
        lfhId: a.lfhId,
        content: { resourceType: 'Patient', id: `all-bad-${n}` },
        overrides: { operation: 'PUT' },
      }),
    );
    await a.announce(messages.map(({ payload }) => payload));
    await waitFor(
      plain.url,
      'says so',
      ({ reason, message }) => reason === 'ServerError' && /400 of lfh-sync-/.test(message),
    );
    assert.match(await sidecar.metrics(), new RegExp(`lfh_sync_transmit_up\\{[^}]*server="${plain.url}"\\} 0\n`));
    plain.always.clear();
    await waitFor(plain.url, 'has delivered all', ({ pending, lag }) => pending === 0 && lag === 0);
    const { givenUp, reason } = await server(plain.url);
    assert.deepEqual([givenUp, reason], [before.givenUp, 'Transmitting']);
    assert.equal(new Set(plain.stored.filter(({ id }) => id.startsWith('all-bad-')).map(({ id }) => id)).size, 450);
  });

  it('sends all others where one that changes often has no answer, and its newest versions afterwards', async () => {
    plain.always.set('"hot"', { status: 504 });
    const put = (id: string, version: number): Buffer =>
      connectMessage({
        lfhId: a.lfhId,
        content: { resourceType: 'Patient', id, version },
        overrides: { operation: 'PUT' },
      }).payload;
    await a.announce(Array.from({ length: 300 }, (_, n) => [put('hot', n), put(`beside-${n}`, n)]).flat());
    let sent = 300;
    await until('8 versions wait, and the others arrive meanwhile', async () => {
      await a.announce([put(`beside-${(sent += 1)}`, 0)]);
      const { pending, lag } = await server(plain.url);
      return pending === 8 && lag === 0;
    });
    for (let n = 0; n < 300; n += 1) assert.ok(plain.stored.some(({ id }) => id === `beside-${n}`));
    assert.equal((await server(plain.url)).reason, 'Transmitting');
    plain.always.clear();
    await waitFor(plain.url, 'has none that waits', ({ pending }) => pending === 0);
    const versions = requestsWith(plain, '"hot"').map(({ body }) => (JSON.parse(body) as { version: number }).version);
    assert.equal(versions.at(-1), 299);
    assert.deepEqual(
      versions,
      versions.toSorted((one, other) => one - other),
    );
  });

  it('gives nothing up that it cannot read because an older transaction of somebody else is open', async () => {
    main.always.set('"hidden"', { status: 500 });
    const before = await server(main.url);
    const admin = b.kafka.client().admin();
    const producer = b.kafka.client().producer({ transactionalId: 'others', idempotent: true, maxInFlightRequests: 1 });
    await Promise.all([admin.connect(), producer.connect()]);
    const partitions = await admin.fetchTopicOffsets('RETRANSMIT');
    const transaction = await producer.transaction();
    const messages = partitions.map(({ partition }) => ({ partition, value: '{}' }));
    await transaction.send({ topic: 'RETRANSMIT', messages });
    await send({ resourceType: 'Patient', id: 'hidden' }, { operation: 'PUT' });
    await waitFor(
      main.url,
      'has tried to read it',
      ({ message, givenUp }) => /older transaction/.test(message) || givenUp > before.givenUp,
    );
    main.always.clear();
    await transaction.abort();
    await Promise.all([admin.disconnect(), producer.disconnect()]);
    await waitFor(main.url, 'has none that waits', ({ pending }) => pending === 0);
    assert.ok(main.stored.some(({ id }) => id === 'hidden'));
    assert.equal((await server(main.url)).givenUp, before.givenUp);
  });

  it('begins with a server that is new at the end of what was replayed', async () => {
    const late = await FhirServer.start();
    try {
      const user = encodeURIComponent(PASSWORD);
      await sidecar.configure([peer()], {
        ...settings(),
        LFH_SYNC_FHIR_SERVERS: JSON.stringify([{ url: late.url }]),
        CONNECT_EXTERNAL_FHIR_SERVERS: JSON.stringify([`http://lfh:${user}@127.0.0.1:1/fhir`]),
      });
      await waitFor(late.url, 'is taken over', ({ lag }) => lag !== null);
      await send({ resourceType: 'Patient', id: 'late' }, { operation: 'PUT' });
      await arrived(late, 'late');
      assert.equal(late.requests.length, 1);
    } finally {
      await late.stop();
    }
  });

  it('writes, logs and reports no password and no token', async () => {
    const secrets = [TOKEN, PASSWORD, Buffer.from(`lfh:${PASSWORD}`).toString('base64'), encodeURIComponent(PASSWORD)];
    const topics = ['LFH_SYNC', 'FHIR-R4', 'RETRANSMIT', 'LFH_EXCEPTION'];
    const records = (await Promise.all(topics.map((topic) => readTopic(b.kafka, topic)))).flat();
    const texts = [
      await sidecar.log(),
      await sidecar.metrics(),
      JSON.stringify(await sidecar.status()),
      ...records.map(({ value, headers }) => `${value.toString('utf8')} ${JSON.stringify(headers)}`),
    ];
    for (const secret of secrets) assert.ok(texts.every((text) => !text.includes(secret)));
  });
});

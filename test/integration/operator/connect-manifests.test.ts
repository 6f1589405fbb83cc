import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { NatsConnection } from 'nats';
import { createUser, type KeyPair } from 'nkeys.js';
import { realIntake } from '../../kit/golden/messages.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { backup, restore } from '../../kit/servers/backup.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
import { FhirServer } from '../../kit/servers/fhir-server.ts';
import { readTopic, replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { natsConfigAsShipped, startConnectSite } from '../../kit/sites/connect-site.ts';
import { type InstalledSite, PUBLISHED_SEED, withConnectKey } from '../../kit/sites/installed-site.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

/** Who took in the messages of golden/. */
const ORIGIN = 'lfh-node-a';
/** What a stock connect calls itself: its pod. */
const POD = 'connect-5d8f6c7b9-x2x7k';
const OUTCOME = { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'invariant' }] };

interface Taken {
  readonly uuid: string;
  readonly format: string;
  readonly bytes: Buffer;
}

/** What a person does in kustomization.yaml for a stream in an account of its own. */
function inItsAccount(text: string): string {
  return text.replace('path: nats-config.yaml', 'path: nats-config-account.yaml');
}

function seedOf(key: KeyPair): string {
  return new TextDecoder().decode(key.getSeed());
}

/** A site that connect's own manifests make, changed as docs/connect.md says, sends to another one that was made so. */
describe("connect's own manifests", function () {
  this.timeout(120_000);
  // Each goes on where the one before it ended.
  this.bail(true);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let fhir: FhirServer;
  let a: InstalledSite;
  let b: InstalledSite;
  const taken: Taken[] = [];
  const refused: string[] = [];
  /** Of the administrator who moves the stream. */
  const admin = createUser();

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const own = await plane.createNamespace('operator');
    const namespaces = [await plane.createNamespace('connect-a'), await plane.createNamespace('connect-b')];
    const kubeconfig = await grantOperatorRights(plane, own, namespaces, { nats: ['nats-js'] });
    operator = await OperatorProcess.start(plane, { kubeconfig, namespace: own, namespaces, image: 'sync:1' });
    fhir = await FhirServer.start({ conditionalCreate: true });
    const [inA = '', inB = ''] = namespaces;
    [a, b] = await Promise.all([startConnectSite(plane, inA, false), startConnectSite(plane, inB, true)]);
  });

  after(async () => {
    for (const site of [a, b]) await site?.stop();
    await fhir?.stop();
    await operator?.stop();
  });

  /** Does something as the administrator who may do everything in the account of the stream. */
  async function as<T>(site: InstalledSite, what: (connection: NatsConnection) => Promise<T>): Promise<T> {
    const connection = await site.connect(seedOf(admin));
    try {
      return await what(connection);
    } finally {
      await connection.close();
    }
  }

  /** What connect does when it starts: its stream. */
  async function makeStream(site: InstalledSite): Promise<void> {
    const connection = await site.connect();
    const answer = await connection.request('$JS.API.STREAM.CREATE.EVENTS', JSON.stringify(EVENTS_STREAM), {
      timeout: 20_000,
    });
    assert.equal(answer.json<{ error?: object }>().error, undefined);
    await connection.close();
  }

  /** What connect does with what it takes in. */
  async function announce(site: InstalledSite, payloads: readonly Buffer[]): Promise<void> {
    const connection = await site.connect();
    for (const payload of payloads) await connection.jetstream().publish('EVENTS.sync', payload);
    await connection.close();
  }

  /** A takes in what the real connect took in; again and again, each time with other uuids. */
  async function takeIn(): Promise<readonly Taken[]> {
    const messages = realIntake().map(({ bytes }): Taken => {
      const text = bytes.toString('utf8');
      const { uuid, data_format: format = '' } = JSON.parse(text) as Record<string, string>;
      const fresh = taken.some((known) => known.uuid === uuid) ? randomUUID() : (uuid ?? '');
      return { uuid: fresh, format, bytes: Buffer.from(text.replaceAll(uuid ?? '', fresh)) };
    });
    taken.push(...messages);
    await announce(
      a,
      messages.map(({ bytes }) => bytes),
    );
    return messages;
  }

  /** The uuids of the messages of which the server has made a resource, once for each resource. */
  function made(): string[] {
    return fhir.stored.flatMap(({ meta }) => meta?.tag?.map(({ code }) => code) ?? []);
  }

  async function exceptions(): Promise<{ readonly text: string; readonly status: string | undefined }[]> {
    return (await readTopic(b.kafka, 'LFH_EXCEPTION')).map(({ value, headers }) => {
      const { data, error_msg } = JSON.parse(value.toString('utf8')) as Record<string, string>;
      const text = `${error_msg} ${data} ${Buffer.from(data ?? '', 'base64').toString('utf8')}`;
      return { text, status: headers['lfh-sync-status'] };
    });
  }

  async function transmitted(messages: readonly Taken[]): Promise<void> {
    const resources = messages.filter(({ format }) => format.startsWith('FHIR'));
    assert.ok(resources.length > 2);
    const isDone = (): boolean => resources.every(({ uuid }) => made().includes(uuid) || refused.includes(uuid));
    await until('the FHIR server has them', isDone, 60_000);
    assert.deepEqual(fhir.next, [], 'the server has behaved so');
  }

  it('have a nats.conf that no nats-server takes, as the page says', async () => {
    assert.match(await a.checkNatsConfig(await natsConfigAsShipped()), /unknown field "nkey"/);
  });

  it('go on with their stream and with the published key, where the page is followed without the part on the key', async () => {
    await makeStream(a);
    const before = connectMessage({ lfhId: POD, content: { resourceType: 'Patient' } });
    await announce(a, [before.payload]);
    await a.install({ lfhId: ORIGIN, nats: { users: [admin.getPublicKey()] } });
    await a.follow('kubectl apply -n lfh -k');
    await a.restartNats();
    await a.waitForReason('lfhnode/local', 'NatsConfigLive', 'Live');
    assert.match(await a.waitForReason('lfhnode/local', 'KeyReady', 'PublishedKey'), /spec\.nats\.connect\.publicKey/);
    const connection = await a.connect();
    await assert.rejects(
      connection.request('$JS.API.STREAM.DELETE.EVENTS', '', { timeout: 20_000 }),
      /Permissions Violation/,
    );
    await connection.close();
  });

  it('become a node that is ready, with all that the page says, here for a new site', async () => {
    const key = createUser();
    await b.write('nats-server.nk', seedOf(key));
    await b.edit('kustomization.yaml', withConnectKey);
    const fhirServers = [{ url: fhir.url, timeoutSeconds: 1, retry: { maxDelaySeconds: 1 } }];
    const nats = { isolation: 'Accounts', connect: { publicKey: key.getPublicKey() } };
    await b.edit('kustomization.yaml', inItsAccount);
    await b.follow('kubectl apply -n lfh -k');
    // The pod of NATS waits for what the operator makes of the node.
    await Promise.all([b.restartNats(), b.install({ lfhId: 'hospital-b', nats, fhirServers })]);
    await b.waitForReason('lfhnode/local', 'NatsConfigLive', 'Live');
    await makeStream(b);
    const injected = '--for=jsonpath={.spec.template.spec.initContainers[?(@.name=="lfh-sync")].name}=lfh-sync';
    await b.kubectl('wait', 'deployment/connect', injected, '--timeout=60s');
    await Promise.all([b.runPods(), b.startSidecar()]);
    await b.waitForReason('lfhnode/local', 'Ready', 'AllReady');
    const read = (object: string, path: string): Promise<string> => b.kubectl('get', object, '-o', `jsonpath=${path}`);
    const env = '{.spec.template.spec.containers[0].env[?(@.name=="CONNECT_LFH_ID")].value}';
    assert.equal(await read('deployment/connect', env), 'hospital-b');
    assert.equal(await read('deployment/connect', '{.spec.strategy.type}'), 'Recreate');
    assert.equal(await read('statefulset/nats-js', '{.spec.template.spec.volumes[?(@.hostPath)].name}'), '');
    const kafka = await read('deployment/kafka-broker', '{.spec.template.spec.containers[0].env[*].name}');
    assert.deepEqual(
      kafka.split(' ').filter((name) => /LISTENER|ADVERTISED/.test(name)),
      ['KAFKA_LISTENERS', 'KAFKA_ADVERTISED_LISTENERS'],
    );
    await assert.rejects(b.connect(PUBLISHED_SEED), /Authorization Violation/);
  });

  it('are peered as any other sites, and what a connect without an id took in before is in LFH_EXCEPTION', async () => {
    await a.invite(b);
    await b.invite(a);
    await b.waitForReason(`lfhpeer/${ORIGIN}`, 'ReceiveReady', 'Replaying');
    await a.waitForReason('lfhpeer/hospital-b', 'SendReady', 'Pulling');
    await until('it is rejected', async () => (await exceptions()).length > 0);
    const [first, ...others] = await exceptions();
    assert.match(first?.text ?? '', new RegExp(`ForeignOrigin.*${POD}`));
    assert.deepEqual(others, []);
  });

  it('reach a FHIR server that is slow, and makes one resource only after it was given up', async () => {
    fhir.next.push({ afterMs: 1_500 });
    await transmitted(await takeIn());
  });

  it('reach a FHIR server that was dead', async () => {
    await fhir.stop();
    const messages = await takeIn();
    await b.waitForReason('lfhnode/local', 'TransmitReady', 'Unreachable');
    await fhir.start();
    await transmitted(messages);
  });

  it('reach a FHIR server that answers 500, then 200', async () => {
    fhir.next.push({ status: 500 });
    await transmitted(await takeIn());
  });

  it('reach a FHIR server that answers 429', async () => {
    fhir.next.push({ status: 429, headers: { 'retry-after': '1' } });
    await transmitted(await takeIn());
  });

  it('reach a FHIR server whose answers are cut half-way, in the head and in the body', async () => {
    fhir.next.push('cut-head', 'cut-body');
    await transmitted(await takeIn());
  });

  it('reach a FHIR server that answers 422 to one resource, which is in LFH_EXCEPTION once', async () => {
    fhir.next.push({ status: 422, body: OUTCOME });
    const messages = await takeIn();
    await until('it is refused', async () => (await exceptions()).some(({ status }) => status === '422'));
    const found = (await exceptions()).filter(({ status }) => status === '422');
    assert.equal(found.length, 1);
    refused.push(...messages.flatMap(({ uuid }) => (found[0]?.text.includes(uuid) ? [uuid] : [])));
    assert.equal(refused.length, 1);
    await transmitted(messages);
  });

  it('go on with a key of their own, where the rest of the page is followed', async () => {
    const key = createUser();
    await a.write('nats-server.nk', seedOf(key));
    const own = JSON.stringify({ spec: { nats: { connect: { publicKey: key.getPublicKey() } } } });
    await a.kubectl('patch', 'lfhnode', 'local', '--type=merge', '-p', own);
    await a.edit('kustomization.yaml', withConnectKey);
    await a.follow('kubectl apply -n lfh -k');
    await a.waitForReason('lfhnode/local', 'KeyReady', 'KeyMade');
    await a.waitForReason('lfhnode/local', 'NatsConfigLive', 'Live');
    await assert.rejects(a.connect(PUBLISHED_SEED), /Authorization Violation/);
    await transmitted(await takeIn());
  });

  it('move their stream into an account of its own, as docs/moving-a-stream.md says, and the peer goes on', async () => {
    const pause = (paused: boolean): Promise<string> =>
      b.kubectl('patch', 'lfhpeer', ORIGIN, '--type=merge', '-p', JSON.stringify({ spec: { receive: { paused } } }));
    await pause(true);
    await b.waitForReason(`lfhpeer/${ORIGIN}`, 'ReceiveReady', 'Paused');
    // Nowhere but in the stream.
    const waiting = await takeIn();
    const saved = await as(a, backup);
    const own = JSON.stringify({ spec: { nats: { isolation: 'Accounts' } } });
    await a.kubectl('patch', 'lfhnode', 'local', '--type=merge', '-p', own);
    await a.edit('kustomization.yaml', inItsAccount);
    await a.follow('kubectl apply -n lfh -k');
    await until('the configuration with accounts is written', async () => {
      const path = 'jsonpath={.data.lfh-sync-peers\\.conf}';
      return (await a.kubectl('get', 'configmap', 'local-nats', '-o', path)).includes('lfh-sync-hospital-b');
    });
    await a.restartNats();
    await a.waitForReason('lfhnode/local', 'StreamReady', 'StreamMissing');
    await as(a, (connection) => restore(connection, saved));
    await pause(false);
    await transmitted([...waiting, ...(await takeIn())]);
  });

  it('have every message of a real intake arrive once, and every resource made once', async () => {
    const uuids = taken.map(({ uuid }) => uuid);
    await until('all are replayed', async () => (await replayedUuids(b.kafka)).length >= uuids.length);
    assert.deepEqual(await replayedUuids(b.kafka), uuids);
    for (const topic of new Set(taken.map(({ format }) => format))) {
      const ofTopic = taken.flatMap(({ uuid, format }) => (format === topic ? [uuid] : []));
      assert.deepEqual(await replayedUuids(b.kafka, topic), ofTopic, topic);
    }
    const resources = taken.flatMap(({ uuid, format }) => (format.startsWith('FHIR') ? [uuid] : []));
    const expected = resources.filter((uuid) => !refused.includes(uuid));
    assert.deepEqual(made().toSorted(), expected.toSorted());
    assert.equal(fhir.stored.length, expected.length);
    assert.equal((await exceptions()).length, 2);
  });
});

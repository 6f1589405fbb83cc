import assert from 'node:assert/strict';
import { createUser } from 'nkeys.js';
import { withCondition } from '../../../operator/api/conditions.ts';
import { KINDS } from '../../../operator/api/objects.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../../operator/api/types.ts';
import { KubeError } from '../../../operator/cluster/errors.ts';
import { until } from '../../kit/processes/process.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { inBoth, type Written } from './in-both.ts';

const API_VERSION = 'sync.linuxforhealth.io/v1alpha1';
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const user = createUser();
const KEY = user.getPublicKey();
const SEED = decode(user.getSeed());
const PASSWORD = 'hunter2-hunter2';
const authority = await createCertificateAuthority('hospital-b');
const CA = authority.ca;
const { key: PRIVATE_KEY } = await authority.issue();

describe('the CRDs on a real API server', function () {
  this.timeout(600_000);
  let plane: ControlPlane;
  let namespace: string;
  let count = 0;

  before(async () => {
    plane = await sharedControlPlane();
    namespace = await plane.createNamespace('crds');
  });

  function peer(spec: unknown, name = `peer-${(count += 1)}`): Written {
    return { apiVersion: API_VERSION, kind: 'LfhSyncPeer', metadata: { name, namespace }, spec };
  }

  function node(spec: object, name = `node-${(count += 1)}`): Written {
    const needed = {
      lfhId: 'hospital-a',
      nats: { servers: ['tls://nats-js:4222'] },
      kafka: { brokers: ['kafka:9092'] },
    };
    return {
      apiVersion: API_VERSION,
      kind: 'LfhSyncNode',
      metadata: { name, namespace },
      spec: { ...needed, ...spec },
    };
  }

  function create<Value extends Written>(written: Value): Promise<Value> {
    return inBoth(written, undefined, () => plane.api.create(written));
  }

  /** What the server says to something that it must not take. */
  async function refusal(written: Written): Promise<string> {
    const error: unknown = await create(written).then(
      () => assert.fail(`taken: ${written.kind} ${JSON.stringify(written.spec)}`),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof KubeError && error.code === 422, String(error));
    return error.message;
  }

  async function createdPeer(written: Written): Promise<LfhSyncPeer> {
    return (await create(written)) as LfhSyncPeer;
  }

  it('are established without a complaint of the API server', async () => {
    const { stdout } = await plane.kubectl(['get', 'crd', '-o', 'json']);
    const { items } = JSON.parse(stdout) as {
      items: { metadata: { name: string }; status: { conditions: { type: string; status: string }[] } }[];
    };
    const ours = items.filter(({ metadata }) => metadata.name.endsWith('.sync.linuxforhealth.io'));
    const conditions = ours.flatMap(({ status }) => status.conditions.map(({ type, status }) => `${type}=${status}`));
    assert.deepEqual([...new Set(conditions)].sort(), ['Established=True', 'NamesAccepted=True']);
    assert.equal(ours.length, 2);
  });

  it('explain a field in kubectl explain', async () => {
    // The API server describes a kind a moment after it serves it.
    await until('the field is explained', async () => {
      const { stdout } = await plane.kubectl(['explain', 'lfhpeer.spec.receive.startFrom.policy']);
      return /Earliest: everything that the peer still has/.test(stdout);
    });
  });

  it('are found by their category and their short names', async () => {
    const { stdout } = await plane.kubectl(['api-resources', '--categories=lfh', '--no-headers']);
    const names = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).slice(0, 2));
    assert.deepEqual(names, [
      ['lfhsyncnodes', 'lfhnode'],
      ['lfhsyncpeers', 'lfhpeer'],
    ]);
  });

  describe('accept', () => {
    it('the smallest useful peer from a file, and fill in the defaults', async () => {
      const spec = {
        lfhId: 'hospital-b',
        servers: ['tls://192.168.1.201:4222'],
        ca: { inline: CA },
        publicKeys: [KEY],
      };
      const written = peer(spec, 'hospital-b');
      await plane.apply([written], namespace);
      const taken = await plane.api.get<LfhSyncPeer>(KINDS.peer, namespace, 'hospital-b');
      assert.deepEqual(taken?.spec, {
        ...spec,
        nodeRef: { name: 'local' },
        receive: { manual: false, paused: false, startFrom: { policy: 'Earliest' }, stream: 'EVENTS' },
        send: { client: 'Sidecar', paused: false },
      });
    });

    it('the smallest node, and fill in the defaults', async () => {
      const taken = (await create(node({}))) as LfhSyncNode;
      assert.deepEqual(taken.spec, {
        lfhId: 'hospital-a',
        nats: { servers: ['tls://nats-js:4222'], reload: 'Reloader', isolation: 'Accounts', account: 'LFH' },
        kafka: { brokers: ['kafka:9092'], tls: false, topics: { partitions: -1, replicationFactor: -1 } },
        sidecar: {
          logLevel: 'info',
          announce: true,
          maxMessageBytes: 1_048_576,
          maxTopics: 100,
          batch: { maxMessages: 2_000, maxBytes: 8_388_608, maxAgeMilliseconds: 100 },
          httpPort: 9877,
        },
        key: { rotation: 0, overlap: '24h' },
      });
    });

    it('limits and requests for the sidecar, and fill in the default requests', async () => {
      const limits = { cpu: '1', memory: '0.5Gi', 'ephemeral-storage': '1e9' };
      const connect = { workloadRef: { name: 'connect' } };
      const taken = async (resources: object): Promise<unknown> =>
        ((await create(node({ connect: { ...connect, ...resources } }))) as LfhSyncNode).spec.connect?.resources;
      const requests = { cpu: '50m', memory: '128Mi' };
      assert.deepEqual(await taken({}), { requests });
      assert.deepEqual(await taken({ resources: { limits } }), { requests, limits });
      const little = { requests: { cpu: '0', memory: '64Mi' }, limits: { cpu: '20m', memory: '64Mi' } };
      assert.deepEqual(await taken({ resources: little }), little);
    });

    it('references to ConfigMaps and Secrets, and fill in the usual keys', async () => {
      const { spec } = await createdPeer(peer({ lfhId: 'b', ca: { secretRef: { name: 'b-ca' } } }));
      assert.deepEqual(spec.ca, { secretRef: { name: 'b-ca', key: 'ca.crt' } });
      const sasl = { mechanism: 'scram-sha-512', username: 'lfh', passwordSecretRef: { name: 'kafka' } };
      const kafka = { brokers: ['[fd00::1]:9093'], tls: true, ca: { configMapRef: { name: 'kafka-ca' } }, sasl };
      const taken = (await create(node({ kafka }))) as LfhSyncNode;
      assert.equal(taken.spec.kafka.sasl?.passwordSecretRef.key, 'password');
    });

    it('FHIR servers, and fill in the defaults', async () => {
      const { spec } = (await create(
        node({ fhirServers: [{ url: 'https://fhir.example.org/r4', secretRef: { name: 'fhir' } }] }),
      )) as LfhSyncNode;
      assert.deepEqual(spec.fhirServers, [
        {
          url: 'https://fhir.example.org/r4',
          secretRef: { name: 'fhir' },
          appendResourceType: true,
          timeoutSeconds: 30,
          retry: { giveUpAfterSeconds: 259_200, maxDelaySeconds: 300 },
        },
      ]);
    });

    it('the largest node and peer within the cost budget of their rules', async () => {
      const server = `tls://${'a'.repeat(280)}:4222`;
      await create(
        peer({
          lfhId: 'é'.repeat(253),
          servers: Array<string>(16).fill(server),
          ca: { inline: CA + ' '.repeat(65_536 - CA.length) },
          publicKeys: Array<string>(4).fill(KEY),
          receive: {
            allowFormats: Array<string>(64).fill('F'.repeat(249)),
            allowOrigins: Array<string>(64).fill('é'.repeat(253)),
          },
        }),
      );
      await create(
        node(
          {
            nats: {
              servers: Array<string>(16).fill(server),
              advertise: Array<string>(16).fill(server),
              users: Array<string>(16).fill(KEY),
            },
            fhirServers: Array.from({ length: 50 }, (_, n) => ({
              url: `https://${'f'.repeat(480)}.example.org/${n}`,
              ca: { inline: CA + ' '.repeat(16_384 - CA.length) },
            })),
          },
          'n'.repeat(63),
        ),
      );
    });
  });

  describe('refuse, without quoting it,', () => {
    const SEED_HINT = /an entry begins with S: that is a seed/;
    const KEY_HINT = /each entry must be a public NKey/;
    const cases: readonly [what: string, spec: object, secret: string, field: string, message: RegExp][] = [
      ['a seed among the public keys', { publicKeys: [KEY, SEED] }, SEED, 'publicKeys', SEED_HINT],
      ['a seed with blanks around it', { publicKeys: [` ${SEED}\n`] }, SEED, 'publicKeys', KEY_HINT],
      ['a private key as public key', { publicKeys: [PRIVATE_KEY] }, PRIVATE_KEY, 'publicKeys', KEY_HINT],
      ['a seed instead of the list', { publicKeys: SEED }, SEED, 'publicKeys', /must be of type array/],
      ['a seed as a fifth key', { publicKeys: [KEY, KEY, KEY, KEY, SEED] }, SEED, 'publicKeys', /at most 4 items/],
      ['a seed file of many', { publicKeys: [SEED.repeat(10)] }, SEED, 'publicKeys', /Too long/],
      ['a private key as CA', { ca: { inline: PRIVATE_KEY } }, PRIVATE_KEY, 'ca', /contains a private key/],
      ['a private key below the CA', { ca: { inline: CA + PRIVATE_KEY } }, PRIVATE_KEY, 'ca', /contains a private key/],
      ['a private key in place of `ca`', { ca: PRIVATE_KEY }, PRIVATE_KEY, 'ca', /must be of type object/],
      ['a seed as CA', { ca: { inline: SEED } }, SEED, 'ca', /-----BEGIN CERTIFICATE-----/],
      ['keys without end as CA', { ca: { inline: PRIVATE_KEY.repeat(400) } }, PRIVATE_KEY, 'ca', /Too long/],
      [
        'a password in a server',
        { servers: [`tls://lfh:${PASSWORD}@b:4222`] },
        PASSWORD,
        'servers',
        /no user, password/,
      ],
      ['a seed as server', { servers: [SEED] }, SEED, 'servers', /tls:\/\/host:port/],
      ['a password as host name', { tlsServerName: `${PASSWORD} ` }, PASSWORD, 'tlsServerName', /host name/],
      ['a password as format', { receive: { allowFormats: [`${PASSWORD}!`] } }, PASSWORD, 'receive', /data_format/],
      ['a seed as origin', { receive: { allowOrigins: [`${SEED}\n`] } }, SEED, 'receive', /connect_lfh_id/],
      ['a password as stream', { receive: { stream: `${PASSWORD}.` } }, PASSWORD, 'receive', /NATS stream/],
      ['a password as consumer', { receive: { consumer: `${PASSWORD}.` } }, PASSWORD, 'receive', /NATS consumer/],
      ['a password as id', { lfhId: `${PASSWORD}\n` }, PASSWORD, 'lfhId', /control characters/],
    ];
    for (const [what, spec, secret, field, message] of cases) {
      it(what, async () => {
        const said = await refusal(peer({ lfhId: 'b', ...spec }));
        assert.match(said, new RegExp(`spec\\.${field}`));
        assert.match(said, message);
        for (const line of secret.split('\n')) assert.ok(line === '' || !said.includes(line.trim()), said);
      });
    }

    const nodeCases: readonly [what: string, spec: object, secret: string, message: RegExp][] = [
      ["a seed among a node's users", { nats: { servers: ['tls://n'], users: [SEED] } }, SEED, SEED_HINT],
      [
        'a password in a broker',
        { kafka: { brokers: [`lfh:${PASSWORD}@kafka:9092`] } },
        PASSWORD,
        /no user or password/,
      ],
      [
        "a private key as Kafka's CA",
        { kafka: { brokers: ['k:9092'], tls: true, ca: { inline: PRIVATE_KEY } } },
        PRIVATE_KEY,
        /contains a private key/,
      ],
      [
        'a seed as log level of the sidecars',
        { sidecar: { logLevel: { seed: SEED } } },
        SEED,
        /must be of type string/,
      ],
      ['a password as size', { sidecar: { maxMessageBytes: PASSWORD } }, PASSWORD, /must be of type integer/],
      ['a seed in place of the batch', { sidecar: { batch: SEED } }, SEED, /must be of type object/],
      [
        'a password in the URL of a FHIR server',
        { fhirServers: [{ url: `https://lfh:${PASSWORD}@fhir.example.org/r4` }] },
        PASSWORD,
        /no user, password/,
      ],
      [
        'a password in the query of a FHIR server',
        { fhirServers: [{ url: `https://fhir.example.org/r4?code=${PASSWORD}` }] },
        PASSWORD,
        /no user, password, query/,
      ],
      [
        "a private key as a FHIR server's CA",
        { fhirServers: [{ url: 'https://fhir.example.org', ca: { inline: PRIVATE_KEY } }] },
        PRIVATE_KEY,
        /contains a private key/,
      ],
      [
        'a password in place of its Secret',
        { kafka: { brokers: ['k:9092'], sasl: { mechanism: 'plain', username: 'u', passwordSecretRef: PASSWORD } } },
        PASSWORD,
        /must be of type object/,
      ],
    ];
    for (const [what, spec, secret, message] of nodeCases) {
      it(what, async () => {
        const said = await refusal(node(spec));
        assert.match(said, message);
        for (const line of secret.split('\n')) assert.ok(line === '' || !said.includes(line), said);
      });
    }

    it('addresses that are typed beside a Service that has them, or a host with more than its name', async () => {
      const from = { serviceRef: { name: 'peers' } };
      const said = (nats: object): Promise<string> => refusal(node({ nats: { servers: ['tls://n'], ...nats } }));
      assert.match(
        await said({ advertise: ['tls://a'], advertiseFrom: from }),
        /only one of advertise and advertiseFrom/,
      );
      const host = `tls://${PASSWORD}@h`;
      const refused = await said({ advertiseFrom: { ...from, host } });
      assert.match(refused, /host must be a name or an address/);
      assert.ok(!refused.includes(PASSWORD), refused);
      assert.match(await said({ advertiseFrom: {} }), /serviceRef: Required value/);
    });

    it('a seed in a new peer that is applied with kubectl', async () => {
      await assert.rejects(plane.apply([peer({ lfhId: 'b', publicKeys: [SEED] })], namespace), (error: Error) => {
        assert.match(error.message, SEED_HINT);
        return !error.message.includes(SEED);
      });
    });
  });

  describe('refuse', () => {
    const time = '2026-11-24T08:00:00Z';
    const peers: readonly [what: string, spec: object, message: RegExp][] = [
      ['a peer without lfhId', { lfhId: undefined }, /spec\.lfhId: Required value/],
      ['an empty lfhId', { lfhId: '' }, /at least 1 chars/],
      ['an lfhId of 1,012 bytes', { lfhId: '\u{1f3e5}'.repeat(253) }, /lfhId.*at most 768 bytes/],
      ['no CA where there is `ca`', { ca: {} }, /exactly one of inline, configMapRef and secretRef/],
      ['two CAs', { ca: { inline: CA, secretRef: { name: 'b-ca' } } }, /exactly one of/],
      ['a policy Time without a time', { receive: { startFrom: { policy: 'Time' } } }, /policy Time needs a time/],
      ['a time without its policy', { receive: { startFrom: { time } } }, /policy Time needs a time/],
      [
        'a time that cannot be read',
        { receive: { startFrom: { policy: 'Time', time: 'yesterday' } } },
        /startFrom\.time/,
      ],
      ['an unknown policy', { receive: { startFrom: { policy: 'Now' } } }, /"Earliest", "Latest", "Time"/],
      [
        'a restart at no position',
        { receive: { restart: { position: 0, startFrom: { policy: 'Latest' } } } },
        /position/,
      ],
      [
        'a restart at a time without its policy',
        { receive: { restart: { position: 5, startFrom: { policy: 'Latest', time } } } },
        /policy Time needs a time/,
      ],
    ];
    for (const [what, spec, message] of peers) {
      it(what, async () => assert.match(await refusal(peer({ lfhId: 'b', ...spec })), message));
    }

    const sasl = { mechanism: 'plain' };
    const withResources = (resources: object): object => ({ workloadRef: { name: 'connect' }, resources });
    const nodes: readonly [what: string, spec: object, message: RegExp][] = [
      ['a node without nats-server', { nats: { servers: [] } }, /at least 1 items/],
      [
        'a restart without a workload',
        { nats: { servers: ['tls://n'], reload: 'Restart' } },
        /Restart needs workloadRef/,
      ],
      ['an account with a dot', { nats: { servers: ['tls://n'], account: 'a.b' } }, /name of a NATS account/],
      ['SASL without a username', { kafka: { brokers: ['k:9092'], sasl } }, /sasl\.username: Required value/],
      ['a CA for a Kafka without TLS', { kafka: { brokers: ['k:9092'], ca: { inline: CA } } }, /unless tls is true/],
      [
        'a limit that is not a quantity',
        { connect: withResources({ limits: { cpu: 'much' } }) },
        /limits: .*a quantity/,
      ],
      ['a negative request', { connect: withResources({ requests: { memory: '-1Mi' } }) }, /requests: .*not negative/],
      [
        'a limit below the request',
        { connect: withResources({ limits: { memory: '64Mi' } }) },
        /less than what is req/,
      ],
      ['topics without partitions', { kafka: { brokers: ['k:1'], topics: { partitions: 0 } } }, /at least 1, or -1/],
      ['no replicas', { kafka: { brokers: ['k:1'], topics: { replicationFactor: 0 } } }, /replicationFactor: .*or -1/],
      [
        'less than no replicas',
        { kafka: { brokers: ['k:1'], topics: { replicationFactor: -2 } } },
        /replicationFactor/,
      ],
      ['an unknown log level', { sidecar: { logLevel: 'loud' } }, /sidecar\.logLevel: .*"trace"/],
      [
        'messages larger than a client takes',
        { sidecar: { maxMessageBytes: 67_108_865 } },
        /maxMessageBytes.*67108864/,
      ],
      ['a batch that a durable cannot hand out', { sidecar: { batch: { maxMessages: 10_001 } } }, /maxMessages/],
      ['a port that only root may have', { sidecar: { httpPort: 80 } }, /httpPort/],
      ['a rotation of a brought key', { key: { secretRef: { name: 'own' }, rotation: 1 } }, /must be 0 with secretRef/],
      ['an overlap without a unit', { key: { overlap: '24' } }, /spec\.key\.overlap/],
      ['a longest overlap without a unit', { key: { overlapMax: '24' } }, /spec\.key\.overlapMax/],
    ];
    for (const [what, spec, message] of nodes) {
      it(what, async () => assert.match(await refusal(node(spec)), message));
    }

    it('names of nodes that cannot be part of names in Kafka and NATS', async () => {
      for (const name of ['a.b', 'n'.repeat(64)]) {
        assert.match(await refusal(node({}, name)), /metadata\.name has at most 63 characters and no dot/);
      }
    });
  });

  describe('on updates', () => {
    async function change<Value extends Written>(object: Value, spec: object): Promise<Value> {
      const known = await plane.api.get<Value>(
        KINDS[object.kind === 'LfhSyncPeer' ? 'peer' : 'node'],
        namespace,
        object.metadata.name,
      );
      assert.ok(known);
      const changed = { ...known, spec: { ...(known.spec as object), ...spec } };
      return inBoth(changed, known, () => plane.api.replace<Value>(changed));
    }

    it('refuse to change the lfhId', async () => {
      for (const object of [await create(peer({ lfhId: 'b' })), await create(node({}))]) {
        await assert.rejects(
          change(object, { lfhId: 'another' }),
          /spec\.lfhId: .*cannot be changed.* with the new id/,
        );
      }
    });

    it('refuse to lower the number of rotations', async () => {
      const object = await create(node({ key: { rotation: 1 } }));
      await change(object, { key: { rotation: 3 } });
      await assert.rejects(change(object, { key: { rotation: 2 } }), /can only be raised/);
      await assert.rejects(change(object, { key: undefined }), /can only be raised/);
    });

    it('accept a key that is brought after rotations, and a made one after that', async () => {
      const object = await create(node({ key: { rotation: 3 } }));
      await change(object, { key: { secretRef: { name: 'own' } } });
      await change(object, { key: { rotation: 4 } });
    });
  });

  describe('have a status that', () => {
    it('is written apart from the spec and holds only fields of the schema', async () => {
      const { metadata } = await create(peer({ lfhId: 'b' }));
      const conditions = withCondition(
        [],
        { type: 'ReceiveReady', status: 'False', reason: 'KeyRefused', message: 'tls://b:4222 refuses the key' },
        { generation: 1, now: Date.parse('2026-11-24T08:00:00Z') },
      );
      const status = { observedGeneration: 1, conditions, receive: { position: 2 ** 50, lag: 0 } };
      const { name } = metadata;
      const patch = { apiVersion: API_VERSION, kind: 'LfhSyncPeer', metadata: { name, namespace } };
      const wrong = plane.api.apply({ ...patch, status: { ...status, more: 1 } }, '/status');
      await assert.rejects(wrong, /\.status\.more: field not declared/);
      await plane.api.apply({ ...patch, spec: { lfhId: 'another' }, status }, '/status');
      const taken = await plane.api.get<LfhSyncPeer>(KINDS.peer, namespace, name);
      assert.deepEqual(taken?.status, status);
      assert.equal(taken?.spec.lfhId, 'b');
      assert.equal(taken?.metadata.generation, 1);
    });

    it('is shown by `kubectl get`', async () => {
      const where = await plane.createNamespace('columns');
      const now = new Date(Date.now() - 60_000).toISOString();
      const ready = { type: 'Ready', observedGeneration: 1, lastTransitionTime: now, message: '' };
      const write = async (kind: string, name: string, spec: object, status: object): Promise<void> => {
        const object = { apiVersion: API_VERSION, kind, metadata: { name, namespace: where } };
        await create({ ...object, spec });
        await plane.api.apply({ ...object, status }, '/status');
      };
      await write(
        'LfhSyncPeer',
        'b',
        { lfhId: 'hospital-b' },
        {
          conditions: [{ ...ready, status: 'False', reason: 'Lagging' }],
          receive: { lag: 17, rejected: 3, lastReplayTime: now },
          send: { pending: 4 },
        },
      );
      await write('LfhSyncNode', 'local', node({}).spec as object, {
        conditions: [{ ...ready, status: 'True', reason: 'AllReady' }],
        lfhId: 'hospital-a',
        peers: { total: 5, ready: 3 },
      });
      const rows = async (kind: string, ...args: string[]): Promise<string[][]> =>
        (await plane.kubectl(['get', kind, '-n', where, ...args])).stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/\s{2,}/).map((cell) => cell.replace(/^\d+[ms].*$/, '<ago>')));
      assert.deepEqual(await rows('lfhpeer'), [
        ['NAME', 'READY', 'REASON', 'RECEIVE LAG', 'SEND LAG', 'REJECTED', 'LAST SYNC', 'AGE'],
        ['b', 'False', 'Lagging', '17', '4', '3', '<ago>', '<ago>'],
      ]);
      assert.deepEqual((await rows('lfhpeer', '-o', 'wide'))[1]?.slice(8), ['hospital-b']);
      assert.deepEqual(await rows('lfhnode'), [
        ['NAME', 'READY', 'REASON', 'PEERS READY', 'PEERS', 'AGE'],
        ['local', 'True', 'AllReady', '3', '5', '<ago>'],
      ]);
      assert.deepEqual((await rows('lfhnode', '-o', 'wide'))[1]?.slice(6), ['hospital-a']);
    });
  });
});

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import type { ConfigMap } from '../../../../operator/api/objects.ts';
import type { CaSource } from '../../../../operator/api/types.ts';
import { ownUsersIn, sidecarUsersIn, withoutRevoked } from '../../../../operator/plan/nats/files.ts';
import { CA_FILE, MAIN_FILE, PEERS_FILE } from '../../../../operator/plan/observed/names.ts';
import { NO_DERIVED_KEYS, type Observed } from '../../../../operator/plan/observed/observed.ts';
import { type Plan, planNode } from '../../../../operator/plan/plan.ts';
import {
  aKey,
  aNode,
  aPeer,
  certificate,
  DERIVED,
  HOUR_MS,
  NOW,
  OWN_KEY,
  observedOf,
  ownUser,
  planOf,
  references,
  settledPlanOf,
  sidecarUser,
  userKey,
} from './fixtures.ts';

const GOLDEN = join(import.meta.dirname, 'golden');
const { nats, kafka } = aNode().spec;

const onePeer = observedOf([aPeer('hospital-b')]);

const several = observedOf(
  [
    aPeer('dots', { spec: { lfhId: 'hospital.b', tlsServerName: 'nats.b.example.org' } }),
    aPeer('everything', { spec: { lfhId: '>', ca: { configMapRef: { name: 'ca-of-c', key: 'root.pem' } } } }),
    aPeer('star', { spec: { lfhId: '*', publicKeys: [userKey('star'), userKey('star, next')], ca: undefined } }),
    aPeer('receives-only', { spec: { servers: undefined, ca: undefined } }),
    aPeer('sends-only', {
      spec: {
        publicKeys: undefined,
        receive: {
          startFrom: { policy: 'Time', time: '2026-11-01T00:00:00Z' },
          allowFormats: ['FHIR-R4'],
          allowOrigins: ['hospital-c'],
          stream: 'THEIRS',
          consumer: 'ours',
        },
      },
    }),
  ],
  { references: references({ 'ca-of-c': { 'root.pem': certificate('ca-c') } }) },
);

const connectClient = observedOf([
  aPeer('without-lfh-sync', { spec: { lfhId: 'lfh-node-b', send: { client: 'Connect' } } }),
]);

const rotation = observedOf([aPeer('hospital-b')], {
  node: aNode({ spec: { key: { rotation: 1 } } }),
  key: aKey({
    previous: { publicKey: userKey('before'), published: false },
    rotation: 1,
    rotatedAt: new Date(NOW - HOUR_MS).toISOString(),
  }),
});

const users = observedOf([aPeer('hospital-b'), aPeer('hospital-c')], {
  node: aNode({
    spec: { nats: { ...nats, isolation: 'Users', users: [userKey('administrator')], workloadRef: { name: 'nats' } } },
  }),
});

const kafkaWithSasl = observedOf([aPeer('hospital-b')], {
  node: aNode({
    spec: {
      kafka: {
        ...kafka,
        brokers: ['kafka-0:9093', 'kafka-1:9093'],
        tls: true,
        ca: { secretRef: { name: 'kafka-ca' } },
        sasl: { mechanism: 'scram-sha-512', username: 'lfh', passwordSecretRef: { name: 'kafka-user' } },
        topics: { partitions: 3, replicationFactor: 3 },
      },
    },
  }),
  references: references(
    {},
    { 'kafka-ca': { 'ca.crt': certificate('ca-kafka') }, 'kafka-user': { password: 'not to be seen' } },
  ),
});

const fhir = observedOf([aPeer('hospital-b')], {
  node: aNode({
    spec: {
      fhirServers: [
        {
          url: 'https://FHIR.example.org/r4/',
          secretRef: { name: 'fhir-user' },
          ca: { configMapRef: { name: 'fhir-ca' } },
          retry: { maxAttempts: 20 },
        },
        { url: 'https://other.example.org/fhir', secretRef: { name: 'fhir-token' }, appendResourceType: false },
        { url: 'http://hapi:8080/fhir', secretRef: { name: 'not-there' }, timeoutSeconds: 5 },
        { url: 'https://lfh:password@third.example.org' },
      ],
    },
  }),
  references: references(
    { 'fhir-ca': { 'ca.crt': certificate('ca-c') } },
    { 'fhir-user': { username: 'lfh', password: 'not to be seen' }, 'fhir-token': { token: 'not to be seen' } },
  ),
});

const paused = observedOf([
  aPeer('not-received', { spec: { receive: { paused: true } } }),
  aPeer('not-sent', { spec: { send: { paused: true } } }),
]);

const plans: Readonly<Record<string, Observed>> = {
  'one-peer': onePeer,
  'several-peers': several,
  'connect-client': connectClient,
  rotation,
  'isolation-users': users,
  'kafka-tls-sasl': kafkaWithSasl,
  'fhir-servers': fhir,
  paused,
};

/** The ConfigMap that a deleted node leaves behind. */
function afterDeletionOf(observed: Observed): ConfigMap {
  const [nats] = settledPlanOf(observed).objects;
  assert.ok(nats?.data);
  return { ...nats, data: withoutRevoked(nats.data, []) };
}

describe('the objects of a node', () => {
  const golden: Readonly<Record<string, () => readonly ConfigMap[]>> = {
    ...Object.fromEntries(
      Object.entries(plans).map(([name, observed]) => [name, () => settledPlanOf(observed).objects]),
    ),
    'node-deleted': () => [afterDeletionOf(onePeer)],
  };
  for (const [name, objects] of Object.entries(golden)) {
    it(`are those of golden/${name}.yaml (LFH_SYNC_UPDATE_GOLDEN=1 writes it)`, () => {
      const file = join(GOLDEN, `${name}.yaml`);
      const text = objects()
        .map((object) => dump(object, { lineWidth: -1 }))
        .join('---\n');
      if (process.env.LFH_SYNC_UPDATE_GOLDEN) writeFileSync(file, text);
      assert.equal(text, existsSync(file) ? readFileSync(file, 'utf8') : 'nothing: there is no such file');
    });
  }

  it('leave no golden file unused', () => {
    assert.deepEqual(
      readdirSync(GOLDEN).sort(),
      Object.keys(golden)
        .map((name) => `${name}.yaml`)
        .sort(),
    );
  });
});

const namesOf = ({ objects }: Pick<Plan, 'objects'>): string[] => objects.map(({ metadata }) => metadata.name);

describe('planNode', () => {
  it('keeps the durable of a peer whose connect would receive where peers have no accounts, and does not let it in', () => {
    const { node } = users;
    const connect = aPeer('c', { spec: { send: { client: 'Connect' } } });
    const { granted, durables, files } = settledPlanOf(observedOf([aPeer('b'), connect], { node }));
    assert.deepEqual(
      [granted.map(({ metadata }) => metadata.name), durables.map(({ durable_name }) => durable_name)],
      [['b'], ['lfh-sync-b', 'lfh-connect-c']],
    );
    assert.ok(!files?.files[MAIN_FILE].includes(userKey('c')));
  });

  it('neither makes nor removes the durable of a peer whose key an older one has claimed, and lets it in no more', () => {
    const [older, younger] = [aPeer('b', { spec: { publicKeys: [userKey('b'), userKey('c')] } }), aPeer('c')];
    const plan = planOf(observedOf([older, younger]));
    assert.deepEqual(
      [plan.durables.map(({ durable_name }) => durable_name), plan.keptDurables],
      [['lfh-sync-b'], ['lfh-sync-c']],
    );
    assert.deepEqual(
      plan.granted.map(({ metadata }) => metadata.name),
      ['b'],
    );
  });

  it('keeps a durable for a peer whose id an older one has claimed that has none of its own, and for one with our id', () => {
    const claims = aPeer('b', { spec: { lfhId: 'c', publicKeys: undefined } });
    const plan = planOf(observedOf([claims, aPeer('c'), aPeer('d', { spec: { lfhId: 'hospital-a' } })]));
    assert.deepEqual([plan.durables, plan.keptDurables], [[], ['lfh-sync-c', 'lfh-sync-hospital-a']]);
  });

  it('keeps no second durable for a peer whose id belongs to an older one that has its own', () => {
    const claims = aPeer('c', { spec: { lfhId: 'b' } });
    assert.deepEqual(planOf(observedOf([aPeer('b'), claims])).keptDurables, []);
  });

  it('keeps the durables of a peer that is paused and of one whose key is damaged, and lets neither in', () => {
    const { granted, durables } = planOf(
      observedOf([
        aPeer('b', { spec: { send: { paused: true } } }),
        aPeer('c', { spec: { publicKeys: [`U${'A'.repeat(55)}`] } }),
        aPeer('d', { spec: { publicKeys: [] } }),
        aPeer('f', { metadata: { deletionTimestamp: '2026-11-25T12:00:00Z' } }),
      ]),
    );
    assert.deepEqual(granted, []);
    assert.deepEqual(
      durables.map(({ durable_name }) => durable_name),
      ['lfh-sync-b', 'lfh-sync-c'],
    );
  });

  it('makes no invitation while there is no key', () => {
    assert.deepEqual(namesOf(planOf(onePeer, [])), ['local-nats', 'local-sidecar']);
  });

  it('leaves the invitation as it is while the address for the peers is not known, and plans everything else', () => {
    const problem = { reason: 'AddressPending', message: 'no address yet' } as const;
    const plan = planOf({ ...onePeer, advertised: { servers: [], problem } });
    assert.deepEqual(namesOf(plan), ['local-nats', 'local-sidecar']);
    assert.deepEqual([plan.problem, plan.addressProblem], [undefined, problem]);
  });

  for (const [what, observed] of Object.entries({ 'with accounts': onePeer, 'without accounts': users })) {
    it(`never lets anybody in at the local NATS with the key that peers' servers see, ${what}`, () => {
      const known = [OWN_KEY, userKey('before')];
      const { files } = planOf(observed, known);
      assert.deepEqual(ownUsersIn(files?.files), known.map(ownUser).sort());
      assert.deepEqual(sidecarUsersIn(files?.files), known.map(sidecarUser).sort());
      assert.ok(known.every((key) => !JSON.stringify(files).includes(key)));
    });
  }

  it('keeps the written users of the node while it has no key to derive them from', () => {
    const written = settledPlanOf(onePeer).files?.files;
    const { files, problem } = planNode({ ...onePeer, key: undefined, written }, [OWN_KEY], NO_DERIVED_KEYS, NOW);
    assert.equal(problem, undefined);
    assert.deepEqual(ownUsersIn(files?.files), [ownUser()]);
    assert.deepEqual(sidecarUsersIn(files?.files), [sidecarUser()]);
    const first = planNode({ ...onePeer, key: undefined }, [OWN_KEY], NO_DERIVED_KEYS, NOW);
    assert.deepEqual(ownUsersIn(first.files?.files), []);
    assert.deepEqual(sidecarUsersIn(first.files?.files), []);
  });

  it('plans nothing where an older node has the same NATS and nothing was written before', () => {
    const other = aNode({ metadata: { name: 'older', creationTimestamp: '2026-11-01T00:00:00Z' } });
    const plan = planOf({ ...onePeer, otherNodes: [other] });
    assert.deepEqual([plan.problem?.reason, plan.objects, plan.files, plan.rollouts], ['Conflict', [], undefined, []]);
  });

  it('plans with the valid one of two CA certificates, and remarks on the expired one', () => {
    const ca = { inline: certificate('ca-expired') + certificate('ca-a') };
    const plan = planOf({ ...onePeer, node: aNode({ spec: { nats: { ...nats, ca } } }) });
    assert.equal(plan.problem, undefined);
    assert.match(plan.remarks.join(), /block 1 .*has expired/);
    assert.equal(plan.ownCa, certificate('ca-a'));
  });

  it('does not replay a peer whose CA cannot be had, since the roots of the system must not vouch for it instead', () => {
    const peer = aPeer('b', { spec: { ca: { inline: certificate('ca-expired') } } });
    const { objects } = planOf(observedOf([peer]));
    const sidecar = objects.find(({ metadata }) => metadata.name === 'local-sidecar');
    assert.equal(sidecar?.data?.LFH_SYNC_PEERS, '[]');
  });
});

describe('planNode for a node with a problem', () => {
  const two = observedOf([aPeer('b'), aPeer('c')]);
  const { files } = settledPlanOf(two);
  assert.ok(files);
  const expired = aNode({ spec: { nats: { ...nats, ca: { inline: certificate('ca-expired') } } } });
  const written = { written: files.files, liveHash: files.hash, node: expired };

  it('changes nothing that was written', () => {
    const plan = planOf({ ...two, ...written });
    assert.equal(plan.problem?.reason, 'CertificateExpired');
    assert.deepEqual(namesOf(plan), ['local-nats']);
    assert.deepEqual(plan.objects[0]?.data, files.files);
  });

  it('takes the access of a peer that may not receive any more, and gives nobody any', () => {
    const plan = planOf({ ...two, ...written, peers: [aPeer('c'), aPeer('d')] });
    const { [MAIN_FILE]: main = '', [PEERS_FILE]: peers = '', [CA_FILE]: ca } = plan.objects[0]?.data ?? {};
    assert.match(peers, /^lfh-sync-c \{$/m);
    assert.doesNotMatch(main + peers, /lfh-sync-[bd]\b/);
    assert.equal(ca, files.files[CA_FILE]);
  });

  it('plans nothing for a node whose name Kafka does not allow, and says so', () => {
    const plan = planOf({ ...two, node: aNode({ metadata: { name: 'a.b' } }) });
    assert.deepEqual([plan.problem?.reason, plan.objects], ['InvalidSpec', []]);
  });
});

describe('the ConfigMap for NATS of a deleted node', () => {
  it('lets in only the node itself, its sidecars and its administrators, and keeps the authorities', () => {
    const { data = {}, metadata } = afterDeletionOf(users);
    assert.equal(metadata.ownerReferences, undefined, 'nats-server does not start without what it includes');
    assert.deepEqual(
      data[MAIN_FILE]?.match(/nkey: \w+ \}/g)?.sort(),
      [`nkey: ${ownUser()} }`, `nkey: ${userKey('administrator')} }`].sort(),
    );
    assert.deepEqual(data[MAIN_FILE]?.match(/.*allow.*/g)?.length, 1);
    assert.deepEqual(sidecarUsersIn(data), [sidecarUser()], 'whose connect still runs');
    assert.equal(data[CA_FILE], settledPlanOf(users).files?.files[CA_FILE]);
  });
});

describe('a plan with a peer for which it throws', () => {
  const peers = ['b', 'c', 'd'].map((name) => aPeer(name));
  const plan = planOf(observedOf(peers), undefined, 'c');

  it('lets in and replays the others, and not that one, whose durable stays', () => {
    const { [MAIN_FILE]: main = '', [PEERS_FILE]: accounts = '' } = plan.files?.files ?? {};
    const written = JSON.stringify(plan.objects.map(({ data }) => data)) + main + accounts;
    assert.deepEqual(
      peers.map(({ spec }) => written.includes(spec.publicKeys?.[0] ?? '')),
      [true, false, true],
    );
    assert.deepEqual(
      plan.peers.map(({ settings, failure }) => [settings?.name, failure?.message]),
      [
        ['b', undefined],
        [undefined, 'c is one too many'],
        ['d', undefined],
      ],
    );
    assert.equal(plan.durables.length, 3);
  });

  it('takes the access of that one back, which it had before', () => {
    const before = planOf(observedOf(peers));
    const [written, writtenSettings] = before.objects.map(({ data }) => data);
    const { revocations } = planOf(observedOf(peers, { written, writtenSettings }), undefined, 'c');
    const left = JSON.stringify(revocations);
    assert.deepEqual(
      peers.map(({ metadata, spec }) => [
        left.includes(spec.publicKeys?.[0] ?? ''),
        left.includes(`tls://${metadata.name}.`),
      ]),
      [
        [true, true],
        [false, false],
        [true, true],
      ],
    );
  });
});

describe("a plan without Kafka's CA", () => {
  const withKafkaCa = (ca: CaSource) => aNode({ spec: { kafka: { ...kafka, tls: true, ca } } });
  const peers = [aPeer('b')];
  const good = planOf(observedOf(peers, { node: withKafkaCa({ inline: certificate('ca-kafka') }) }));
  const written = good.objects[0]?.data;
  const writtenSettings = good.objects[1]?.data;
  const BROKEN: readonly CaSource[] = [
    { configMapRef: { name: 'none' } },
    { inline: certificate('ca-expired') },
    { inline: certificate('ca-kafka').repeat(1_000) },
  ];

  it('lets peers in, invites, and leaves running sidecars the CA that they have', () => {
    for (const ca of BROKEN) {
      const plan = planOf(observedOf([...peers, aPeer('c')], { node: withKafkaCa(ca), written, writtenSettings }));
      assert.equal(plan.problem, undefined);
      assert.ok(plan.kafkaProblem);
      assert.equal(plan.objects.length, 3);
      assert.ok(plan.objects[0]?.data?.[PEERS_FILE]?.includes('lfh-sync-c'));
      assert.equal(plan.objects[1]?.data?.['ca-kafka.crt'], certificate('ca-kafka'));
      assert.ok(DERIVED.isAuthentic(plan.objects[1]?.data ?? {}));
    }
  });

  it('authenticates no CA that somebody else has put in its place', () => {
    for (const ca of BROKEN) {
      const forged = { ...writtenSettings, 'ca-kafka.crt': certificate('ca-b') };
      const node = withKafkaCa(ca);
      const [, sidecar] = planOf(observedOf(peers, { node, written, writtenSettings: forged })).objects;
      assert.equal(DERIVED.isAuthentic(sidecar?.data ?? {}), false);
    }
  });

  it("names the file, and writes none, where there was no CA before: the system's roots do not count instead", () => {
    for (const ca of BROKEN) {
      const [, sidecar] = planOf(observedOf(peers, { node: withKafkaCa(ca) })).objects;
      assert.equal(sidecar?.data?.LFH_SYNC_KAFKA_CA_FILE, 'ca-kafka.crt');
      assert.equal(sidecar?.data?.['ca-kafka.crt'], undefined);
    }
  });
});

describe('a plan with a bundle of 230 KiB as the CA of Kafka and of NATS', () => {
  const ca = { inline: certificate('ca-a') + certificate('ca-kafka') + '\n'.repeat(230 * 1024) };

  it('uses both', () => {
    const node = aNode({ spec: { kafka: { ...kafka, tls: true, ca }, nats: { ...nats, ca } } });
    const plan = planOf(observedOf([aPeer('b')], { node }));
    assert.deepEqual([plan.problem, plan.kafkaProblem], [undefined, undefined]);
    assert.equal(plan.objects[1]?.data?.['ca-kafka.crt'], certificate('ca-a') + certificate('ca-kafka'));
  });
});

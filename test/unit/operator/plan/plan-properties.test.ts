import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import type { PeerSettings } from '../../../../common/contract/peers.ts';
import { REASONS } from '../../../../common/contract/reasons.ts';
import { makeKey } from '../../../../operator/nats/keys.ts';
import { MAIN_FILE, PEERS_FILE } from '../../../../operator/plan/observed/names.ts';
import type { NodeObject, PeerObject } from '../../../../operator/plan/observed/observed.ts';
import type { Plan } from '../../../../operator/plan/plan.ts';
import { advanceProgress } from '../../../../operator/plan/status/progress.ts';
import { nodeAndPeerStatuses, orphanStatus, peerStatus } from '../../../../operator/plan/status/status.ts';
import { keyStep } from '../../../../operator/plan/trust/node-key.ts';
import {
  aKey,
  aNode,
  aPeer,
  certificate,
  DERIVED,
  knownOf,
  NOW,
  OWN_KEY,
  observedOf,
  ownUser,
  PUBLISHED_KEY,
  peerReport,
  planOf,
  references,
  settledPlanOf,
  sidecarOf,
  sidecarUser,
  userKey,
  wellFor,
} from './fixtures.ts';
import { type Granted, type GrantedUser, grantedBy } from './granted.ts';

const { nats } = aNode().spec;
const DAMAGED = `U${'A'.repeat(55)}`;

const isolation = fc.constantFrom('Accounts' as const, 'Users' as const);
const nodeWith = (isolated: 'Accounts' | 'Users'): NodeObject =>
  aNode({ spec: { nats: { ...nats, isolation: isolated, users: [userKey('administrator')] } } });

const SIDECARS = {
  key: sidecarUser(),
  publish: ['EVENTS.app_sync'],
  subscribe: [
    '_INBOX.lfh-sync-hospital-a.own.>',
    'lfh-sync.local.status',
    ...['PING', 'INFO', 'STATS'].flatMap((verb) => [
      `$SRV.${verb}`,
      `$SRV.${verb}.lfh-sync`,
      `$SRV.${verb}.lfh-sync.>`,
    ]),
  ],
};

/** Few enough to collide, and every kind that there is. */
const anyKeys = fc.array(
  fc.constantFrom(
    ...['1', '2', '3', '4', '5'].map(userKey),
    OWN_KEY,
    ownUser(),
    sidecarUser(),
    PUBLISHED_KEY,
    DAMAGED,
    DERIVED.probe('b') ?? '',
  ),
  { maxLength: 3 },
);
const anyId = fc.oneof(
  fc.constantFrom(
    'b',
    'b',
    'b',
    'c',
    'd',
    'a.b',
    '*',
    '>',
    'b.>',
    '$JS',
    '" }',
    'hospital-a',
    'B',
    ' b',
    'x'.repeat(49),
    'é',
  ),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
);
const anyCa = fc.constantFrom(
  undefined,
  { inline: certificate('ca-b') },
  { inline: certificate('ca-c') },
  { inline: '?' },
);

/** Whatever the API server would let through, and more. */
const anyPeers = fc
  .array(
    fc.record({
      lfhId: anyId,
      publicKeys: fc.option(anyKeys, { nil: undefined }),
      servers: fc.constantFrom(undefined, [], ['tls://b:4222'], ['tls://b:99999']),
      ca: anyCa,
      receive: fc.record({ paused: fc.boolean() }),
      send: fc.record({ paused: fc.boolean(), client: fc.constantFrom('Sidecar' as const, 'Connect' as const) }),
      second: fc.nat({ max: 2 }),
    }),
    { maxLength: 6 },
  )
  .map((specs) =>
    specs.map(({ second, ...spec }, index) =>
      aPeer(`peer-${index}`, { spec, metadata: { creationTimestamp: `2026-11-21T08:00:0${second}Z` } }),
    ),
  );

function textsOf({ objects, problem }: Plan): Granted {
  assert.equal(problem, undefined, 'what one peer has in its spec must not stop the others');
  const { data = {} } = objects.find(({ metadata }) => metadata.name === 'local-nats') ?? {};
  return grantedBy(data[MAIN_FILE] ?? '', data[PEERS_FILE] ?? '');
}

function receivedBy({ objects }: Plan): readonly PeerSettings[] {
  const { data = {} } = objects.find(({ metadata }) => metadata.name === 'local-sidecar') ?? {};
  return JSON.parse(data.LFH_SYNC_PEERS ?? '[]') as PeerSettings[];
}

const SERVICES = (name: string): readonly string[] => [
  `$JS.API.CONSUMER.MSG.NEXT.EVENTS.${name}`,
  `$JS.API.CONSUMER.RESET.EVENTS.${name}`,
  `$JS.ACK.EVENTS.${name}.>`,
  `$JS.ACK.*.*.EVENTS.${name}.*.*.*.*.>`,
];
/** What is granted where connect itself receives: its question becomes one about its own durable. */
const CONNECT_SERVICES = (name: string): readonly string[] => [
  `$JS.API.CONSUMER.INFO.EVENTS.${name}`,
  `$JS.ACK.EVENTS.${name}.>`,
  `$JS.ACK.*.*.EVENTS.${name}.*.*.*.*.>`,
];
/** One token of a subject, so that nothing that stands where it does can name other subjects. */
const TOKEN = /^lfh-(sync|connect)-[A-Za-z0-9_-]{1,52}$/;

const isConnect = (name: string): boolean => name.startsWith('lfh-connect-');

function demandPeerUser({ publish, subscribe }: GrantedUser, name: string): void {
  assert.match(name, TOKEN);
  if (isConnect(name)) {
    assert.deepEqual(publish, ['lfh-sync.info', ...CONNECT_SERVICES(name).slice(1)]);
    assert.deepEqual(subscribe, [`lfh-sync.deliver.${name}`, '_INBOX.>']);
    return;
  }
  assert.deepEqual(publish, SERVICES(name));
  assert.deepEqual(subscribe, [`_INBOX.${name}.>`]);
}

describe('the plan of a node with any peers', () => {
  it('is the same to the byte in whatever order the peers are given', () => {
    const cases = anyPeers.chain((peers) =>
      fc.tuple(fc.constant(peers), fc.shuffledSubarray(peers, { minLength: peers.length }), isolation),
    );
    fc.assert(
      fc.property(cases, ([peers, shuffled, isolated]) => {
        const node = nodeWith(isolated);
        const [one, other] = [peers, shuffled].map((each) => planOf(observedOf(each, { node })));
        assert.equal(JSON.stringify(one), JSON.stringify(other));
      }),
    );
  });

  it('grants each peer four subjects and its own inbox in an account of its own, and nobody anything else', () => {
    fc.assert(
      fc.property(anyPeers, (peers) => {
        const plan = planOf(observedOf(peers, { node: nodeWith('Accounts') }));
        const { own: itself, sidecars, administrators, canaries, accounts, exports, users } = textsOf(plan);
        assert.deepEqual([itself, administrators], [[ownUser()], [userKey('administrator')]]);
        assert.deepEqual(sidecars, [SIDECARS]);
        assert.equal(canaries.length, 1);
        assert.deepEqual(users, []);
        assert.equal(accounts.size, plan.granted.length);
        for (const [name, { users: inside, mappings, imports }] of accounts) {
          const [probe, ...peerUsers] = inside.toReversed();
          for (const user of peerUsers) demandPeerUser(user, name);
          assert.ok(peerUsers.length > 0);
          const services = isConnect(name) ? CONNECT_SERVICES(name) : SERVICES(name);
          const messages = isConnect(name) ? [`lfh-sync.deliver.${name}`] : [];
          const asked = isConnect(name) ? 'lfh-sync.info' : services[0];
          assert.deepEqual(probe?.publish, [asked, '$SYS.REQ.ACCOUNT.PING.CONNZ']);
          assert.deepEqual(probe.subscribe, ['_INBOX.probe.>']);
          assert.deepEqual(mappings, isConnect(name) ? [['$JS.API.CONSUMER.INFO.EVENTS.SYNC', 'lfh-sync.info']] : []);
          const to = (index: number): object => (isConnect(name) && index === 0 ? { to: 'lfh-sync.info' } : {});
          assert.deepEqual(imports, [
            ...services.map((subject, index) => ({ kind: 'service', account: 'LFH', subject, ...to(index) })),
            ...messages.map((subject) => ({ kind: 'messages', account: 'LFH', subject })),
          ]);
          assert.deepEqual(
            exports.filter(({ to: account }) => account === name).map(({ subject, kind }) => [subject, kind]),
            isConnect(name)
              ? [
                  ...services.map((subject) => [subject, 'service']),
                  ...messages.map((subject) => [subject, 'messages']),
                ]
              : [],
          );
        }
        const shared = exports.filter(({ to }) => typeof to === 'number');
        assert.deepEqual(
          shared.map(({ subject, to, kind }) => [subject, subject.split('.')[Number(to) - 1], kind]),
          SERVICES('*').map((subject, index) => [subject, '*', index === 0 ? 'service with many answers' : 'service']),
        );
        // The place of the durable, and no other `*`, is that of the account's name.
        assert.deepEqual(
          shared.map(({ to }) => to),
          SERVICES('durable').map((subject) => subject.split('.').indexOf('durable') + 1),
        );
        assert.equal(exports.length, shared.length + 4 * [...accounts.keys()].filter(isConnect).length);
      }),
    );
  });

  it('grants each peer the same three subjects and inbox with isolation Users, and nobody anything else', () => {
    fc.assert(
      fc.property(anyPeers, (peers) => {
        const plan = planOf(observedOf(peers, { node: nodeWith('Users') }));
        const { own, sidecars, administrators, accounts, exports, users } = textsOf(plan);
        assert.deepEqual([own, administrators], [[ownUser()], [userKey('administrator')]]);
        assert.deepEqual(sidecars, [SIDECARS]);
        assert.deepEqual([accounts.size, exports.length], [0, 0]);
        const names = users.map(({ subscribe }) => subscribe[0]?.split('.')[1] ?? '');
        for (const [index, user] of users.entries()) demandPeerUser(user, names[index] ?? '');
        assert.equal(new Set(names).size, plan.granted.length);
      }),
    );
  });

  it('gives nothing, in either direction, to a peer that claims the id or a key of an older one', () => {
    fc.assert(
      fc.property(anyPeers, isolation, (peers, isolated) => {
        const plan = planOf(observedOf(peers, { node: nodeWith(isolated) }));
        const { accounts, users, own, sidecars, administrators, canaries } = textsOf(plan);
        const inside = [...accounts.values()].flatMap((account) => account.users);
        const named = [...sidecars, ...inside, ...users].map(({ key }) => key);
        const keys = [...own, ...administrators, ...canaries, ...named];
        assert.equal(new Set(keys).size, keys.length, 'a key of two');
        for (const bad of [PUBLISHED_KEY, DAMAGED]) assert.ok(!keys.includes(bad));
        const admitted = plan.peers.filter(({ conflict }) => conflict === undefined).map(({ peer }) => peer);
        const ids = ['hospital-a', ...admitted.map(({ spec }) => spec.lfhId)];
        assert.equal(new Set(ids).size, ids.length, 'an id of two');
        const names = new Set(admitted.map(({ metadata }) => metadata.name));
        for (const { metadata } of plan.granted) assert.ok(names.has(metadata.name));
        for (const { name } of receivedBy(plan)) assert.ok(names.has(name));
        const files = receivedBy(plan).flatMap(({ caFile }) => caFile ?? []);
        assert.equal(new Set(files).size, files.length, 'one CA file for two');
      }),
    );
  });
});

describe("a peer's Ready", () => {
  type Situation = { readonly peer: PeerObject; readonly plan: Plan };
  const report = fc.record({
    name: fc.constantFrom('b', 'c'),
    lfhId: fc.constantFrom('b', 'other'),
    owned: fc.boolean(),
    reason: fc.constantFrom(...REASONS),
    lag: fc.constantFrom(null, 0, 7),
  });
  const anySidecars = fc.option(fc.array(fc.array(report, { maxLength: 3 }), { maxLength: 3 }), { nil: undefined });
  const well = { name: 'b', owned: true, reason: 'Replaying', lag: 0 } as const;
  const readyBefore: PeerObject['status'] = {
    conditions: ['Ready', 'ReceiveReady', 'SendReady'].map((type) => ({
      type,
      status: 'True',
      reason: 'Replaying',
      message: '',
      lastTransitionTime: '2026-11-25T11:00:00Z',
      observedGeneration: 2,
    })),
    receive: { position: 40, lag: 0 },
  };

  it('is never True for a peer that should be replayed without a recent report that it is', () => {
    let seen = 0;
    const [ready, fresh] = [{ status: readyBefore }, {}].map((changes) => {
      const peer = aPeer('b', changes);
      return { peer, plan: settledPlanOf(observedOf([peer])) };
    }) as [Situation, Situation];
    fc.assert(
      fc.property(anySidecars, fc.boolean(), (reports, wasReady) => {
        const { peer, plan } = wasReady ? ready : fresh;
        const sidecars = reports?.map((each) => sidecarOf(each.map((changes) => peerReport(changes.name, changes))));
        const [planned] = plan.peers;
        assert.ok(planned);
        const { dataPlane, known } = wellFor([peer]);
        const now = { ...dataPlane, sidecars };
        const progress = advanceProgress(new Map(), plan.peers, now, NOW);
        const step = keyStep(aNode(), aKey(), { inUse: [], unseen: [] }, NOW);
        const { conditions } = peerStatus(planned, {
          plan,
          keyStep: step,
          dataPlane: now,
          ...known,
          progress,
          now: NOW,
        });
        const isReady = conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
        const replayed = (reports ?? [])
          .flat()
          .some(({ name, lfhId, reason }) => name === 'b' && lfhId === 'b' && reason === 'Replaying');
        assert.ok(!isReady || replayed);
        if (isReady) seen += 1;
      }),
      {
        numRuns: 500,
        examples: [
          [[[{ ...well, lfhId: 'b' }]], false],
          [[[{ ...well, lfhId: 'other' }]], true],
          [[], true],
          [undefined, true],
        ],
      },
    );
    assert.ok(seen > 0);
  });
});

describe('a secret', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const PRIVATE_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const SEED = makeKey().seed;
  /** Lines of the private key that are in nothing else, and the seed. */
  const PIECES = [
    SEED.slice(2),
    ...PRIVATE_KEY.split('\n').filter((line) => line.length > 20 && !line.startsWith('-')),
  ];

  const anySecret = fc.constantFrom(
    SEED,
    `${SEED}\n`,
    PRIVATE_KEY,
    certificate('ca-b') + PRIVATE_KEY,
    PRIVATE_KEY.slice(0, 120),
  );
  /** Where one is pasted; the other places are as they should be. */
  const place = (otherwise: string) => fc.option(anySecret, { nil: otherwise, freq: 2 });
  const pasted = fc.record({
    publicKey: place(userKey('b')),
    ca: fc.oneof(
      fc.record({ inline: place(certificate('ca-b')) }),
      fc.record({ configMapRef: fc.record({ name: place('there'), key: place('ca.crt') }) }),
      fc.record({ secretRef: fc.record({ name: place('there'), key: place('ca.crt') }) }),
    ),
    content: place(certificate('ca-c')),
    ownCa: fc.oneof(
      fc.record({ inline: place(certificate('ca-a')) }),
      fc.record({ secretRef: fc.record({ name: place('there') }) }),
    ),
    user: place(userKey('administrator')),
    password: fc.record({ name: place('there'), key: place('password') }),
    keySecret: fc.option(place('there'), { nil: undefined }),
    nodeName: place('local'),
    workload: place('nats'),
  });

  it('gets into no object, condition or status, whatever field it is pasted into', () => {
    fc.assert(
      fc.property(pasted, (at) => {
        const content = { 'ca.crt': at.content, 'tls.key': PRIVATE_KEY };
        const found = references({ there: content }, { there: { ...content, [SEED]: SEED } });
        const { ca, publicKey, nodeName: name } = at;
        const peer = aPeer('b', { spec: { ca, publicKeys: [publicKey], nodeRef: { name } } });
        const sasl = { mechanism: 'plain', username: 'u', passwordSecretRef: at.password } as const;
        const node = aNode({
          spec: {
            nats: { ...nats, users: [at.user], workloadRef: { name: at.workload }, ca: at.ownCa },
            kafka: { brokers: ['kafka:9092'], sasl },
            ...(at.keySecret !== undefined && { key: { secretRef: { name: at.keySecret } } }),
          },
        });
        const key = at.keySecret === undefined ? aKey() : undefined;
        const observed = observedOf([peer], { node, key, references: found });
        const plan = planOf(observed);
        const step = keyStep(node, key, { inUse: [], unseen: [] }, NOW);
        const nothing = { nats: undefined, sidecars: undefined };
        const known = knownOf({ missing: new Set([`StatefulSet/${at.workload}`]) });
        const input = { plan, keyStep: step, dataPlane: nothing, ...known, now: NOW };
        const statuses = [nodeAndPeerStatuses(observed, input), orphanStatus(peer, name, NOW)];
        const text = JSON.stringify([plan.objects, plan.durables, statuses]);
        for (const piece of PIECES) assert.ok(!text.includes(piece), text);
      }),
      { numRuns: 500 },
    );
  });
});

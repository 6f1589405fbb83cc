import assert from 'node:assert/strict';
import type { Condition, LfhSyncNode, LfhSyncPeer } from '../../../../../operator/api/types.ts';
import type { DataPlane, NodeObject, Observed, PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import {
  nodeStatus,
  orphanStatus,
  peerStatus,
  previousKeyUsers,
  unseenPeers,
} from '../../../../../operator/plan/status/status.ts';
import type { KeyStep } from '../../../../../operator/plan/trust/node-key.ts';
import {
  aKey,
  aNode,
  aPeer,
  certificate,
  durableOf,
  HOUR_MS,
  type Known,
  knownOf,
  NOW,
  natsOf,
  OWN_KEY,
  observedOf,
  peerReport,
  planOf,
  settledPlanOf,
  sidecarOf,
  USE,
  userKey,
  wellFor,
} from '../fixtures.ts';

const BEFORE = userKey('before');
/** Of the certificates of the fixtures. */
const CA_EXPIRES = '2126-01-01T00:00:00.000Z';
const stop: KeyStep = { step: 'stop', reason: 'KeyLost', message: 'gone' };

function statusOf(
  peer: PeerObject,
  dataPlane: Partial<DataPlane> = {},
  known: Partial<Known> = {},
): NonNullable<LfhSyncPeer['status']> {
  const plan = settledPlanOf(observedOf([peer]));
  const [planned] = plan.peers;
  assert.ok(planned);
  const well = wellFor([peer]);
  return peerStatus(planned, {
    plan,
    keyStep: USE,
    dataPlane: { ...well.dataPlane, ...dataPlane },
    ...well.known,
    ...known,
    now: NOW,
  });
}

describe("a peer's status", () => {
  const full = statusOf(aPeer('b'));

  it('has what its sidecar and our NATS report about it', () => {
    const { conditions, ...rest } = full;
    assert.deepEqual(rest, {
      observedGeneration: 2,
      name: 'lfh-sync-b',
      receive: {
        position: 40,
        lag: 0,
        lastReplayTime: '2026-11-25T11:59:01Z',
        replayed: 30,
        skipped: 0,
        rejected: 0,
        server: 'tls://b.example.org:4222',
        key: OWN_KEY,
      },
      send: {
        pending: 0,
        ackFloor: 70,
        lastPullTime: '2026-11-25T11:59:58Z',
        client: 'Sidecar',
        connectedKey: userKey('b'),
      },
      certificateExpiry: { serverCa: CA_EXPIRES },
    });
    assert.deepEqual(
      conditions?.map(({ type }) => type),
      ['Ready', 'ReceiveReady', 'SendReady'],
    );
  });

  it('has the name that NATS and Kafka know the peer by, also where that is a hash of its id', () => {
    assert.match(statusOf(aPeer('b', { spec: { lfhId: 'b.*' } })).name ?? '', /^lfh-sync-[a-z2-7]{52}$/);
  });

  it('counts the messages that were skipped and rejected, for all reasons together', () => {
    const { skipped, rejected } = peerReport('b');
    const report = peerReport('b', {
      skipped: { ...skipped, OwnMessage: 2, BeforeStart: 3 },
      rejected: { ...rejected, NotJson: 4, TooLarge: 5 },
    });
    const { receive } = statusOf(aPeer('b'), { sidecars: [sidecarOf([report])] });
    assert.deepEqual([receive?.skipped, receive?.rejected], [5, 9]);
  });

  it('leaves out what the sidecar does not know', () => {
    const report = peerReport('b', { position: null, lag: null, lastReplayTime: null, server: null, key: null });
    const { receive } = statusOf(aPeer('b'), { sidecars: [sidecarOf([report])] });
    assert.deepEqual(receive, { replayed: 30, skipped: 0, rejected: 0 });
  });

  it('has the position that was seen last while a sidecar that was started has not read it', () => {
    const sidecars = [sidecarOf([peerReport('b', { reason: 'KeyRefused', position: null })])];
    const before = aPeer('b', { status: { receive: { position: 7 } } });
    const first = statusOf(before, { sidecars });
    assert.equal(first.receive?.position, 7);
    const second = statusOf(aPeer('b', { status: first }), { sidecars });
    assert.equal(second.conditions?.find(({ type }) => type === 'ReceiveReady')?.reason, 'KeyRefused');
  });

  it('has what a site without lfh-sync needs as long as the spec asks for it, whatever is reported', () => {
    const peer = aPeer('b', { spec: { receive: { manual: true } } });
    for (const sidecars of [undefined, [sidecarOf([peerReport('b')])]]) {
      const { receive } = statusOf(peer, { sidecars });
      assert.match(receive?.manual?.user ?? '', /^\{ nkey: U/);
      const after = statusOf(aPeer('b', { status: { receive: receive ?? {} } }), { sidecars });
      assert.equal(after.receive?.manual, undefined);
    }
  });

  it('has the report of the sidecar that replays the peer, and not that of another', () => {
    const other = peerReport('b', { owned: false, reason: 'NotOwned', position: null, lag: null });
    for (const sidecars of [
      [sidecarOf([other]), sidecarOf([peerReport('b')])],
      [sidecarOf([peerReport('b')]), sidecarOf([other])],
    ]) {
      assert.deepEqual(statusOf(aPeer('b'), { sidecars }), full);
    }
  });

  const before = aPeer('b', { status: full });
  const SEEN: readonly [what: string, dataPlane: Partial<DataPlane>, known: Partial<Known>, change: object][] = [
    ['neither NATS nor a sidecar can be asked', { nats: undefined, sidecars: undefined }, knownOf(), {}],
    ['no sidecar has taken the peer up', { sidecars: [sidecarOf([])] }, {}, {}],
    ['its durable does not exist', { nats: natsOf([]) }, {}, {}],
    [
      'nothing was delivered since its durable was recreated',
      { nats: natsOf([durableOf('b', { lastActive: null, ackFloor: 0, pending: 5 })]) },
      {},
      { send: { ...full.send, pending: 5, ackFloor: 0 } },
    ],
    [
      'it is not known with which key it is connected',
      {},
      { accesses: new Map([['b', { access: { served: true, connectedKeys: [] }, at: NOW }]]) },
      { send: { pending: 0, ackFloor: 70, lastPullTime: '2026-11-25T11:59:58Z', client: 'Sidecar' } },
    ],
  ];
  for (const [what, dataPlane, known, change] of SEEN) {
    it(`keeps what was seen last when ${what}`, () => {
      const { conditions: _new, ...now } = statusOf(before, dataPlane, known);
      const { conditions: _old, ...then } = full;
      assert.deepEqual(now, { ...then, ...change });
    });
  }

  it('has when the certificate of its server expires, and keeps that while no sidecar says it', () => {
    const certificateExpires = '2027-01-01T00:00:00.000Z';
    const seen = statusOf(aPeer('b'), { sidecars: [sidecarOf([peerReport('b', { certificateExpires })])] });
    const expected = { server: certificateExpires, serverCa: CA_EXPIRES };
    assert.deepEqual(seen.certificateExpiry, expected);
    const kept = aPeer('b', { status: seen });
    assert.deepEqual(statusOf(kept, { sidecars: undefined }).certificateExpiry, expected);
    const sendsOnly = aPeer('b', { status: seen, spec: { servers: undefined } });
    assert.equal(statusOf(sendsOnly).certificateExpiry, undefined);
  });

  it('has when it last asked: a pull that waits is one, and is noted every 5 minutes', () => {
    const lastPull = (before: string | undefined, durable: Parameters<typeof durableOf>[1]): string | undefined => {
      const status = { send: before === undefined ? {} : { lastPullTime: before } };
      return statusOf(aPeer('b', { status }), { nats: natsOf([durableOf('b', durable)]) }).send?.lastPullTime;
    };
    const now = '2026-11-25T12:00:00.000Z';
    const [hourAgo, minuteAgo] = ['2026-11-25T11:00:00Z', '2026-11-25T11:59:00Z'];
    assert.equal(lastPull(hourAgo, { lastActive: null }), now);
    assert.equal(lastPull(undefined, { lastActive: hourAgo }), now);
    assert.equal(lastPull(minuteAgo, { lastActive: hourAgo }), minuteAgo);
    assert.equal(lastPull(hourAgo, { lastActive: null, waiting: 0 }), hourAgo);
    assert.equal(lastPull(minuteAgo, { lastActive: hourAgo, waiting: 0 }), minuteAgo);
    assert.equal(lastPull(undefined, { lastActive: null, waiting: 0 }), undefined);
  });

  it('has since when the peer lacks messages, and when they expire, for as long as it lacks some', () => {
    const known = (all: boolean): Partial<Known> => ({
      progress: new Map([
        [
          'b',
          {
            received: { mark: 0, since: NOW },
            sent: { mark: 0, since: NOW },
            fetched: { upTo: NOW - 1_000, all, mark: undefined },
          },
        ],
      ]),
    });
    const sendOf = (all: boolean, streamMaxAge?: number) => {
      const { behindSince, expiresAt } =
        statusOf(aPeer('b'), { nats: natsOf([durableOf('b')], { streamMaxAge }) }, known(all)).send ?? {};
      return [behindSince, expiresAt];
    };
    assert.deepEqual(sendOf(false, 61_000), ['2026-11-25T11:59:59.000Z', '2026-11-25T12:01:00.000Z']);
    assert.deepEqual(sendOf(false), ['2026-11-25T11:59:59.000Z', undefined]);
    assert.deepEqual(sendOf(true, 61_000), [undefined, undefined]);
  });

  it('forgets a direction that is not asked for any more', () => {
    const nothing = { nats: natsOf([]), sidecars: [sidecarOf([])] };
    const sends = statusOf(aPeer('b', { status: full, spec: { servers: undefined } }), nothing);
    assert.deepEqual([sends.receive, sends.send], [undefined, full.send]);
    const receives = statusOf(aPeer('b', { status: full, spec: { publicKeys: undefined } }), nothing);
    assert.deepEqual([receives.receive, receives.send], [full.receive, undefined]);
  });

  it('keeps a direction that is paused', () => {
    const paused = aPeer('b', { status: full, spec: { receive: { paused: true }, send: { paused: true } } });
    const { receive, send } = statusOf(paused, { nats: natsOf([]), sidecars: [] });
    assert.deepEqual([receive, send], [full.receive, full.send]);
  });

  it('is equal to the one before when nothing has changed, so that nothing is written', () => {
    assert.deepEqual(statusOf(before), full);
  });
});

describe('the status of a peer without a node', () => {
  it('says that the node is missing, and keeps what was seen', () => {
    const seen = statusOf(aPeer('b'));
    const { conditions, ...rest } = orphanStatus(aPeer('b', { status: seen }), 'main', NOW);
    const { conditions: _, ...expected } = seen;
    assert.deepEqual(rest, expected);
    assert.deepEqual(
      conditions?.map(({ type, status, reason }) => [type, status, reason]),
      [
        ['Ready', 'False', 'NodeMissing'],
        ['ReceiveReady', 'False', 'NodeMissing'],
        ['SendReady', 'False', 'NodeMissing'],
        ['Stalled', 'True', 'NodeMissing'],
      ],
    );
    assert.match(conditions?.[0]?.message ?? '', /no LfhSyncNode main in this namespace/);
  });
});

interface NodeSituation {
  readonly node?: NodeObject;
  readonly observed?: Partial<Observed>;
  readonly step?: KeyStep;
  readonly dataPlane?: Partial<DataPlane>;
  readonly publicKeys?: readonly string[];
  readonly first?: boolean;
  readonly known?: Partial<Known>;
}

function ofNode({ node = aNode(), observed, step = USE, dataPlane, publicKeys, first, known }: NodeSituation = {}) {
  const all = observedOf([aPeer('b'), aPeer('c')], { node, ...observed });
  const plan = first || publicKeys ? planOf(all, publicKeys) : settledPlanOf(all);
  const peers = [ready('True'), ready('False')];
  const well = { nats: natsOf(), sidecars: [sidecarOf([])] };
  const input = { plan, keyStep: step, dataPlane: { ...well, ...dataPlane }, ...knownOf(known), now: NOW };
  return { plan, status: nodeStatus(all, peers, input) };
}

function ready(status: Condition['status']): NonNullable<LfhSyncPeer['status']> {
  return { conditions: [{ type: 'Ready', status, reason: 'AllReady', message: '', lastTransitionTime: '' }] };
}

describe("a node's status", () => {
  it('has its name, keys and invitation, the count of its peers, and the hash of what its servers run', () => {
    const { status, plan } = ofNode();
    const { conditions, ...rest } = status;
    assert.deepEqual(rest, {
      observedGeneration: 3,
      lfhId: 'hospital-a',
      name: 'lfh-sync-hospital-a',
      publicKeys: [OWN_KEY],
      rotation: 0,
      previousKeyInUseBy: [],
      invitation: 'local-invitation',
      certificateExpiry: { natsCa: CA_EXPIRES },
      peers: { total: 2, ready: 1 },
      configHash: plan.files?.hash.slice(0, 12),
    });
    assert.deepEqual(
      conditions?.map(({ type }) => type),
      ['KeyReady', 'NatsConfigLive', 'Ready', 'SidecarReady', 'StreamReady', 'TransmitReady'],
    );
  });

  it('has both keys of a rotation, and which rotation made the key in force when', () => {
    const rotatedAt = '2026-11-25T11:00:00.000Z';
    const step: KeyStep = { ...USE, publicKeys: [OWN_KEY, BEFORE], reason: 'Rotating' } as KeyStep;
    const key = aKey({ previous: { publicKey: BEFORE, published: false }, rotation: 4, rotatedAt });
    const { publicKeys, rotation, rotatedAt: reported } = ofNode({ observed: { key }, step }).status;
    assert.deepEqual([publicKeys, rotation, reported], [[OWN_KEY, BEFORE], 4, rotatedAt]);
  });

  const OLD: NonNullable<LfhSyncNode['status']> = { publicKeys: [BEFORE], rotation: 2, configHash: 'before' };
  const old = aNode({ status: OLD });

  it('keeps its public keys, which peers know, while there is no key that may be used', () => {
    const { publicKeys, rotation } = ofNode({ node: old, step: stop, observed: { key: undefined } }).status;
    assert.deepEqual([publicKeys, rotation], [[BEFORE], 2]);
  });

  it('has the hash of the configuration that was last seen to run, not of one that is on its way', () => {
    assert.equal(ofNode({ node: old, first: true }).status.configHash, 'before');
    assert.equal(ofNode({ node: old, dataPlane: { nats: undefined } }).status.configHash, 'before');
    const { plan, status } = ofNode({ node: old });
    assert.equal(status.configHash, plan.files?.hash.slice(0, 12));
  });

  it('has when the first certificate of its servers and the last authority of its CAs expire, and keeps what was seen', () => {
    const expires = [3, 1, 2].map((days) => NOW + days * 24 * 3_600_000);
    const servers = expires.map((certificateExpires, index) => {
      return { server: `n${index}:4222`, outcome: 'Live' as const, message: 'runs it', certificateExpires };
    });
    const seen = ofNode({ node: aNode(), dataPlane: { nats: natsOf([], { servers }) } }).status;
    const expected = { nats: '2026-11-26T12:00:00.000Z', natsCa: CA_EXPIRES };
    assert.deepEqual(seen.certificateExpiry, expected);
    const node = aNode({ status: seen });
    assert.deepEqual(ofNode({ node, dataPlane: { nats: undefined } }).status.certificateExpiry, expected);
  });

  it('names no invitation that was not made', () => {
    assert.equal(ofNode({ publicKeys: [], step: stop, observed: { key: undefined } }).status.invitation, undefined);
    const kept = aNode({ status: { invitation: 'local-invitation' } });
    assert.equal(ofNode({ node: kept, publicKeys: [], step: stop }).status.invitation, 'local-invitation');
  });

  it('names the workload that has the sidecar, and none where no workload has it', () => {
    const node = aNode({ status: { workload: 'Deployment/before' } });
    assert.equal(ofNode({ node }).status.workload, undefined);
    const injection = { workload: 'Deployment/connect' };
    assert.equal(ofNode({ node, known: { injection } }).status.workload, 'Deployment/connect');
  });
});

describe('previousKeyUsers', () => {
  const key = aKey({ previous: { publicKey: BEFORE, published: false }, rotation: 1 });
  const accepts = (name: string, accepted: string | undefined, more: Parameters<typeof aPeer>[1] = {}): PeerObject =>
    aPeer(name, { ...more, status: { receive: accepted === undefined ? {} : { key: accepted } } });

  const ROWS: readonly [what: string, peers: readonly PeerObject[], found: readonly string[], key?: Observed['key']][] =
    [
      [
        'gives the peers that were last seen to accept only the previous key, sorted by name',
        [accepts('c', BEFORE), accepts('b', BEFORE)],
        ['b', 'c'],
      ],
      ['leaves out peers that accept the new key', [accepts('b', OWN_KEY), accepts('c', BEFORE)], ['c']],
      ['leaves out peers of which it is not known what they accept', [aPeer('b'), accepts('c', undefined)], []],
      [
        'leaves out peers that are being deleted',
        [accepts('b', BEFORE, { metadata: { deletionTimestamp: '2026-11-25T12:00:00Z' } })],
        [],
      ],
      [
        'leaves out peers that nothing is received from any more',
        [accepts('b', BEFORE, { spec: { servers: [] } })],
        [],
      ],
      ['gives peers that are paused', [accepts('b', BEFORE, { spec: { receive: { paused: true } } })], ['b']],
      ['gives no peer without a previous key', [accepts('b', BEFORE)], [], aKey()],
      ['gives no peer without any key', [accepts('b', BEFORE)], [], undefined],
      [
        'gives no peer where the previous key cannot be read',
        [accepts('b', BEFORE)],
        [],
        aKey({ previous: { problem: 'damaged' } }),
      ],
    ];
  for (const [what, peers, found, ...others] of ROWS) {
    it(what, () => {
      assert.deepEqual(previousKeyUsers({ peers, key: others.length > 0 ? others[0] : key }), found);
    });
  }
});

describe('unseenPeers', () => {
  const made = (name: string, hours: number, accepted?: string): PeerObject =>
    aPeer(name, {
      metadata: { creationTimestamp: new Date(NOW - hours * HOUR_MS).toISOString() },
      status: accepted === undefined ? {} : { receive: { key: accepted } },
    });

  it('gives the peers of which it is not known which key they accept, for so long after they were made', () => {
    const peers = [made('c', 1), made('b', 23), made('old', 25), made('seen', 1, OWN_KEY)];
    assert.deepEqual(unseenPeers(peers, 24 * HOUR_MS, NOW), ['b', 'c']);
  });

  it('leaves out peers that nothing is received from', () => {
    const peer = aPeer('b', { ...made('b', 1), spec: { servers: [] } });
    assert.deepEqual(unseenPeers([peer], 24 * HOUR_MS, NOW), []);
  });
});

describe('the previous key of a node', () => {
  const key = aKey({ previous: { publicKey: BEFORE, published: false }, rotation: 1 });
  const users = (peer: PeerObject): string[] => previousKeyUsers({ key, peers: [peer] });

  /** The peer after a reconcile in which its sidecar reported which key the peer accepts. */
  const after = (peer: PeerObject, accepted: string | null): PeerObject => {
    const sidecars = [sidecarOf([peerReport('b', { key: accepted })])];
    return aPeer('b', { status: statusOf(peer, { sidecars }) });
  };

  it('is in use by a peer that accepts it, even while the peer is down, until the peer accepts the new one', () => {
    const seen = after(aPeer('b'), BEFORE);
    assert.deepEqual(users(seen), ['b']);
    const down = after(seen, null);
    assert.deepEqual(users(down), ['b']);
    assert.deepEqual(users(after(down, null)), ['b']);
    assert.deepEqual(users(after(down, OWN_KEY)), []);
  });

  it('is not in use by a peer that was never seen to accept it', () => {
    assert.deepEqual(users(after(aPeer('b'), null)), []);
  });
});

describe('the conditions of a peer whose node has a problem', () => {
  it('have the problem of the node in both directions, whatever the sidecars report', () => {
    const { nats } = aNode().spec;
    const node = aNode({ spec: { nats: { ...nats, ca: { inline: certificate('ca-expired') } } } });
    const peer = aPeer('b', { spec: { servers: undefined } });
    const plan = planOf(observedOf([peer], { node }));
    const [planned] = plan.peers;
    assert.ok(planned);
    const { dataPlane, known } = wellFor([peer]);
    const { conditions } = peerStatus(planned, { plan, keyStep: USE, dataPlane, ...known, now: NOW });
    assert.deepEqual(
      conditions?.map(({ type, reason }) => [type, reason]),
      ['Ready', 'ReceiveReady', 'Reconciling', 'SendReady'].map((type) => [type, 'NodeNotReady']),
    );
  });
});

import assert from 'node:assert/strict';
import {
  accessIn,
  hashOf,
  type NatsFiles,
  natsFiles,
  ownUsersIn,
  sidecarUsersIn,
  withoutRevoked,
} from '../../../../../operator/plan/nats/files.ts';
import { CA_FILE, MAIN_FILE, PEERS_FILE } from '../../../../../operator/plan/observed/names.ts';
import { earlierNatsText } from '../../../../kit/servers/earlier-nats-text.ts';
import { userKey } from '../fixtures.ts';

const KEYS = ['A', 'B', 'C', 'D'].map(userKey) as [string, string, string, string];
const [OWN, B, C, CANARY] = KEYS;
const CA = '-----BEGIN CERTIFICATE-----\n';

function planned(
  peers: Record<string, string>,
  written?: Readonly<Record<string, string>>,
  liveHash?: string,
  ca = CA,
  {
    restarts = false,
    isolation = 'Accounts',
    leavesOut = false,
  }: { restarts?: boolean; isolation?: 'Accounts' | 'Users'; leavesOut?: boolean } = {},
) {
  const admitted = Object.entries(peers).map(([lfhId, key]) => ({ lfhId, publicKeys: [key] }));
  return natsFiles(
    { account: 'LFH', isolation, own: [OWN], users: [], peers: admitted },
    ca,
    { written, liveHash, restarts, leavesOut },
    { canary: () => CANARY },
  );
}

describe('the files for NATS', () => {
  it('have one canary, and a hash of everything but its line', () => {
    const { files, hash } = planned({ b: B });
    assert.equal(files[MAIN_FILE].split(CANARY).length, 2);
    assert.equal(hashOf(files), hash);
    assert.equal(hashOf({ ...files, [MAIN_FILE]: files[MAIN_FILE].replace(CANARY, B) }), hash);
    for (const name of Object.keys(files) as (keyof typeof files)[]) {
      assert.notEqual(hashOf({ ...files, [name]: `${files[name]}#\n` }), hash, name);
    }
  });

  it('let the canary neither publish nor subscribe', () => {
    assert.ok(
      planned({}).files[MAIN_FILE].includes(
        `{ nkey: ${CANARY}, permissions: { publish: { deny: [">"] }, subscribe: { deny: [">"] } } }`,
      ),
    );
  });

  it('are written a second time, with another hash, when the reload that adds a new peer is live', () => {
    const before = planned({});
    assert.equal(before.phase, 'final');
    const first = planned({ b: B }, before.files, before.hash);
    assert.equal(first.phase, 'first');
    assert.deepEqual(planned({ b: B }, first.files, before.hash), first, 'not before it is live');
    const second = planned({ b: B }, first.files, first.hash);
    assert.equal(second.phase, 'final');
    assert.notEqual(second.hash, first.hash);
    assert.deepEqual(planned({ b: B }, second.files, second.hash), second, 'and then never again');
    assert.deepEqual(
      planned({ b: B }, second.files, undefined),
      second,
      'nor when an operator starts that has not seen any server yet',
    );
  });

  it('ask for up to five more reloads while a peer is left out, and then stay as they are', () => {
    const first = planned({ b: B });
    let now = planned({ b: B }, first.files, first.hash);
    const hashes = new Set([now.hash]);
    for (let more = 1; more <= 7; more += 1) {
      const next = planned({ b: B }, now.files, now.hash, CA, { leavesOut: true });
      assert.equal(next.phase, 'final');
      assert.deepEqual(
        planned({ b: B }, next.files, now.hash).files,
        next.files,
        'nothing is rewritten before it is live',
      );
      hashes.add(next.hash);
      now = next;
    }
    assert.equal(hashes.size, 6);
    assert.match(now.files[MAIN_FILE], /^# And 5 more, for accounts that were left out\.$/m);
  });

  it('ask for one reload when a peer, a key or a CA goes or a key is replaced', () => {
    const now = planned({ b: B, c: C });
    const live = planned({ b: B, c: C }, planned({ b: B, c: C }, now.files, now.hash).files, now.hash);
    assert.equal(live.phase, 'final');
    assert.equal(planned({ b: B }, live.files, live.hash).phase, 'final');
    assert.equal(planned({ b: B, c: userKey('E') }, live.files, live.hash).phase, 'final');
    assert.equal(planned({ b: B, c: C }, live.files, live.hash, '').phase, 'final');
  });

  it('start again with the first reload when another peer comes before that is live', () => {
    const first = planned({ b: B }, planned({}).files);
    const more = planned({ b: B, c: C }, first.files);
    assert.equal(more.phase, 'first');
    assert.equal(planned({ b: B, c: C }, more.files, first.hash).phase, 'first');
    assert.equal(planned({ b: B, c: C }, more.files, more.hash).phase, 'final');
  });

  it('ask for one reload where servers are restarted, or no peer has an account of its own', () => {
    assert.equal(planned({ b: B }, undefined, undefined, CA, { restarts: true }).phase, 'final');
    assert.equal(planned({ b: B }, undefined, undefined, CA, { isolation: 'Users' }).phase, 'final');
  });

  it('ask for two reloads when isolation Accounts gives each peer an account', () => {
    const users = planned({ b: B }, undefined, undefined, CA, { isolation: 'Users' });
    assert.equal(planned({ b: B }, users.files, users.hash).phase, 'first');
  });

  it('ask for two reloads when a peer comes back', () => {
    const gone = planned({}, planned({ b: B }).files, undefined);
    assert.equal(planned({ b: B }, gone.files, gone.hash).phase, 'first');
  });

  it('stay those of the first reload while servers run something else, such as the configuration before', () => {
    const before = planned({});
    const first = planned({ b: B }, before.files, before.hash);
    for (const live of [undefined, before.hash, 'x']) assert.deepEqual(planned({ b: B }, first.files, live), first);
  });

  it('start again with the first reload when the written files are gone or somebody has changed them', () => {
    const first = planned({ b: B });
    const second = planned({ b: B }, first.files, first.hash);
    assert.equal(planned({ b: B }, undefined, second.hash).phase, 'first');
    assert.equal(planned({ b: B }, { ...second.files, [PEERS_FILE]: '' }, second.hash).phase, 'first');
    assert.equal(planned({ b: B }, { 'other.conf': '' }, second.hash).phase, 'first');
  });

  it('have no canary, but the same hash, while there is no key to derive a canary from', () => {
    const access = { account: 'LFH', own: [OWN], users: [], peers: [] };
    const servers = { written: undefined, liveHash: undefined, restarts: false };
    const without = natsFiles(access, CA, servers, { canary: () => undefined });
    assert.equal(without.files[MAIN_FILE].includes('canary'), false);
    assert.equal(without.hash, planned({}).hash);
    assert.equal(hashOf(without.files), without.hash);
  });

  it('show which of their users the node itself is, whatever the isolation', () => {
    const sidecars = { publicKeys: [B], lfhId: 'hospital-a', node: 'local' };
    const access = { account: 'LFH', own: [OWN, C], sidecars, users: [userKey('administrator')], peers: [] };
    const servers = { written: undefined, liveHash: undefined, restarts: true };
    for (const isolation of ['Accounts', 'Users'] as const) {
      const { files } = natsFiles({ ...access, isolation }, CA, servers, { canary: () => CANARY });
      assert.deepEqual(ownUsersIn(files), [OWN, C].sort());
      assert.deepEqual(sidecarUsersIn(files), [B]);
      assert.deepEqual(withoutRevoked(files, []), files, 'they are no peers, whose access could be taken back');
    }
    assert.deepEqual(ownUsersIn(undefined), []);
    assert.deepEqual(ownUsersIn({ [MAIN_FILE]: `    { nkey: U${'A'.repeat(55)} } # this node's own\n` }), []);
  });

  it('have a hash that differs from that of files which somebody else wrote or removed', () => {
    assert.equal(hashOf(undefined), undefined);
    assert.equal(hashOf({ 'other.conf': '' }), undefined);
    const { files, hash } = planned({ b: B });
    assert.notEqual(hashOf({ [MAIN_FILE]: files[MAIN_FILE], [PEERS_FILE]: '' }), hash);
  });
});

describe('withoutRevoked', () => {
  const [administrator, b2, probeOfB, probeOfC] = ['administrator', 'b2', 'probe of b', 'probe of c'].map(userKey) as [
    string,
    string,
    string,
    string,
  ];

  for (const [isolation, client] of [
    ['Accounts', 'Sidecar'],
    ['Accounts', 'Connect'],
    ['Users', 'Sidecar'],
  ] as const) {
    function files(peers: Readonly<Record<string, readonly string[]>>): NatsFiles {
      const probes: Readonly<Record<string, string>> = { b: probeOfB, 'c.c': probeOfC };
      const access = {
        isolation,
        account: 'LFH',
        own: [OWN],
        users: [administrator],
        peers: Object.entries(peers).map(([lfhId, keys]) => ({
          lfhId,
          publicKeys: keys,
          client,
          probe: probes[lfhId] ?? '',
        })),
      };
      const servers = { written: undefined, liveHash: undefined, restarts: true };
      return natsFiles(access, 'ca', servers, { canary: () => CANARY }).files;
    }

    /** Compares everything but the canary, which is still that of the text before. */
    const same = (one: NatsFiles, other: NatsFiles): void => assert.equal(hashOf(one), hashOf(other));

    describe(`with isolation ${isolation} and client ${client}`, () => {
      const both = files({ b: [B, b2], 'c.c': [C] });

      it('changes nothing where every peer is still granted its keys', () => {
        const granted = [
          { lfhId: 'b', publicKeys: [B, b2], client },
          { lfhId: 'c.c', publicKeys: [C], client },
        ];
        assert.deepEqual(withoutRevoked(both, granted), both);
      });

      it('gives the same as planning without the peers and keys that are not granted any more', () => {
        same(withoutRevoked(both, [{ lfhId: 'b', publicKeys: [B, b2], client }]), files({ b: [B, b2] }));
        same(withoutRevoked(both, [{ lfhId: 'b', publicKeys: [b2, C], client }]), files({ b: [b2] }));
        same(withoutRevoked(both, []), files({}));
      });

      it('takes away the access of a peer whose client has changed', () => {
        const other = client === 'Connect' ? 'Sidecar' : 'Connect';
        same(withoutRevoked(both, [{ lfhId: 'b', publicKeys: [B], client: other }]), files({}));
      });

      it('adds no peer, and keeps the node itself and its administrators', () => {
        const none = withoutRevoked(files({}), [{ lfhId: 'b', publicKeys: [B], client }]);
        assert.deepEqual(none, files({}));
        assert.ok([OWN, administrator].every((key) => none[MAIN_FILE].includes(key)));
        assert.ok(!none[PEERS_FILE].includes('{'));
      });
    });
  }
});

describe('the text of an operator of before, in which each peer has exports and subjects of its own', () => {
  const textOf = (peers: Readonly<Record<string, string>>): Record<string, string> => {
    const { mainAccount, peerAccounts } = earlierNatsText(OWN, peers);
    return { [MAIN_FILE]: mainAccount, [PEERS_FILE]: peerAccounts, [CA_FILE]: CA };
  };
  const before = textOf({ b: B, c: C });

  it('shows who is let in, and is taken back from those who are not granted it any more', () => {
    assert.deepEqual(
      [...accessIn(before)].map(([account, keys]) => [account, ...keys]),
      [
        ['lfh-sync-b', B],
        ['lfh-sync-c', C],
      ],
    );
    assert.deepEqual(withoutRevoked(before, [{ lfhId: 'c', publicKeys: [C] }]), textOf({ c: C }));
  });

  it('is replaced in one reload, since no account is new', () => {
    assert.equal(planned({ b: B, c: C }, before, hashOf(before)).phase, 'final');
  });
});

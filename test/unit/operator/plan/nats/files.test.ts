import assert from 'node:assert/strict';
import { hashOf, natsFiles, ownUsersIn } from '../../../../../operator/plan/nats/files.ts';
import { MAIN_FILE, PEERS_FILE } from '../../../../../operator/plan/observed/names.ts';
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

describe("the files that a node's nats-server includes", () => {
  it('have one canary, whose line is all that the hash leaves out', () => {
    const { files, hash } = planned({ b: B });
    assert.equal(files[MAIN_FILE].split(CANARY).length, 2);
    assert.equal(hashOf(files), hash);
    assert.equal(hashOf({ ...files, [MAIN_FILE]: files[MAIN_FILE].replace(CANARY, B) }), hash);
    for (const name of Object.keys(files) as (keyof typeof files)[]) {
      assert.notEqual(hashOf({ ...files, [name]: `${files[name]}#\n` }), hash, name);
    }
  });

  it('give the canary nothing to publish and nothing to hear', () => {
    assert.ok(
      planned({}).files[MAIN_FILE].includes(
        `{ nkey: ${CANARY}, permissions: { publish: { deny: [">"] }, subscribe: { deny: [">"] } } }`,
      ),
    );
  });

  it('are loaded twice when a peer is new: again, with another hash, when the first is live', () => {
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
      'nor when an operator starts that knows nothing',
    );
  });

  it('are loaded once more, but not for ever, while somebody is left out, and stay as they are then', () => {
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

  it('are loaded once when a key, a CA or the list of peers gets shorter', () => {
    const now = planned({ b: B, c: C });
    const live = planned({ b: B, c: C }, planned({ b: B, c: C }, now.files, now.hash).files, now.hash);
    assert.equal(live.phase, 'final');
    assert.equal(planned({ b: B }, live.files, live.hash).phase, 'final');
    assert.equal(planned({ b: B, c: userKey('E') }, live.files, live.hash).phase, 'final');
    assert.equal(planned({ b: B, c: C }, live.files, live.hash, '').phase, 'final');
  });

  it('begin anew when another peer comes while the first reload is not live', () => {
    const first = planned({ b: B }, planned({}).files);
    const more = planned({ b: B, c: C }, first.files);
    assert.equal(more.phase, 'first');
    assert.equal(planned({ b: B, c: C }, more.files, first.hash).phase, 'first');
    assert.equal(planned({ b: B, c: C }, more.files, more.hash).phase, 'final');
  });

  it('are loaded once where servers are restarted, or nobody has an account of its own', () => {
    assert.equal(planned({ b: B }, undefined, undefined, CA, { restarts: true }).phase, 'final');
    assert.equal(planned({ b: B }, undefined, undefined, CA, { isolation: 'Users' }).phase, 'final');
  });

  it('are loaded twice again when peers get accounts of their own that had none', () => {
    const users = planned({ b: B }, undefined, undefined, CA, { isolation: 'Users' });
    assert.equal(planned({ b: B }, users.files, users.hash).phase, 'first');
  });

  it('are loaded twice again when a peer comes back', () => {
    const gone = planned({}, planned({ b: B }).files, undefined);
    assert.equal(planned({ b: B }, gone.files, gone.hash).phase, 'first');
  });

  it('stay the first of two while servers run something else, such as the one before', () => {
    const before = planned({});
    const first = planned({ b: B }, before.files, before.hash);
    for (const live of [undefined, before.hash, 'x']) assert.deepEqual(planned({ b: B }, first.files, live), first);
  });

  it('begin anew when what was written is gone, or somebody has changed it', () => {
    const first = planned({ b: B });
    const second = planned({ b: B }, first.files, first.hash);
    assert.equal(planned({ b: B }, undefined, second.hash).phase, 'first');
    assert.equal(planned({ b: B }, { ...second.files, [PEERS_FILE]: '' }, second.hash).phase, 'first');
    assert.equal(planned({ b: B }, { 'other.conf': '' }, second.hash).phase, 'first');
  });

  it('have no canary while there is no key to derive it from, and the same hash', () => {
    const access = { account: 'LFH', own: [OWN], users: [], peers: [] };
    const standing = { written: undefined, liveHash: undefined, restarts: false };
    const without = natsFiles(access, CA, standing, { canary: () => undefined });
    assert.equal(without.files[MAIN_FILE].includes('canary'), false);
    assert.equal(without.hash, planned({}).hash);
    assert.equal(hashOf(without.files), without.hash);
  });

  it('tell which of their users are the node itself, and nobody else', () => {
    const access = { account: 'LFH', own: [OWN, C], users: [userKey('administrator')], peers: [] };
    const standing = { written: undefined, liveHash: undefined, restarts: true };
    for (const isolation of ['Accounts', 'Users'] as const) {
      const { files } = natsFiles({ ...access, isolation }, CA, standing, { canary: () => CANARY });
      assert.deepEqual(ownUsersIn(files), [OWN, C].sort());
    }
    assert.deepEqual(ownUsersIn(undefined), []);
    assert.deepEqual(ownUsersIn({ [MAIN_FILE]: `    { nkey: U${'A'.repeat(55)} } # this node's own\n` }), []);
  });

  it('are told from what somebody else wrote, or took away', () => {
    assert.equal(hashOf(undefined), undefined);
    assert.equal(hashOf({ 'other.conf': '' }), undefined);
    const { files, hash } = planned({ b: B });
    assert.notEqual(hashOf({ [MAIN_FILE]: files[MAIN_FILE], [PEERS_FILE]: '' }), hash);
  });
});

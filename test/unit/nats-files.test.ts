import assert from 'node:assert/strict';
import { hashOf, MAIN_FILE, natsFiles, PEERS_FILE, type WrittenFiles } from '../../operator/plan/nats-files.ts';
import { userKey } from './plan-fixtures.ts';

const KEYS = ['A', 'B', 'C', 'D'].map(userKey) as [string, string, string, string];
const [OWN, B, C, CANARY] = KEYS;
const CA = '-----BEGIN CERTIFICATE-----\n';

function planned(peers: Record<string, string>, written?: WrittenFiles, liveHash?: string, ca = CA) {
  const admitted = Object.entries(peers).map(([lfhId, key]) => ({ lfhId, publicKeys: [key] }));
  return natsFiles(
    { account: 'LFH', users: [OWN], peers: admitted },
    ca,
    { written, liveHash, restarts: false },
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
    assert.equal(before.reload, 2);
    const first = planned({ b: B }, before.files, before.hash);
    assert.equal(first.reload, 1);
    assert.deepEqual(planned({ b: B }, first.files, before.hash), first, 'not before it is live');
    const second = planned({ b: B }, first.files, first.hash);
    assert.equal(second.reload, 2);
    assert.notEqual(second.hash, first.hash);
    assert.deepEqual(planned({ b: B }, second.files, second.hash), second, 'and then never again');
    assert.deepEqual(
      planned({ b: B }, second.files, undefined),
      second,
      'nor when an operator starts that knows nothing',
    );
  });

  it('are loaded once when a key, a CA or the list of peers gets shorter', () => {
    const now = planned({ b: B, c: C });
    const live = planned({ b: B, c: C }, planned({ b: B, c: C }, now.files, now.hash).files, now.hash);
    assert.equal(live.reload, 2);
    assert.equal(planned({ b: B }, live.files, live.hash).reload, 2);
    assert.equal(planned({ b: B, c: userKey('E') }, live.files, live.hash).reload, 2);
    assert.equal(planned({ b: B, c: C }, live.files, live.hash, '').reload, 2);
  });

  it('begin anew when another peer comes while the first reload is not live', () => {
    const first = planned({ b: B }, planned({}).files);
    const more = planned({ b: B, c: C }, first.files);
    assert.equal(more.reload, 1);
    assert.equal(planned({ b: B, c: C }, more.files, first.hash).reload, 1);
    assert.equal(planned({ b: B, c: C }, more.files, more.hash).reload, 2);
  });

  it('are told from what somebody else wrote, or took away', () => {
    assert.equal(hashOf(undefined), undefined);
    assert.equal(hashOf({ 'other.conf': '' }), undefined);
    const { files, hash } = planned({ b: B });
    assert.notEqual(hashOf({ [MAIN_FILE]: files[MAIN_FILE], [PEERS_FILE]: '' }), hash);
  });
});

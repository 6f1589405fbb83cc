import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { admit } from '../../../../../operator/plan/peers/admission.ts';
import { aNode, aPeer, OWN_KEY, PUBLISHED_KEY, userKey } from '../fixtures.ts';

const day = (number: number): { readonly creationTimestamp: string } => ({
  creationTimestamp: `2026-11-${String(number).padStart(2, '0')}T08:00:00Z`,
});
const ADMINISTRATOR = userKey('administrator');

/** By the name of each peer, oldest first: why it is not admitted. */
function conflictsOf(peers: readonly PeerObject[], node = aNode()): Record<string, string | undefined> {
  const admissions = admit(node, [OWN_KEY, ADMINISTRATOR], peers);
  return Object.fromEntries(admissions.map(({ peer, conflict }) => [peer.metadata.name, conflict]));
}

describe('admission of peers', () => {
  const old = aPeer('old', { metadata: day(1) });

  const ROWS: readonly [what: string, peer: PeerObject, conflict: RegExp | undefined][] = [
    ['id and key of its own', aPeer('new'), undefined],
    [
      'the id of an older peer',
      aPeer('new', { spec: { lfhId: 'old' } }),
      /^spec\.lfhId is that of the older peer old;/,
    ],
    [
      'an id that differs from another only in upper and lower case',
      aPeer('new', { spec: { lfhId: 'OLD' } }),
      undefined,
    ],
    ["the node's own id", aPeer('new', { spec: { lfhId: 'hospital-a' } }), /^spec\.lfhId is this node's own/],
    [
      'a key of an older peer',
      aPeer('new', { spec: { publicKeys: [userKey('new'), userKey('old')] } }),
      /^spec\.publicKeys\[1\] is that of the older peer old/,
    ],
    ["the node's own key", aPeer('new', { spec: { publicKeys: [OWN_KEY] } }), /publicKeys\[0\] is this node's own/],
    [
      "the key of the node's administrator",
      aPeer('new', { spec: { publicKeys: [ADMINISTRATOR] } }),
      /publicKeys\[0\] is this node's own/,
    ],
    ['one of its keys twice', aPeer('new', { spec: { publicKeys: [userKey('new'), userKey('new')] } }), undefined],
    ['no key', aPeer('new', { spec: { publicKeys: undefined } }), undefined],
    [
      "an id whose account would be the node's",
      aPeer('new', { spec: { lfhId: 'x' } }),
      /^spec\.lfhId: the peer's account would be named lfh-sync-x/,
    ],
  ];
  for (const [what, peer, conflict] of ROWS) {
    it(`${conflict ? 'refuses' : 'admits'} a peer with ${what}`, () => {
      const { nats } = aNode().spec;
      const node = aNode({ spec: { nats: { ...nats, account: 'lfh-sync-x' } } });
      // In either order: only the age counts.
      for (const peers of [
        [old, peer],
        [peer, old],
      ]) {
        const { old: ofOld, new: ofNew } = conflictsOf(peers, node);
        assert.equal(ofOld, undefined);
        if (conflict) assert.match(ofNew ?? 'none', conflict);
        else assert.equal(ofNew, undefined);
        assert.doesNotMatch(ofNew ?? '', /U[A-Z2-7]{20}/);
      }
    });
  }

  it('sees no conflict in a published or damaged key that two peers have, since nobody is let in with it', () => {
    const keys = { publicKeys: [PUBLISHED_KEY, `U${'A'.repeat(55)}`] };
    assert.deepEqual(conflictsOf([aPeer('b', { spec: keys }), aPeer('c', { spec: keys })]), {
      b: undefined,
      c: undefined,
    });
  });

  it("admits a peer whose account would be named as the node's with isolation Users, which makes no accounts", () => {
    const { nats } = aNode().spec;
    const node = aNode({ spec: { nats: { ...nats, account: 'lfh-sync-b', isolation: 'Users' } } });
    assert.deepEqual(conflictsOf([aPeer('b')], node), { b: undefined });
  });

  it('prefers the first by name of two peers that were made in the same second', () => {
    const same = [aPeer('c', { spec: { lfhId: 'x' } }), aPeer('b', { spec: { lfhId: 'x' } })];
    assert.deepEqual(conflictsOf(same).b, undefined);
    assert.match(conflictsOf(same).c ?? '', /older peer b/);
  });

  it('leaves the keys of a refused peer free for others', () => {
    const peers = [
      old,
      aPeer('second', { spec: { lfhId: 'old', publicKeys: [userKey('free')] }, metadata: day(2) }),
      aPeer('third', { spec: { publicKeys: [userKey('free')] }, metadata: day(3) }),
    ];
    assert.equal(conflictsOf(peers).third, undefined);
  });

  it('never admits two peers that share an id or a key', () => {
    const peer = fc.record({
      lfhId: fc.constantFrom('hospital-a', 'x', 'y', 'z'),
      publicKeys: fc.array(fc.constantFrom(OWN_KEY, userKey('1'), userKey('2'), userKey('3')), { maxLength: 3 }),
      seconds: fc.nat({ max: 2 }),
    });
    fc.assert(
      fc.property(fc.array(peer, { maxLength: 8 }), (specs) => {
        const peers = specs.map(({ seconds, ...spec }, index) =>
          aPeer(`peer-${index}`, { spec, metadata: { creationTimestamp: `2026-11-21T08:00:0${seconds}Z` } }),
        );
        const admitted = admit(aNode(), [OWN_KEY], peers).flatMap(({ peer: { spec }, conflict }) =>
          conflict === undefined ? [spec] : [],
        );
        const ids = ['hospital-a', ...admitted.map(({ lfhId }) => lfhId)];
        assert.equal(new Set(ids).size, ids.length);
        const keys = [OWN_KEY, ...admitted.flatMap(({ publicKeys }) => [...new Set(publicKeys)])];
        assert.equal(new Set(keys).size, keys.length);
      }),
    );
  });
});

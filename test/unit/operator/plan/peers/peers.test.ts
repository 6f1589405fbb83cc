import assert from 'node:assert/strict';
import { peerList } from '../../../../../common/contract/peers.ts';
import { bytesOf, natsIncludes } from '../../../../../operator/plan/nats/permissions.ts';
import { type PeerObject, textsOfAll } from '../../../../../operator/plan/observed/observed.ts';
import { isGranted, plannedPeers } from '../../../../../operator/plan/peers/peers.ts';
import { bundle } from '../../../../../operator/plan/trust/certificates.ts';
import { aNode, aPeer, certificate, DERIVED, NOW, observedOf, planOf, userKey } from '../fixtures.ts';

const { nats } = aNode().spec;
/** 1.4 KB. */
const threeCas = (['ca-a', 'ca-b', 'ca-c'] as const).map(certificate).join('');

/** The longest id with which a thousand of them fit. */
const LONG_ID = 20;

describe('plannedPeers', () => {
  it('gives the room that a ConfigMap has for CAs to the older peers', () => {
    const names = ['ca-a', 'ca-b', 'ca-c', 'ca-kafka'] as const;
    const ca = { inline: names.map(certificate).join('') };
    const peers = Array.from({ length: 900 }, (_, index) =>
      aPeer(`peer-${index + 100}`, { spec: { publicKeys: undefined, ca } }),
    );
    const planned = plannedPeers(observedOf(peers), [], { probe: () => undefined }, NOW);
    const [has, hasNot] = [true, false].map((wanted) =>
      planned.filter(({ settings }) => (settings !== undefined) === wanted),
    );
    assert.ok(has && hasNot && has.length > 100 && hasNot.length > 1, `${has?.length} and ${hasNot?.length}`);
    assert.deepEqual([...has, ...hasNot], planned);
    assert.ok(has.reduce((size, each) => size + bundle(each.ca?.authorities ?? []).length, 0) < 1_500_000);
    assert.match(
      hasNot[0]?.ca?.problems[0]?.message ?? '',
      /^spec\.ca takes [\d.]+ KiB, and of the 1464\.8 KiB that all peers of a node have for their CAs the older ones leave/,
    );
  });

  const fourKeys = (name: string): string[] => ['', '2', '3', '4'].map((suffix) => userKey(name + suffix));
  const long = (index: number, name: string): string => `${name}-${index}-`.padEnd(48, 'x');
  const crowds: Readonly<Record<string, (index: number) => PeerObject>> = {
    'peers with four keys and the longest ids': (index) => {
      const spec = { lfhId: long(index, 'id'), publicKeys: fourKeys(`p${index}`), servers: undefined, ca: undefined };
      return aPeer(`peer-${index}`, { spec });
    },
    'peers with ids that are hashed, and a CA each': (index) =>
      aPeer(`peer-${index}`, { spec: { lfhId: `é.${index}` } }),
    'peers that fill all of their settings': (index) => {
      const allowOrigins = Array.from({ length: 64 }, (_, at) => `${at}-`.padEnd(253, 'é'));
      return aPeer(`peer-${index}`, { spec: { receive: { allowOrigins }, publicKeys: undefined } });
    },
  };
  for (const [which, make] of Object.entries(crowds)) {
    for (const isolation of ['Accounts', 'Users'] as const) {
      it(`refuses younger ${which} rather than overfill a ConfigMap, with isolation ${isolation}`, () => {
        const peers = Array.from({ length: 2500 }, (_, index) => make(1000 + index));
        const node = aNode({ spec: { nats: { ...nats, isolation } } });
        const plan = planOf(observedOf(peers, { node }));
        for (const { metadata, data = {} } of plan.objects) {
          const size = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
          assert.ok(size < 1_048_576, `${metadata.name} has ${size} bytes`);
        }
        const admitted = plan.peers.filter(({ conflict }) => conflict === undefined);
        const others = plan.peers.slice(admitted.length);
        assert.ok(admitted.length > 10 && others.length > 0, `${admitted.length} of ${peers.length}`);
        // All of the older ones are admitted.
        assert.deepEqual([...admitted, ...others], plan.peers);
        assert.match(
          others[0]?.conflict ?? '',
          /^there is no room for it: what .* for it takes [\d.]+ KiB, and of the (1007\.5|869\.1) KiB that/,
        );
        assert.deepEqual(
          plan.granted,
          admitted.filter(isGranted).map(({ peer }) => peer),
        );
        assert.ok(others.every((other) => !isGranted(other) && other.settings === undefined));
      });
    }
  }

  // docs/operator.md, "How many peers fit", says these numbers.
  const FIT: readonly [which: string, ids: number, spec: Parameters<typeof aPeer>[1], count: number][] = [
    ['1,000 peers in both directions', LONG_ID, { spec: { ca: { inline: threeCas } } }, 1_000],
    ['1,000 peers that only receive', LONG_ID, { spec: { servers: undefined, ca: undefined } }, 1_000],
    ['800 peers with the longest ids', 48, {}, 800],
  ];
  for (const [which, length, changes, count] of FIT) {
    it(`has room for ${which}, and not for many more`, () => {
      const peers = Array.from({ length: 1_200 }, (_, index) => {
        const lfhId = `hospital-${1_000 + index}-`.padEnd(length, 'x');
        return aPeer(`hospital-${1_000 + index}`, { spec: { lfhId, ...changes?.spec } });
      });
      const { peers: planned, objects } = planOf(observedOf(peers));
      const fit = planned.filter(({ conflict }) => conflict === undefined);
      assert.ok(fit.length >= count && fit.length < 1.1 * count, String(fit.length));
      const sizes = objects.map(({ data = {} }) => Buffer.byteLength(Object.values(data).join('')));
      assert.ok(
        sizes.every((size) => size < 1_048_576),
        sizes.join(),
      );
      const files = textsOfAll(objects.filter(({ metadata }) => metadata.name.startsWith('local-sidecar'))) ?? {};
      const receiving = peerList.decode(files.LFH_SYNC_PEERS ?? '');
      assert.equal(receiving.length, changes?.spec && 'servers' in changes.spec ? 0 : fit.length);
      for (const { caFile = '' } of receiving) assert.ok(files[caFile], caFile);
      assert.ok(DERIVED.isAuthentic(files));
    });
  }

  it('counts exactly the bytes that a peer adds to what nats-server includes', () => {
    for (const isolation of ['Accounts', 'Users'] as const) {
      const access = { account: 'LFH', isolation, own: [], users: [] };
      const peer = { lfhId: 'b', publicKeys: ['b', 'c'].map(userKey), probe: userKey('probe') };
      const [without, alone] = [[], [peer]].map((peers) => Object.values(natsIncludes({ ...access, peers })).join(''));
      assert.equal(bytesOf(peer, access), (alone?.length ?? 0) - (without?.length ?? 0));
    }
  });

  it('keeps the other peers where one of them has a value that no sidecar could take', () => {
    const wrong = aPeer('a', { spec: { receive: { startFrom: { policy: 'Time', time: '2026-13-41T25:00:00Z' } } } });
    const plan = planOf(observedOf([wrong, aPeer('b')]));
    assert.deepEqual(
      plan.peers.map(({ peer, settings }) => [peer.metadata.name, settings !== undefined]),
      [
        ['a', false],
        ['b', true],
      ],
    );
  });
});

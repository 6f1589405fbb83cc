import assert from 'node:assert/strict';
import { bytesOf, natsIncludes } from '../../../../../operator/plan/nats/config.ts';
import { NAMES } from '../../../../../operator/plan/observed/names.ts';
import type { PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { isGranted, plannedPeers } from '../../../../../operator/plan/peers/peers.ts';
import { bundle } from '../../../../../operator/plan/trust/certificates.ts';
import { aNode, aPeer, certificate, NOW, observedOf, planOf, userKey } from '../fixtures.ts';

const { nats } = aNode().spec;
const withoutCa = aNode({ spec: { nats: { ...nats, ca: { inline: certificate('ca-expired') } } } });

/** As much as a node's own two may take beside its peers. */
const OWN_CAS = 2 * 65_536;

describe('the peers of a node', () => {
  it('bring no more authorities together than ConfigMaps can hold; who came first has room', () => {
    const names = ['ca-a', 'ca-b', 'ca-c', 'ca-kafka'] as const;
    const ca = { inline: names.map(certificate).join('') };
    const peers = Array.from({ length: 400 }, (_, index) =>
      aPeer(`peer-${index + 100}`, { spec: { publicKeys: undefined, ca } }),
    );
    const planned = plannedPeers(observedOf(peers), [], { probe: () => undefined }, NOW);
    const [has, hasNot] = [true, false].map((wanted) =>
      planned.filter(({ settings }) => (settings !== undefined) === wanted),
    );
    assert.ok(has && hasNot && has.length > 100 && hasNot.length > 1, `${has?.length} and ${hasNot?.length}`);
    assert.deepEqual([...has, ...hasNot], planned);
    assert.ok(has.reduce((size, each) => size + bundle(each.ca?.authorities ?? []).length, 0) < 600_000);
    assert.match(
      hasNot[0]?.ca?.problems[0]?.message ?? '',
      /^spec\.ca holds \d KiB, and all peers of a node have room for 586 KiB/,
    );
  });

  const fourKeys = (name: string): string[] => ['', '2', '3', '4'].map((suffix) => userKey(name + suffix));
  const long = (index: number, name: string): string => `${name}-${index}-`.padEnd(48, 'x');
  const crowds: Readonly<Record<string, (index: number) => PeerObject>> = {
    'with four keys and the longest ids': (index) => {
      const spec = { lfhId: long(index, 'id'), publicKeys: fourKeys(`p${index}`), servers: undefined, ca: undefined };
      return aPeer(`peer-${index}`, { spec });
    },
    'with ids that are hashed, and a CA each': (index) => aPeer(`peer-${index}`, { spec: { lfhId: `é.${index}` } }),
    'that fill all of their settings': (index) => {
      const allowOrigins = Array.from({ length: 64 }, (_, at) => `${at}-`.padEnd(253, 'é'));
      return aPeer(`peer-${index}`, { spec: { receive: { allowOrigins }, publicKeys: undefined } });
    },
  };
  for (const [which, make] of Object.entries(crowds)) {
    for (const isolation of ['Accounts', 'Users'] as const) {
      it(`${which} never fill a ConfigMap (isolation ${isolation}): whom the older ones leave no room is told so`, () => {
        const peers = Array.from({ length: 1000 }, (_, index) => make(1000 + index));
        const node = aNode({ spec: { nats: { ...nats, isolation } } });
        const plan = planOf(observedOf(peers, { node }));
        for (const { metadata, data = {} } of plan.objects) {
          const size = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
          assert.ok(size < 1_048_576 - OWN_CAS, `${metadata.name} has ${size} bytes`);
        }
        const admitted = plan.peers.filter(({ conflict }) => conflict === undefined);
        const others = plan.peers.slice(admitted.length);
        assert.ok(admitted.length > 10 && others.length > 0, `${admitted.length} of ${peers.length}`);
        // The older ones, with nobody between them.
        assert.deepEqual([...admitted, ...others], plan.peers);
        assert.match(
          others[0]?.conflict ?? '',
          /^there is no room for it: it takes [\d.]+ KiB, and of the 869\.1 KiB that/,
        );
        assert.deepEqual(
          plan.granted,
          admitted.filter(isGranted).map(({ peer }) => peer),
        );
        assert.ok(others.every((other) => !isGranted(other) && other.settings === undefined));
      });
    }
  }

  it('count with no byte more or less than they add to what nats-server includes', () => {
    for (const isolation of ['Accounts', 'Users'] as const) {
      const access = { account: 'LFH', isolation, own: [], users: [] };
      const peer = { lfhId: 'b', publicKeys: ['b', 'c'].map(userKey), probe: userKey('probe') };
      const [without, alone] = [[], [peer]].map((peers) => Object.values(natsIncludes({ ...access, peers })).join(''));
      assert.equal(bytesOf(peer, access), (alone?.length ?? 0) - (without?.length ?? 0));
    }
  });

  it('are let out while their node has a problem, in both directions, and nobody is let in', () => {
    const [b, c, d] = ['b', 'c', 'd'].map((name) => aPeer(name));
    assert.ok(b && c && d);
    const before = planOf(observedOf([b, c]));
    const dataOf = (plan: typeof before, name: string): Readonly<Record<string, string>> | undefined =>
      plan.objects.find(({ metadata }) => metadata.name === name)?.data;
    const [written, writtenSettings] = [NAMES.nats('local'), NAMES.sidecar('local')].map((name) =>
      dataOf(before, name),
    );
    const after = planOf(observedOf([c, d], { node: withoutCa, written, writtenSettings }));
    assert.equal(after.problem?.reason, 'CertificateExpired');
    assert.deepEqual(
      after.objects.map(({ metadata }) => metadata.name),
      [NAMES.nats('local'), NAMES.sidecar('local')],
    );
    const texts = JSON.stringify(dataOf(after, NAMES.nats('local')));
    assert.deepEqual(
      [b, c, d].map(({ spec }) => texts.includes(spec.publicKeys?.[0] ?? '')),
      [false, true, false],
    );
    const { LFH_SYNC_PEERS: peers = '', ...others } = dataOf(after, NAMES.sidecar('local')) ?? {};
    assert.deepEqual(
      (JSON.parse(peers) as { name: string }[]).map(({ name }) => name),
      ['c'],
    );
    const { LFH_SYNC_PEERS: _, ...settingsBefore } = writtenSettings ?? {};
    assert.deepEqual(others, settingsBefore);
    // The same is there for when the API server refuses the whole.
    const whole = planOf(observedOf([c, d], { written, writtenSettings }));
    assert.equal(whole.problem, undefined);
    assert.deepEqual(whole.revocations, after.objects);
    assert.notDeepEqual(whole.objects, after.objects);
  });

  it('stay what they are where one of them has a value that no sidecar could take', () => {
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

import assert from 'node:assert/strict';
import { plannedPeers } from '../../operator/plan/peers.ts';
import { NAMES } from '../../operator/plan/plan.ts';
import { bundle } from '../../operator/plan/trust.ts';
import { aNode, aPeer, certificate, NOW, observedOf, planOf } from './plan-fixtures.ts';

const { nats } = aNode().spec;
const withoutCa = aNode({ spec: { nats: { ...nats, ca: { inline: certificate('ca-expired') } } } });

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

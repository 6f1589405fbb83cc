import assert from 'node:assert/strict';
import { revocationsWithoutPlan } from '../../../../../operator/plan/node/revocations.ts';
import { NAMES } from '../../../../../operator/plan/observed/names.ts';
import { aNode, aPeer, certificate, DERIVED, observedOf, planOf, userKey } from '../fixtures.ts';

const { nats } = aNode().spec;
const withoutCa = aNode({ spec: { nats: { ...nats, ca: { inline: certificate('ca-expired') } } } });

describe('the revocations of a plan', () => {
  it('take access back in both directions while the node has a problem, and add nobody', () => {
    const [b, d] = ['b', 'd'].map((name) => aPeer(name));
    assert.ok(b && d);
    const startFrom = { policy: 'Latest' } as const;
    const every = {
      startFrom,
      restart: { position: 7, startFrom },
      redrive: { id: 'again', reasons: ['NotJson'] },
      limits: { messagesPerSecond: 5, bytesPerDay: 9 },
      consumer: 'ours',
      manual: true,
    };
    const c = aPeer('c', { spec: { tlsServerName: 'c', receive: every } });
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
    assert.ok(DERIVED.isAuthentic(dataOf(after, NAMES.sidecar('local')) ?? {}));
    const {
      LFH_SYNC_PEERS: peers = '',
      LFH_SYNC_SETTINGS_MAC: _mac,
      ...others
    } = dataOf(after, NAMES.sidecar('local')) ?? {};
    assert.deepEqual(
      (JSON.parse(peers) as { name: string }[]).map(({ name }) => name),
      ['c'],
    );
    const { LFH_SYNC_PEERS: peersBefore = '', LFH_SYNC_SETTINGS_MAC: __, ...settingsBefore } = writtenSettings ?? {};
    // To the letter, or every sidecar would seem to have earlier settings of c.
    assert.ok(peersBefore.includes(peers.slice(1, -1)));
    assert.deepEqual(others, settingsBefore);
    // Without the problem the same is planned for the case that the API server refuses the objects.
    const whole = planOf(observedOf([c, d], { written, writtenSettings }));
    assert.equal(whole.problem, undefined);
    assert.deepEqual(whole.revocations, after.objects);
    assert.notDeepEqual(whole.objects, after.objects);
  });

  it('do not authenticate settings that somebody else has written', () => {
    const peers = [aPeer('b'), aPeer('c')];
    const [written, settings] = planOf(observedOf(peers)).objects.map(({ data }) => data);
    const writtenSettings = { ...settings, KAFKA_BOOTSTRAP_SERVERS: 'theirs:9092' };
    const { objects } = planOf(observedOf([aPeer('b')], { node: withoutCa, written, writtenSettings }));
    const left = objects[1]?.data ?? {};
    assert.ok(!left.LFH_SYNC_PEERS?.includes('tls://c.'));
    assert.equal(DERIVED.isAuthentic(left), false);
  });

  it('take access back of peers that are deleted, paused or without that key when the peers could not be planned', () => {
    const names = ['b', 'c', 'd', 'e'];
    const before = planOf(observedOf(names.map((name) => aPeer(name))));
    const [written, writtenSettings] = [NAMES.nats('local'), NAMES.sidecar('local')].map(
      (name) => before.objects.find(({ metadata }) => metadata.name === name)?.data,
    );
    const peers = [
      aPeer('b'),
      aPeer('c', { metadata: { deletionTimestamp: '2026-11-25T11:59:00Z' } }),
      aPeer('d', { spec: { send: { paused: true } } }),
      aPeer('e', { spec: { publicKeys: [userKey('another')] } }),
      aPeer('f'),
    ];
    const { configMaps } = revocationsWithoutPlan(observedOf(peers, { written, writtenSettings }), DERIVED);
    const [nats, sidecar] = configMaps.map(({ data }) => JSON.stringify(data));
    const keys = [...names, 'another', 'f'].map(userKey).filter((key) => nats?.includes(key));
    assert.deepEqual(keys, [userKey('b')]);
    assert.deepEqual(
      names.filter((name) => sidecar?.includes(`tls://${name}.example.org`)),
      ['b', 'd', 'e'],
    );
  });
});

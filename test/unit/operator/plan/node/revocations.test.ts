import assert from 'node:assert/strict';
import { NAMES } from '../../../../../operator/plan/observed/names.ts';
import { aNode, aPeer, certificate, observedOf, planOf } from '../fixtures.ts';

const { nats } = aNode().spec;
const withoutCa = aNode({ spec: { nats: { ...nats, ca: { inline: certificate('ca-expired') } } } });

describe('the revocations of a plan', () => {
  it('take access back in both directions while the node has a problem, and add nobody', () => {
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
    // Without the problem the same is planned for the case that the API server refuses the objects.
    const whole = planOf(observedOf([c, d], { written, writtenSettings }));
    assert.equal(whole.problem, undefined);
    assert.deepEqual(whole.revocations, after.objects);
    assert.notDeepEqual(whole.objects, after.objects);
  });
});

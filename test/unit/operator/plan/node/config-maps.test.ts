import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { ConfigMap } from '../../../../../operator/api/objects.ts';
import { plannedRollouts } from '../../../../../operator/plan/nats/config-rollout.ts';
import {
  isTakenBack,
  letsNobodyIn,
  natsConfigMap,
  sidecarConfigMaps,
} from '../../../../../operator/plan/node/config-maps.ts';
import { CA_FILE } from '../../../../../operator/plan/observed/names.ts';
import { type NodeObject, type Texts, textsOfAll } from '../../../../../operator/plan/observed/observed.ts';
import type { Plan } from '../../../../../operator/plan/plan.ts';
import { type Authority, bundleWithin } from '../../../../../operator/plan/trust/certificates.ts';
import { createCertificateAuthority } from '../../../../kit/servers/certificates.ts';
import { aNode, aPeer, certificate, DERIVED, observedOf, planOf } from '../fixtures.ts';

const MIB = 1_048_576;
const namesOf = (files: Texts, there: readonly string[] = []): string[] =>
  sidecarConfigMaps(aNode(), files, there).map(({ metadata }) => metadata.name);

describe('sidecarConfigMaps', () => {
  it('has one for a node with few peers, as sidecars know it that mount no other', () => {
    assert.deepEqual(namesOf({ LFH_SYNC_PEERS: '[]', 'ca-b.crt': 'x' }), ['local-sidecar']);
    assert.deepEqual(namesOf({}), ['local-sidecar']);
  });

  it('loses no text and repeats none, takes the settings first, and overfills none', () => {
    const cas = Array.from({ length: 2_000 }, (_, index) => [`ca-${10_000 + index}.crt`, 'é'.repeat(500)]);
    const files = Object.fromEntries([...cas, ['LFH_SYNC_PEERS', 'p'.repeat(800_000)]]) as Texts;
    const parts = sidecarConfigMaps(aNode(), files, []).map(({ data = {} }) => data);
    assert.equal(parts.length, 3);
    assert.deepEqual(textsOfAll(sidecarConfigMaps(aNode(), files, [])), files);
    assert.equal(parts.flatMap((part) => Object.keys(part)).length, Object.keys(files).length);
    assert.ok(parts[0]?.LFH_SYNC_PEERS);
    for (const part of parts) assert.ok(Buffer.byteLength(Object.values(part).join('')) <= MIB);
  });

  it('is the same in whatever order the texts are', () => {
    const files = { 'ca-b.crt': 'b'.repeat(MIB), A: 'a', 'ca-a.crt': 'c' };
    const other = Object.fromEntries(Object.entries(files).toReversed());
    assert.deepEqual(sidecarConfigMaps(aNode(), files, []), sidecarConfigMaps(aNode(), other, []));
  });

  it('empties one that is there and not needed any more, or that somebody else has made: its texts would count', () => {
    const [, second] = sidecarConfigMaps(aNode(), { A: 'a' }, ['local-sidecar-2', 'local-nats']);
    assert.deepEqual([second?.metadata.name, second?.data], ['local-sidecar-2', {}]);
    assert.deepEqual(namesOf({ A: 'a' }, ['local-sidecar-3']), ['local-sidecar', 'local-sidecar-3']);
  });

  it('lets Kubernetes delete each of them with the node', () => {
    for (const { metadata } of sidecarConfigMaps(aNode(), {}, ['local-sidecar-2', 'local-sidecar-3'])) {
      assert.equal(metadata.ownerReferences?.[0]?.name, 'local', metadata.name);
    }
  });
});

describe("what a node's ConfigMap for NATS says of its end", () => {
  const injected = aNode({ status: { workload: 'Deployment/connect' } });
  const configMapOf = (node: NodeObject, peers: Parameters<typeof observedOf>[0]): ConfigMap => {
    const { files } = planOf(observedOf(peers, { node })).files ?? assert.fail('nothing was planned');
    return natsConfigMap(node, files);
  };

  it('is that it lets nobody in as soon as the peers are gone, though the sidecar is still in its workload', () => {
    assert.equal(letsNobodyIn(configMapOf(injected, [aPeer('b')])), false);
    assert.equal(letsNobodyIn(configMapOf(injected, [])), true);
    assert.equal(isTakenBack(configMapOf(injected, [])), false);
  });

  it('is that all was taken back when the sidecar is out of its workload as well', () => {
    assert.equal(isTakenBack(configMapOf(aNode(), [])), true);
    assert.equal(isTakenBack(configMapOf(aNode(), [aPeer('b')])), false);
  });

  it('is not that while it notes nats-servers that have to take it up', () => {
    const { nats } = aNode().spec;
    const restarted = aNode({ spec: { nats: { ...nats, workloadRef: { name: 'nats' }, reload: 'Restart' } } });
    assert.equal(letsNobodyIn(configMapOf(restarted, [])), true);
    assert.equal(isTakenBack(configMapOf(restarted, [])), false);
  });
});

describe('a node with more settings than one ConfigMap takes', () => {
  const ca = { inline: (['ca-a', 'ca-b', 'ca-c'] as const).map(certificate).join('') };
  const peers = Array.from({ length: 700 }, (_, index) => aPeer(`peer-${1_000 + index}`, { spec: { ca } }));
  const plan = planOf(observedOf(peers));
  const settings = plan.objects.filter(({ metadata }) => metadata.name.startsWith('local-sidecar'));
  const written = plan.objects[0]?.data;
  const writtenSettings = textsOfAll(settings);
  const settingsIn = settings.map(({ metadata }) => metadata.name);

  it('authenticates all of them together, and none alone', () => {
    assert.deepEqual(settingsIn, ['local-sidecar', 'local-sidecar-2']);
    assert.ok(writtenSettings && DERIVED.isAuthentic(writtenSettings));
    for (const { data = {} } of settings) assert.equal(DERIVED.isAuthentic(data), false);
  });

  it('refuses a mix of two versions, in which one of them is older than the other', () => {
    const changed = [...peers.slice(0, -1), aPeer('peer-1699', { spec: { ca: { inline: certificate('ca-a') } } })];
    const later = planOf(observedOf(changed, { settingsIn })).objects.slice(1, 3);
    for (const mix of [
      [settings[0], later[1]],
      [later[0], settings[1]],
    ]) {
      assert.equal(DERIVED.isAuthentic(textsOfAll(mix.flatMap((part) => part ?? [])) ?? {}), false);
    }
    assert.ok(DERIVED.isAuthentic(textsOfAll(later) ?? {}));
  });

  it('takes a peer out of the setting of all of them where nothing else may be written', () => {
    const broken = aNode({ spec: { nats: { ...aNode().spec.nats, ca: { inline: certificate('ca-expired') } } } });
    const { problem, objects } = planOf(
      observedOf(peers.slice(1), {
        node: broken,
        written,
        writtenSettings,
        settingsIn: [...settingsIn, 'local-sidecar-3'],
      }),
    );
    assert.ok(problem);
    assert.deepEqual([objects.at(-1)?.metadata.name, objects.at(-1)?.data], ['local-sidecar-3', {}]);
    const left = textsOfAll(objects.slice(1)) ?? {};
    assert.doesNotMatch(left.LFH_SYNC_PEERS ?? '', /peer-1000"/);
    assert.match(left.LFH_SYNC_PEERS ?? '', /peer-1001"/);
    assert.ok(DERIVED.isAuthentic(left));
  });

  it('nudges the kubelets of connect for a change in any of them', () => {
    const node = aNode({ spec: { connect: { workloadRef: { name: 'connect' } } } });
    const [first, second] = settings as [ConfigMap, ConfigMap];
    const hashOf = (...all: readonly ConfigMap[]): string | undefined => plannedRollouts(node, '', all)[0]?.hash;
    assert.notEqual(hashOf(first, second), hashOf(first, { ...second, data: { ...second.data, 'ca-b.crt': 'x' } }));
    assert.equal(hashOf(first, second), hashOf(second, first));
  });
});

describe('the bundle of CAs', () => {
  const authority = (name: string): Authority => ({ fingerprint: name, pem: `${name}\n` });
  const [a, b, c] = ['a', 'b', 'c'].map(authority) as [Authority, Authority, Authority];

  it('has the own authorities in any case, and the others as long as there is room, each once', () => {
    assert.deepEqual(bundleWithin([a], [b, a, b, c], 6), { text: 'a\nb\nc\n', leftOut: 0 });
    assert.deepEqual(bundleWithin([a], [b, a, b, c], 5), { text: 'a\nb\n', leftOut: 1 });
    assert.deepEqual(bundleWithin([a], [b, c], 0), { text: 'a\n', leftOut: 2 });
  });

  it('takes the room of no peer, and the node says what it left out', async () => {
    const made = Array.from({ length: 60 }, () => createCertificateAuthority('of a peer', { notBefore: -30 }));
    const inline = (await Promise.all(made)).map(({ ca }) => ca).join('');
    // More than fit, so that they take all the room that is left for users and accounts.
    const rest = Array.from({ length: 1_100 }, (_, index) => aPeer(`p${1_000 + index}`));
    const oldest = aPeer('a', { spec: { publicKeys: undefined, ca: { inline } } });
    const natsOf = (plan: Plan): Texts => plan.objects[0]?.data ?? {};
    const few = planOf(observedOf([oldest]));
    assert.deepEqual([few.remarks, natsOf(few)[CA_FILE]?.includes(inline)], [[], true]);
    const many = planOf(observedOf([oldest, ...rest]));
    assert.match(many.remarks.join(), /^ca\.crt in the ConfigMap for NATS has no room for \d+ CA\(s\) of/);
    assert.ok(natsOf(many)[CA_FILE]?.startsWith(certificate('ca-a')));
    assert.ok(Buffer.byteLength(Object.values(natsOf(many)).join('')) <= MIB);
    assert.equal(many.granted.length, planOf(observedOf(rest)).granted.length);
  });
});

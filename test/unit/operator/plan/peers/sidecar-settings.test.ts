import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DEFAULT_FORMATS } from '../../../../../common/contract/peers.ts';
import { decodeSettings } from '../../../../../common/contract/settings.ts';
import {
  plannedRollouts,
  readRolloutNote,
  rolloutsOfWritten,
} from '../../../../../operator/plan/nats/config-rollout.ts';
import { parseCertificate } from '../../../../../operator/plan/observed/certificate.ts';
import { ROLLOUT_NOTE } from '../../../../../operator/plan/observed/names.ts';
import type { NodeObject, PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { peerSettings, sidecarFiles } from '../../../../../operator/plan/peers/sidecar-settings.ts';
import { readCertificates } from '../../../../../operator/plan/trust/certificates.ts';
import { aNode, aPeer, certificate, NOW, observedOf, planOf } from '../fixtures.ts';

const authorities = (name: Parameters<typeof certificate>[0]) =>
  readCertificates(certificate(name), 'x', NOW, parseCertificate).authorities;
const { nats, kafka } = aNode().spec;

function filesOf(node: NodeObject, peers: readonly PeerObject[], own = true, forKafka = false): Record<string, string> {
  return sidecarFiles({
    node,
    peers: peers.map((peer) => ({
      settings: peerSettings(peer, peer.spec.ca !== undefined),
      authorities: peer.spec.ca ? authorities('ca-b') : undefined,
    })),
    ownCa: own ? authorities('ca-a') : undefined,
    kafkaCa: forKafka ? authorities('ca-kafka') : undefined,
  });
}

describe("a sidecar's settings", () => {
  it('are what the sidecar reads them as', () => {
    const sasl = { mechanism: 'scram-sha-256', username: 'lfh', passwordSecretRef: { name: 'kafka' } } as const;
    const node = aNode({
      spec: { kafka: { ...kafka, tls: true, sasl, topics: { partitions: 2, replicationFactor: 3 } } },
    });
    const files = filesOf(node, [aPeer('b'), aPeer('c', { spec: { lfhId: 'c.*', ca: undefined } })], true, true);
    const settings = decodeSettings((name) => files[name]);
    assert.deepEqual(
      [settings.lfhId, settings.node, settings.natsServers, settings.natsKeyFile, settings.previousNatsKeyFile],
      ['hospital-a', 'local', nats.servers, 'nats-server.nk', 'previous.nk'],
    );
    assert.deepEqual(
      [settings.kafkaBrokers, settings.kafkaTls, settings.newTopicPartitions, settings.newTopicReplicationFactor],
      [kafka.brokers, true, 2, 3],
    );
    assert.deepEqual(
      [settings.kafkaSaslMechanism, settings.kafkaSaslUsername, settings.kafkaSaslPasswordFile],
      ['scram-sha-256', 'lfh', 'kafka-password'],
    );
    assert.equal(files[settings.caFile ?? ''], certificate('ca-a'));
    assert.equal(files[settings.kafkaCaFile ?? ''], certificate('ca-kafka'));
    const [b, c] = settings.peers;
    assert.deepEqual(b, {
      name: 'b',
      lfhId: 'b',
      servers: ['tls://b.example.org:4222'],
      caFile: 'ca-lfh-sync-b.crt',
      paused: false,
      startFrom: { policy: 'Earliest' },
      allowFormats: DEFAULT_FORMATS,
      allowOrigins: [],
      stream: 'EVENTS',
    });
    assert.equal(files[b.caFile ?? ''], certificate('ca-b'));
    assert.deepEqual([c?.lfhId, c?.caFile], ['c.*', undefined]);
  });

  it("name no CA where the system's roots count", () => {
    const files = filesOf(aNode(), [aPeer('b', { spec: { ca: undefined } })], false);
    const settings = decodeSettings((name) => files[name]);
    assert.deepEqual([settings.caFile, settings.kafkaCaFile], [undefined, undefined]);
    assert.deepEqual(
      Object.keys(files).filter((name) => name.endsWith('.crt')),
      [],
    );
  });

  it('have every receive option of the peer', () => {
    const receive = {
      paused: true,
      startFrom: { policy: 'Time', time: '2026-11-01T00:00:00Z' },
      allowFormats: ['FHIR-*'],
      allowOrigins: ['c'],
      stream: 'THEIRS',
      consumer: 'ours',
    } as const;
    const files = filesOf(aNode(), [aPeer('b', { spec: { receive, tlsServerName: 'nats' } })]);
    const [peer] = decodeSettings((name) => files[name]).peers;
    const { name: _name, lfhId: _id, servers: _servers, caFile: _ca, ...rest } = peer ?? {};
    assert.deepEqual(rest, { ...receive, tlsServerName: 'nats' });
    const latest = aPeer('b', { spec: { receive: { startFrom: { policy: 'Latest' } } } });
    const again = filesOf(aNode(), [latest]);
    assert.deepEqual(decodeSettings((name) => again[name]).peers[0]?.startFrom, { policy: 'Latest' });
  });

  it('can be read, and stand in a ConfigMap, whatever a peer is called', () => {
    // Those that the API server lets through.
    const anyId = fc.string({ unit: 'binary', minLength: 1, maxLength: 250 }).filter((id) => !/\p{Cc}/u.test(id));
    fc.assert(
      fc.property(fc.uniqueArray(anyId, { maxLength: 4 }), (ids) => {
        const peers = ids.map((lfhId, index) => aPeer(`peer-${index}`, { spec: { lfhId } }));
        const files = filesOf(aNode(), peers);
        for (const name of Object.keys(files)) assert.match(name, /^[-._a-zA-Z0-9]{1,253}$/);
        const settings = decodeSettings((name) => files[name]);
        assert.deepEqual(
          settings.peers.map(({ lfhId }) => lfhId),
          ids,
        );
        assert.equal(new Set(settings.peers.map(({ caFile }) => caFile)).size, ids.length);
      }),
    );
  });

  it('stand in the order of the names, so that nothing is written for nothing', () => {
    const peers = [aPeer('c'), aPeer('b'), aPeer('d')];
    assert.equal(filesOf(aNode(), peers).LFH_SYNC_PEERS, filesOf(aNode(), peers.toReversed()).LFH_SYNC_PEERS);
  });
});

describe('what pods are told', () => {
  type Spec = Partial<NodeObject['spec']>;
  const rollouts = (spec: Spec, peers: readonly PeerObject[] = []) =>
    planOf(observedOf(peers, { node: aNode({ spec }) })).rollouts;
  const told = (spec: Spec): string[] =>
    rollouts(spec).map(({ workload: { kind, name }, how }) => `${how} ${kind}/${name}`);
  const natsRef = (more: Partial<NodeObject['spec']['nats']>): Spec => ({
    nats: { ...nats, workloadRef: { name: 'nats' }, ...more },
  });

  const ROWS: readonly [what: string, spec: Spec, told: readonly string[]][] = [
    ['nothing, where no workload is named', {}, []],
    ['that of NATS to look', natsRef({}), ['NudgeKubelet StatefulSet/nats']],
    [
      'that of NATS to look, though somebody else reloads it',
      natsRef({ reload: 'None' }),
      ['NudgeKubelet StatefulSet/nats'],
    ],
    ['that of NATS to restart', natsRef({ reload: 'Restart' }), ['Restart StatefulSet/nats']],
    [
      'that of NATS of its kind',
      natsRef({ workloadRef: { kind: 'DaemonSet', name: 'n' } }),
      ['NudgeKubelet DaemonSet/n'],
    ],
    ['that of connect', { connect: { workloadRef: { name: 'connect' } } }, ['NudgeKubelet Deployment/connect']],
    [
      'that of connect of its kind',
      { connect: { workloadRef: { kind: 'StatefulSet', name: 'c' } } },
      ['NudgeKubelet StatefulSet/c'],
    ],
    [
      'both',
      { ...natsRef({}), connect: { workloadRef: { name: 'c' } } },
      ['NudgeKubelet StatefulSet/nats', 'NudgeKubelet Deployment/c'],
    ],
  ];
  for (const [what, spec, expected] of ROWS) it(`is ${what}`, () => assert.deepEqual(told(spec), expected));

  const both: Spec = { ...natsRef({}), connect: { workloadRef: { name: 'connect' } } };
  const hashes = (...peers: readonly PeerObject[]): string[] => rollouts(both, peers).map(({ hash }) => hash);

  it('changes with what was written for them, and with nothing else', () => {
    const now = hashes(aPeer('b'));
    assert.deepEqual(hashes(aPeer('b', { metadata: { generation: 9 } })), now);
    const [natsHash, sidecarHash] = hashes(aPeer('b', { spec: { receive: { paused: true } } }));
    assert.equal(natsHash, now[0]);
    assert.notEqual(sidecarHash, now[1]);
    const [otherNats, otherSidecar] = hashes(aPeer('b', { spec: { send: { paused: true } } }));
    assert.notEqual(otherNats, now[0]);
    assert.equal(otherSidecar, now[1]);
    for (const hash of now) assert.match(hash, /^[0-9a-f]{12}$/, 'the value of an annotation');
  });

  it('is the same of what stands there, in whatever order it is, and nothing where nothing does', () => {
    const node = aNode({ spec: both });
    const { objects, rollouts: planned } = planOf(observedOf([aPeer('b')], { node }));
    const [natsFiles, sidecar] = objects.map((object) => ({
      ...object,
      data: Object.fromEntries(Object.entries(object.data ?? {}).toReversed()),
    }));
    assert.deepEqual(rolloutsOfWritten(node, natsFiles, sidecar), planned);
    assert.deepEqual(rolloutsOfWritten(node, undefined, undefined), []);
  });

  it('of a node that is gone is what it has noted, for what mounts its ConfigMap', () => {
    const node = aNode({ spec: natsRef({ reload: 'Restart' }) });
    const { objects, rollouts: planned } = planOf(observedOf([], { node }));
    const [written] = objects;
    assert.ok(written);
    const noted = (text: string | undefined) => readRolloutNote(written, text);
    const note = written.metadata.annotations?.[ROLLOUT_NOTE];
    assert.equal(note, 'Restart StatefulSet/nats');
    assert.deepEqual(noted(note), { ...planned[0], mounting: 'local-nats' });
    for (const none of [undefined, '', 'Restart Pod/nats', 'Restart StatefulSet/', 'Delete StatefulSet/nats']) {
      assert.equal(noted(none), undefined);
    }
  });

  it('is nothing for a node with a problem', () => {
    const { files } = planOf(observedOf([]));
    assert.ok(files);
    const sidecar = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: {} };
    assert.deepEqual(plannedRollouts(aNode(), files.hash, sidecar), []);
    assert.deepEqual(planOf(observedOf([], { node: aNode({ metadata: { name: 'a.b' }, spec: both }) })).rollouts, []);
  });
});

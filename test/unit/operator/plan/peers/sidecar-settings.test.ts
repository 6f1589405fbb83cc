import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DEFAULT_FORMATS } from '../../../../../common/contract/peers.ts';
import { decodeSettings } from '../../../../../common/contract/settings.ts';
import { parseCertificate } from '../../../../../operator/plan/observed/certificate.ts';
import { NO_DERIVED_KEYS, type NodeObject, type PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { peerSettings, sidecarFiles } from '../../../../../operator/plan/peers/sidecar-settings.ts';
import { readCertificates } from '../../../../../operator/plan/trust/certificates.ts';
import { aNode, aPeer, certificate, DERIVED, NOW } from '../fixtures.ts';

const authorities = (name: Parameters<typeof certificate>[0]) =>
  readCertificates(certificate(name), 'x', NOW, parseCertificate).authorities;
const { nats, kafka } = aNode().spec;

function filesOf(node: NodeObject, peers: readonly PeerObject[], own = true, forKafka = false): Record<string, string> {
  return sidecarFiles({
    before: undefined,
    derived: DERIVED,
    node,
    peers: peers.map((peer) => ({
      settings: peerSettings(peer, peer.spec.ca !== undefined),
      authorities: peer.spec.ca ? authorities('ca-b') : undefined,
    })),
    ownCa: own ? authorities('ca-a') : undefined,
    kafkaCa: forKafka ? authorities('ca-kafka') : undefined,
    fhirServers: [],
  });
}

describe("a sidecar's settings", () => {
  it('are read by the sidecar as they were meant', () => {
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

  it('take every field of spec.sidecar, and without it are as a sidecar takes them by itself', () => {
    const keys = [
      ...(['logLevel', 'announce', 'maxMessageBytes', 'maxTopics'] as const),
      ...(['batchMaxMessages', 'batchMaxBytes', 'batchMaxAgeMs'] as const),
    ];
    const read = (sidecar?: NonNullable<NodeObject['spec']['sidecar']>): unknown[] => {
      const files = filesOf(aNode({ spec: { ...(sidecar && { sidecar }) } }), []);
      const settings = decodeSettings((name) => files[name]);
      return keys.map((key) => settings[key]);
    };
    const batch = { maxMessages: 7, maxBytes: 70_000, maxAgeMilliseconds: 0 };
    assert.deepEqual(read({ logLevel: 'warn', announce: false, maxMessageBytes: 4_000_000, maxTopics: 0, batch }), [
      'warn',
      false,
      4_000_000,
      0,
      7,
      70_000,
      0,
    ]);
    const own = decodeSettings(() => undefined);
    assert.deepEqual(
      read(),
      keys.map((key) => own[key]),
    );
    assert.deepEqual(read({ batch: {} }), read());
  });

  it("name no CA file where the system's roots count", () => {
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
      restart: { position: 120, startFrom: { policy: 'Earliest' } },
      redrive: { id: 'first', reasons: ['FormatNotAllowed'], since: '2026-11-01T00:00:00Z', dryRun: true },
      allowFormats: ['FHIR-*'],
      allowOrigins: ['c'],
      limits: { messagesPerSecond: 10, bytesPerDay: 1_000_000 },
      stream: 'THEIRS',
      consumer: 'ours',
    } as const;
    const files = filesOf(aNode(), [aPeer('b', { spec: { receive, tlsServerName: 'nats' } })]);
    const [peer] = decodeSettings((name) => files[name]).peers;
    const { name: _name, lfhId: _id, servers: _servers, caFile: _ca, ...rest } = peer ?? {};
    assert.deepEqual(rest, { ...receive, tlsServerName: 'nats' });
    const short = filesOf(aNode(), [aPeer('b', { spec: { receive: { redrive: { id: 'second' } } } })]);
    assert.deepEqual(decodeSettings((file) => short[file]).peers[0]?.redrive, { id: 'second', dryRun: false });
    const latest = aPeer('b', { spec: { receive: { startFrom: { policy: 'Latest' } } } });
    const again = filesOf(aNode(), [latest]);
    assert.deepEqual(decodeSettings((name) => again[name]).peers[0]?.startFrom, { policy: 'Latest' });
  });

  it('can be read by the sidecar and written into a ConfigMap, whatever characters the id of a peer has', () => {
    // All ids that the API server lets through.
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

  it('are authenticated, CAs included', () => {
    const files = filesOf(aNode(), [aPeer('b')], true, true);
    assert.ok(DERIVED.isAuthentic(files));
    const { LFH_SYNC_SETTINGS_MAC: _, ...covered } = files;
    for (const name of Object.keys(covered)) {
      assert.ok(!DERIVED.isAuthentic({ ...files, [name]: `${files[name]} ` }), name);
    }
  });

  it('keep what authenticates them while there is no key, and have nothing that does where anything else changes', () => {
    const before = filesOf(aNode(), [aPeer('b')]);
    const without = (peers: readonly PeerObject[]): Record<string, string> =>
      sidecarFiles({
        before,
        derived: NO_DERIVED_KEYS,
        node: aNode(),
        peers: peers.map((peer) => ({ settings: peerSettings(peer, true), authorities: authorities('ca-b') })),
        ownCa: authorities('ca-a'),
        kafkaCa: undefined,
        fhirServers: [],
      });
    assert.deepEqual(without([aPeer('b')]), before);
    assert.equal(DERIVED.isAuthentic(without([])), false);
  });

  it('are sorted by the names of the peers, so that nothing is written for nothing', () => {
    const peers = [aPeer('c'), aPeer('b'), aPeer('d')];
    assert.equal(filesOf(aNode(), peers).LFH_SYNC_PEERS, filesOf(aNode(), peers.toReversed()).LFH_SYNC_PEERS);
  });
});

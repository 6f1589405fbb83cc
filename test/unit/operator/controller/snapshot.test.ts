import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { Secret } from '../../../../operator/api/objects.ts';
import { readKey } from '../../../../operator/controller/key-store.ts';
import { emptyMemory } from '../../../../operator/controller/memory.ts';
import { observedFrom, type Snapshot } from '../../../../operator/controller/snapshot.ts';
import { makeKey } from '../../../../operator/nats/keys.ts';
import { cachingCertificateReader } from '../../../../operator/plan/observed/certificate.ts';
import { NO_REFERENCES } from '../../../../operator/plan/observed/observed.ts';
import { aNode, aPeer, NOW, references } from '../plan/fixtures.ts';

describe('what a plan is made from', () => {
  const [current, previous] = [makeKey(), makeKey()];
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const keySecret: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'local-nkey', namespace: 'lfh' },
    data: { 'nats-server.nk': base64(current.seed), 'previous.nk': base64(previous.seed) },
  };
  const configMaps = new Map(
    ['local-nats', 'local-sidecar'].map((name) => [
      name,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { of: name } },
    ]),
  );
  const snapshot: Snapshot = {
    node: aNode(),
    peers: [aPeer('b')],
    otherNodes: [],
    connect: { environment: NO_REFERENCES },
    references: references(),
    keySecret,
    configMaps,
    endpoints: new Map(),
    advertised: { servers: [] },
  };
  const stored = readKey(keySecret);
  const observed = observedFrom(snapshot, stored.observed, configMaps, emptyMemory(NOW), cachingCertificateReader());

  it('holds no seed, neither as a text nor as the Secret has it', () => {
    assert.deepEqual([stored.seed, stored.previousSeed], [current.seed, previous.seed]);
    const texts = [JSON.stringify(observed), inspect(observed, { depth: Number.POSITIVE_INFINITY, showHidden: true })];
    for (const { seed } of [current, previous]) {
      for (const text of texts) {
        assert.ok(!text.includes(seed), 'a seed is in it');
        assert.ok(!text.includes(base64(seed)), 'a Secret with a seed is in it');
      }
    }
  });

  it('has the public keys, the peers, and what was written before', () => {
    assert.equal(observed.key?.current.publicKey, current.publicKey);
    assert.equal(observed.key?.previous?.publicKey, previous.publicKey);
    assert.deepEqual(observed.peers, snapshot.peers);
    assert.deepEqual([observed.written, observed.writtenSettings], [{ of: 'local-nats' }, { of: 'local-sidecar' }]);
    assert.deepEqual(observed.settingsIn, ['local-sidecar']);
  });

  it('has no field that nobody has named', () => {
    assert.deepEqual(Object.keys(observed).sort(), [
      'advertised',
      'certificates',
      'key',
      'leavesOut',
      'liveHash',
      'node',
      'otherNodes',
      'peers',
      'references',
      'settingsIn',
      'written',
      'writtenSettings',
    ]);
  });
});

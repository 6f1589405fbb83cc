import assert from 'node:assert/strict';
import type { ObservedKey, PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import type { Plan } from '../../../../../operator/plan/plan.ts';
import { peerStatus, previousKeyUsers } from '../../../../../operator/plan/status/status.ts';
import { knownOf, NOW, peerReport, sidecarOf } from '../fixtures.ts';

const [PREVIOUS, CURRENT] = ['UPREVIOUS', 'UCURRENT'];

describe('the previous key of a node', () => {
  const key: ObservedKey = {
    secret: 'local-nkey',
    current: { publicKey: CURRENT, published: false },
    previous: { publicKey: PREVIOUS, published: false },
    rotation: 1,
    rotatedAt: undefined,
  };

  /** The peer after a reconcile in which a sidecar reported the key that the peer accepts. */
  function after(peer: PeerObject, accepted: string | null): PeerObject {
    const plan = { problem: undefined, files: undefined } as unknown as Plan;
    const dataPlane = { nats: undefined, sidecars: [sidecarOf([peerReport('hospital-b', { key: accepted })])] };
    const planned = { peer, conflict: undefined, ca: undefined, settings: undefined, invalid: undefined };
    const step = { step: 'use', publicKeys: [CURRENT, PREVIOUS], reason: 'Rotating', message: '' } as const;
    return { ...peer, status: peerStatus(planned, { plan, keyStep: step, dataPlane, ...knownOf(), now: NOW }) };
  }

  const peer: PeerObject = {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncPeer',
    metadata: { name: 'hospital-b', namespace: 'a', uid: '1', resourceVersion: '1', generation: 1 },
    spec: { lfhId: 'hospital-b', servers: ['tls://b:4222'] },
  };
  const users = (one: PeerObject): string[] => previousKeyUsers({ key, peers: [one] });

  it('is in use by a peer that lets us in with it, also while that is down, until it lets us in with the new one', () => {
    const seen = after(peer, PREVIOUS);
    assert.deepEqual(users(seen), ['hospital-b']);
    const down = after(seen, null);
    assert.deepEqual(users(down), ['hospital-b']);
    assert.deepEqual(users(after(down, null)), ['hospital-b']);
    assert.deepEqual(users(after(down, CURRENT)), []);
  });

  it('is in use by nobody who was never seen to accept it', () => {
    assert.deepEqual(users(after(peer, null)), []);
  });
});

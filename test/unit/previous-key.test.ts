import assert from 'node:assert/strict';
import { type PeerStatus, REJECT_REASONS, type SidecarStatus, SKIP_REASONS } from '../../common/contract/status.ts';
import type { ObservedKey, PeerObject } from '../../operator/plan/observed.ts';
import type { Plan } from '../../operator/plan/plan.ts';
import { peerStatus, previousKeyUsers } from '../../operator/plan/status.ts';

const [PREVIOUS, CURRENT] = ['UPREVIOUS', 'UCURRENT'];

describe('the previous key of a node', () => {
  const key: ObservedKey = {
    secret: 'local-nkey',
    current: { publicKey: CURRENT, published: false },
    previous: { publicKey: PREVIOUS, published: false },
    rotation: 1,
    rotatedAt: undefined,
  };

  /** The peer after a turn in which a sidecar told with which key it is let in. */
  function after(peer: PeerObject, told: string | null): PeerObject {
    const plan = { problem: undefined, files: undefined } as unknown as Plan;
    const known = { writtenAt: 0, missing: new Set<string>(), progress: new Map(), accesses: new Map() };
    const dataPlane = { nats: undefined, sidecars: [sidecarTelling(told)] };
    const planned = { peer, conflict: undefined, ca: undefined, settings: undefined, invalid: undefined };
    const step = { step: 'use', publicKeys: [CURRENT, PREVIOUS], reason: 'Rotating', message: '' } as const;
    return { ...peer, status: peerStatus(planned, plan, step, dataPlane, known, Date.parse('2026-11-25T00:00:00Z')) };
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

function sidecarTelling(key: string | null): SidecarStatus {
  const zeroes = <Name extends string>(names: Readonly<Record<Name, unknown>>): Record<Name, number> =>
    Object.fromEntries(Object.keys(names).map((name) => [name, 0])) as Record<Name, number>;
  const report: PeerStatus = {
    name: 'hospital-b',
    lfhId: 'hospital-b',
    owned: true,
    reason: key === null ? 'Unreachable' : 'Replaying',
    message: '',
    since: '2026-11-25T00:00:00.000Z',
    server: key === null ? null : 'b:4222',
    key,
    position: null,
    lag: null,
    replayed: 0,
    skipped: zeroes(SKIP_REASONS),
    rejected: zeroes(REJECT_REASONS),
    lastReplayTime: null,
    gaps: 0,
    streamRecreated: 0,
  };
  return {
    lfhId: 'hospital-a',
    node: 'local',
    version: '0.1.0',
    startedAt: '2026-11-25T00:00:00.000Z',
    settings: { state: 'Current', message: '' },
    publicKeys: [CURRENT, PREVIOUS],
    nats: { key: CURRENT, message: '' },
    kafka: { joined: true },
    peers: [report],
  };
}

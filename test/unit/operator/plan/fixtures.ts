import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBase32 } from '../../../../common/contract/base32.ts';
import { crc16 } from '../../../../common/contract/nkeys.ts';
import { REJECT_REASONS, SKIP_REASONS } from '../../../../common/contract/reasons.ts';
import { isAuthentic, settingsMac } from '../../../../common/contract/settings-mac.ts';
import { type PeerStatus, type SidecarStatus } from '../../../../common/contract/status.ts';
import type { Metadata } from '../../../../operator/api/objects.ts';
import type { Access } from '../../../../operator/plan/nats/files.ts';
import type { LiveAccess } from '../../../../operator/plan/nats/live-access.ts';
import { advertisedBy } from '../../../../operator/plan/observed/advertised.ts';
import { cachingCertificateReader } from '../../../../operator/plan/observed/certificate.ts';
import type {
  DataPlane,
  DerivedKeys,
  NodeObject,
  Observed,
  ObservedDurable,
  ObservedKey,
  ObservedNats,
  PeerObject,
  References,
  Texts,
} from '../../../../operator/plan/observed/observed.ts';
import { type Plan, planNode } from '../../../../operator/plan/plan.ts';
import type { StatusInput } from '../../../../operator/plan/status/status.ts';
import { type KeyStep, publicKeysOf } from '../../../../operator/plan/trust/node-key.ts';

/** What plans are made of in tests: the same each time, so that golden files stay as they are. */

export const NOW = Date.parse('2026-11-25T12:00:00Z');
export const HOUR_MS = 3_600_000;

/** A public key that nats-server takes, the same for the same name; nobody has its seed. */
export function userKey(name: string): string {
  const body = [0xa0, ...createHash('sha256').update(name).digest()];
  const checksum = crc16(body);
  return encodeBase32([...body, checksum & 0xff, checksum >> 8]);
}

/** As peers know it. */
export const OWN_KEY = userKey('own');
/** As whom a node with a key signs in at its local NATS. */
export const ownUser = (publicKey = OWN_KEY): string => userKey(`${publicKey} at its own NATS`);
/** As whom its sidecars do. */
export const sidecarUser = (publicKey = OWN_KEY): string => userKey(`sidecars of ${publicKey}`);
export const PUBLISHED_KEY = 'UAOG3WGHPVLI3OQQVVTAP33Q3VOJKHYRZWA7A3REHZ3AD4U7YJJUYXO4';

/** The same for the same hash or peer, as those are that the operator derives. */
export const DERIVED: DerivedKeys = {
  own: () => [ownUser()],
  sidecars: () => [sidecarUser()],
  canary: (hash) => userKey(`canary of ${hash}`),
  probe: (lfhId) => userKey(`probe of ${lfhId}`),
  settingsMac: (entries) => settingsMac(entries, ['a seed']),
  isAuthentic: (entries) => isAuthentic(entries, ['a seed']),
};

type CertificateName = 'ca-a' | 'ca-b' | 'ca-c' | 'ca-kafka' | 'ca-expired' | 'ca-not-yet' | 'no-ca';

/** Made once: those of authorities count from 2020 to 2125, all but ca-expired (in 2020) and ca-not-yet (from 2100). */
export function certificate(name: CertificateName): string {
  const pem = pems.get(name) ?? readFileSync(join(import.meta.dirname, 'certificates', `${name}.pem`), 'utf8');
  pems.set(name, pem);
  return pem;
}

const pems = new Map<CertificateName, string>();

type Spec<Of> = { readonly spec?: Partial<Of>; readonly metadata?: Partial<Metadata> };

export function aNode({
  spec,
  metadata,
  status,
}: Spec<NodeObject['spec']> & Pick<NodeObject, 'status'> = {}): NodeObject {
  return {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncNode',
    metadata: {
      name: 'local',
      namespace: 'lfh',
      uid: '6f8c9a52-0000-4000-8000-000000000001',
      generation: 3,
      creationTimestamp: '2026-11-20T08:00:00Z',
      ...metadata,
    },
    spec: {
      lfhId: 'hospital-a',
      nats: {
        servers: ['tls://nats:4222'],
        advertise: ['tls://a.example.org:4222'],
        ca: { inline: certificate('ca-a') },
      },
      kafka: { brokers: ['kafka:9092'] },
      ...spec,
    },
    ...(status && { status }),
  };
}

/** A peer in both directions, unless `spec` says otherwise; `undefined` takes away. */
export function aPeer(
  name: string,
  {
    spec,
    metadata,
    status,
  }: {
    readonly spec?: { readonly [Field in keyof PeerObject['spec']]?: PeerObject['spec'][Field] | undefined };
    readonly metadata?: Partial<Metadata>;
    readonly status?: PeerObject['status'];
  } = {},
): PeerObject {
  const whole = {
    lfhId: name,
    servers: [`tls://${name}.example.org:4222`],
    ca: { inline: certificate('ca-b') },
    publicKeys: [userKey(name)],
    ...spec,
  };
  const present = Object.entries(whole).filter(([, value]) => value !== undefined);
  return {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncPeer',
    metadata: { name, namespace: 'lfh', generation: 2, creationTimestamp: '2026-11-21T08:00:00Z', ...metadata },
    spec: Object.fromEntries(present) as unknown as PeerObject['spec'],
    ...(status && { status }),
  };
}

export function references(
  configMaps: Readonly<Record<string, Texts>> = {},
  secrets: Readonly<Record<string, Texts>> = {},
): References {
  return { configMap: (name) => configMaps[name], secret: (name) => secrets[name] };
}

export function aKey(changes: Partial<ObservedKey> = {}): ObservedKey {
  return {
    secret: 'local-nkey',
    current: { publicKey: OWN_KEY, published: false },
    previous: undefined,
    rotation: 0,
    rotatedAt: undefined,
    ...changes,
  };
}

export function observedOf(peers: readonly PeerObject[], changes: Partial<Observed> = {}): Observed {
  const { node = aNode() } = changes;
  return {
    node,
    peers,
    otherNodes: [],
    references: references(),
    advertised: advertisedBy(node, () => undefined),
    certificates: cachingCertificateReader(),
    key: aKey(),
    written: undefined,
    writtenSettings: undefined,
    settingsIn: [],
    liveHash: undefined,
    leavesOut: false,
    ...changes,
  };
}

/**
 * As the operator plans it.
 *
 * @param bug the id of a peer whose planning throws
 */
export function planOf(observed: Observed, publicKeys?: readonly string[], bug?: string): Plan {
  const keys = publicKeys ?? (observed.key ? publicKeysOf(observed.key) : []);
  const probe = (lfhId: string): string | undefined => {
    if (lfhId === bug) throw new RangeError(`${lfhId} is one too many`);
    return DERIVED.probe(lfhId);
  };
  const itself = { own: () => keys.map(ownUser), sidecars: () => keys.map(sidecarUser) };
  return planNode(observed, keys, { ...DERIVED, ...itself, probe }, NOW);
}

/** What is planned when the first of two reloads, if there is one, is live. */
export function settledPlanOf(observed: Observed, bug?: string): Plan {
  const first = planOf(observed, undefined, bug);
  if (!first.files) return first;
  return planOf({ ...observed, written: first.files.files, liveHash: first.files.hash }, undefined, bug);
}

export const USE: KeyStep = { step: 'use', publicKeys: [OWN_KEY], reason: 'KeyMade', message: 'the key' };

export function peerReport(name: string, changes: Partial<PeerStatus> = {}): PeerStatus {
  return {
    name,
    lfhId: name,
    owned: true,
    reason: 'Replaying',
    message: `from tls://${name}.example.org:4222`,
    since: '2026-11-25T11:00:00Z',
    server: `tls://${name}.example.org:4222`,
    key: OWN_KEY,
    certificateExpires: null,
    position: { sequence: 40, time: '2026-11-25T11:59:00Z', identity: null },
    digest: null,
    lag: 0,
    replayed: 30,
    skipped: zeros(SKIP_REASONS),
    rejected: zeros(REJECT_REASONS),
    rejectedRun: null,
    lastReplayTime: '2026-11-25T11:59:01Z',
    redrive: null,
    gaps: 0,
    streamRecreated: 0,
    ...changes,
  };
}

export function sidecarOf(peers: readonly PeerStatus[], changes: Partial<SidecarStatus> = {}): SidecarStatus {
  return {
    lfhId: 'hospital-a',
    node: 'local',
    version: '0.1.0',
    startedAt: '2026-11-25T11:00:00Z',
    settings: { state: 'Current', message: '', digest: null },
    publicKeys: [OWN_KEY],
    nats: { key: OWN_KEY, message: '' },
    kafka: { joined: true, remark: null },
    peers,
    ...changes,
  };
}

/** One that is in use; `null` for whom nothing was handed to yet. */
export function durableOf(
  lfhId: string,
  {
    lastActive = '2026-11-25T11:59:58Z',
    ...changes
  }: Partial<Omit<ObservedDurable, 'lastActive'>> & { readonly lastActive?: string | null } = {},
): ObservedDurable {
  const active = lastActive === null ? {} : { lastActive };
  return { name: `lfh-sync-${lfhId}`, pending: 0, ackFloor: 70, waiting: 1, ...active, ...changes };
}

export function natsOf(durables: readonly ObservedDurable[] = [], changes: Partial<ObservedNats> = {}): ObservedNats {
  return {
    servers: [{ server: '10.0.0.1:4222', outcome: 'Live', message: '10.0.0.1:4222 runs it' }],
    silent: [],
    streamFirst: 1,
    streamLast: 70,
    durables,
    problem: undefined,
    access: new Map(),
    ...changes,
  };
}

/** What is known of a node, besides its plan and its data plane, when its status is made. */
export type Known = Pick<
  StatusInput,
  'writtenAt' | 'missing' | 'progress' | 'staleSettings' | 'accesses' | 'liveAccess' | 'refused' | 'injection'
>;

export function knownOf(changes: Partial<Known> = {}): Known {
  return {
    writtenAt: NOW,
    missing: new Set(),
    progress: new Map(),
    staleSettings: new Map(),
    accesses: new Map(),
    liveAccess: liveAccessOf(),
    refused: undefined,
    injection: undefined,
    ...changes,
  };
}

/** Whom every server was last seen to let in. */
export function liveAccessOf(access: Access = new Map(), changes: Partial<LiveAccess> = {}): LiveAccess {
  return { everywhere: access, serving: access, possible: access, ...changes };
}

/** All is well, for every one of these peers. */
export function wellFor(peers: readonly PeerObject[]): { readonly dataPlane: DataPlane; readonly known: Known } {
  const accesses = peers.map(({ metadata: { name }, spec }) => {
    const access = { served: true, connectedKeys: spec.publicKeys?.slice(0, 1) ?? [] };
    return [name, { access, at: NOW }] as const;
  });
  return {
    dataPlane: {
      nats: natsOf(peers.map(({ spec }) => durableOf(spec.lfhId))),
      sidecars: [sidecarOf(peers.map(({ metadata, spec }) => peerReport(metadata.name, { lfhId: spec.lfhId })))],
    },
    known: knownOf({ accesses: new Map(accesses) }),
  };
}

function zeros<Reason extends string>(reasons: Readonly<Record<Reason, string>>): Readonly<Record<Reason, number>> {
  return Object.fromEntries(Object.keys(reasons).map((reason) => [reason, 0])) as Record<Reason, number>;
}

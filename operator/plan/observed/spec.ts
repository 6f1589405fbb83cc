import { type Client, durableName } from '../../../common/contract/durable.ts';
import {
  DEFAULT_FORMATS,
  type ReceiveLimits,
  type Redrive,
  type Restart,
  type StartFrom,
} from '../../../common/contract/peers.ts';
import { SETTINGS, type Settings, SIDECAR_HTTP_PORT } from '../../../common/contract/settings.ts';
import type { PeerObject, StoredNode } from './observed.ts';
import { type WorkloadRef, workloadRef } from './workload-ref.ts';

/** Specs with their defaults filled in. The API server fills in those of the CRD, and these are the same. */

export interface PeerSpec {
  readonly servers: readonly string[];
  readonly publicKeys: readonly string[];
  readonly receive: {
    readonly paused: boolean;
    readonly startFrom: StartFrom;
    readonly restart?: Restart;
    readonly redrive?: Redrive;
    readonly allowFormats: readonly string[];
    readonly allowOrigins: readonly string[];
    readonly limits?: ReceiveLimits;
    readonly stream: string;
    readonly consumer: string | undefined;
    readonly manual: boolean;
  };
  readonly send: { readonly paused: boolean; readonly client: Client };
}

export function peerSpec({ spec }: PeerObject): PeerSpec {
  const { servers = [], publicKeys = [], receive = {}, send = {} } = spec;
  const { paused = false, client = 'Sidecar' } = send;
  return { servers, publicKeys, receive: receiveSpec(receive), send: { paused, client } };
}

function receiveSpec({
  paused = false,
  startFrom,
  restart,
  redrive,
  allowFormats = DEFAULT_FORMATS,
  allowOrigins = [],
  limits,
  stream = 'EVENTS',
  consumer,
  manual = false,
}: NonNullable<PeerObject['spec']['receive']>): PeerSpec['receive'] {
  return {
    paused,
    startFrom: startFromOf(startFrom),
    ...(restart && { restart: { position: restart.position, startFrom: startFromOf(restart.startFrom) } }),
    ...(redrive && { redrive: redriveOf(redrive) }),
    allowFormats,
    allowOrigins,
    ...(limits && { limits: limitsOf(limits) }),
    stream,
    consumer,
    manual,
  };
}

function redriveOf({
  id,
  reasons,
  since,
  dryRun = false,
}: NonNullable<NonNullable<PeerObject['spec']['receive']>['redrive']>): Redrive {
  return { id, ...(reasons && { reasons }), ...(since !== undefined && { since }), dryRun };
}

/** Only what the sidecar knows: the API server may keep other fields, of a later version. */
function limitsOf({ messagesPerSecond, bytesPerDay }: ReceiveLimits): ReceiveLimits {
  return {
    ...(messagesPerSecond !== undefined && { messagesPerSecond }),
    ...(bytesPerDay !== undefined && { bytesPerDay }),
  };
}

/** The name of a peer's durable here, and of its account. */
export function peerDurable(peer: PeerObject): string {
  return durableName(peer.spec.lfhId, peerSpec(peer).send.client);
}

export interface NodeSpec {
  readonly account: string;
  readonly isolation: 'Accounts' | 'Users';
  /** Public keys of its administrators. */
  readonly users: readonly string[];
  /** The public key of connect, where it has a user that may do only what connect does. */
  readonly connectKey: string | undefined;
  readonly advertise: readonly string[];
  readonly reload: 'Reloader' | 'Restart' | 'None';
  /** The workload that runs NATS; undefined where the spec does not say. */
  readonly workload: WorkloadRef | undefined;
  readonly rotation: number;
  readonly kafka: { readonly tls: boolean; readonly partitions: number; readonly replicationFactor: number };
}

/** How the sidecars work; all of it are settings of theirs, with the same defaults. */
export type SidecarSpec = Pick<
  Settings,
  'logLevel' | 'announce' | 'maxMessageBytes' | 'maxTopics' | 'batchMaxMessages' | 'batchMaxBytes' | 'batchMaxAgeMs'
>;

export function sidecarSpec({ spec }: StoredNode): SidecarSpec {
  const { logLevel, announce, maxMessageBytes, maxTopics, batch = {} } = spec.sidecar ?? {};
  return {
    logLevel: logLevel ?? SETTINGS.logLevel.fallback(),
    announce: announce ?? SETTINGS.announce.fallback(),
    maxMessageBytes: maxMessageBytes ?? SETTINGS.maxMessageBytes.fallback(),
    maxTopics: maxTopics ?? SETTINGS.maxTopics.fallback(),
    batchMaxMessages: batch.maxMessages ?? SETTINGS.batchMaxMessages.fallback(),
    batchMaxBytes: batch.maxBytes ?? SETTINGS.batchMaxBytes.fallback(),
    batchMaxAgeMs: batch.maxAgeMilliseconds ?? SETTINGS.batchMaxAgeMs.fallback(),
  };
}

/** Where the sidecars of a node listen for the kubelet and for Prometheus. */
export function httpPort({ spec }: Pick<StoredNode, 'spec'>): number {
  return spec.sidecar?.httpPort ?? SIDECAR_HTTP_PORT;
}

/** The public keys of everybody whom the spec of a node lets in at its NATS. */
export function nodeKeys(node: StoredNode): readonly string[] {
  const { users, connectKey } = nodeSpec(node);
  return connectKey === undefined ? users : [...users, connectKey];
}

export function nodeSpec({ spec }: StoredNode): NodeSpec {
  const { account = 'LFH', isolation = 'Accounts', users = [], advertise = [], reload = 'Reloader' } = spec.nats;
  const workload = spec.nats.workloadRef && workloadRef(spec.nats.workloadRef, 'StatefulSet');
  const { rotation = 0 } = spec.key ?? {};
  return {
    account,
    isolation,
    users,
    connectKey: spec.nats.connect?.publicKey,
    advertise,
    reload,
    workload,
    rotation,
    kafka: kafkaSpec(spec.kafka),
  };
}

function kafkaSpec({ tls = false, topics = {} }: StoredNode['spec']['kafka']): NodeSpec['kafka'] {
  const { partitions = SETTINGS.newTopicPartitions.fallback() } = topics;
  const { replicationFactor = SETTINGS.newTopicReplicationFactor.fallback() } = topics;
  return { tls, partitions, replicationFactor };
}

/** The sidecar's resources, in the form of a container's spec. */
export interface Resources {
  readonly requests: ResourceList;
  readonly limits?: ResourceList;
}

interface ResourceList {
  readonly cpu?: string;
  readonly memory?: string;
  readonly 'ephemeral-storage'?: string;
}

/** There are always requests: an autoscaler that looks at the use of CPU fails for a pod in which one container has none. */
export function sidecarResources({ spec }: Pick<StoredNode, 'spec'>): Resources {
  const { requests, limits } = spec.connect?.resources ?? {};
  return { requests: { cpu: '50m', memory: '128Mi', ...requests }, ...(limits && { limits }) };
}

function startFromOf(from: { readonly policy?: string; readonly time?: string } | undefined): StartFrom {
  if (from?.policy === 'Time') return { policy: 'Time', time: from.time ?? '' };
  return { policy: from?.policy === 'Latest' ? 'Latest' : 'Earliest' };
}

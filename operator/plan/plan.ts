import { type DurableConfig, durableConfig } from '../../common/contract/durable.ts';
import { InvalidInputError } from '../../common/errors.ts';
import { type ConfigMap, type Metadata } from '../api/objects.ts';
import type { NatsAccess } from './nats/config.ts';
import { type ConfigRollout, plannedRollouts, rolloutNote } from './nats/config-rollout.ts';
import { hashOf, type NatsFiles, natsFiles, ownUsersIn, type PlannedNatsFiles, withoutRevoked } from './nats/files.ts';
import { INVITATION_FILE, MANAGED_BY, NAMES, NODE_LABEL, ROLLOUT_NOTE, WORKLOAD_NOTE } from './observed/names.ts';
import type { DerivedKeys, NodeObject, Observed, PeerObject, Texts } from './observed/observed.ts';
import { nodeSpec } from './observed/spec.ts';
import { nodeConflict, peerKeys } from './peers/admission.ts';
import { invitation } from './peers/invitation.ts';
import { isGranted, maySend, type PlannedPeer, plannedPeers } from './peers/peers.ts';
import { sidecarFiles, withoutPeers } from './peers/sidecar-settings.ts';
import { type NodeProblem, type ResolvedCa, resolveCa } from './trust/ca-source.ts';
import { bundle } from './trust/certificates.ts';
import { isUserKey, judgeKeys } from './trust/public-keys.ts';

export interface Plan {
  /** Each as it should be; what is not there is made, what has been changed comes back. */
  readonly objects: readonly ConfigMap[];
  /** What is written where one of them is refused: what stands there, but for the access of peers that may not receive any more. */
  readonly revocations: readonly ConfigMap[];
  readonly peers: readonly PlannedPeer[];
  /** Peers that are let in. */
  readonly granted: readonly PeerObject[];
  /** Durables that peers need; any other that begins with lfh-sync- is nobody's any more. */
  readonly durables: readonly DurableConfig[];
  readonly files: PlannedNatsFiles | undefined;
  /** Own CA, for whoever connects to the node's local NATS; undefined: the system's roots. */
  readonly ownCa: string | undefined;
  /** What is wrong with the node's own authorities and users while others of them still count. */
  readonly remarks: readonly string[];
  /** Why no sidecar can sign in at Kafka. */
  readonly kafkaPasswordProblem: string | undefined;
  /** What must happen so that pods take up the objects. */
  readonly rollouts: readonly ConfigRollout[];
  /** With one, nothing but {@link revocations} is planned. */
  readonly problem: NodeProblem | undefined;
}

/** One label of a DNS name, since it becomes part of names in Kafka and of a NATS subject. */
const NODE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Plans everything that a node and its peers need: pure, so that the same cluster gives the same objects.
 *
 * @param publicKeys the node's, as its peers know them, the one in force first; empty where it has none that may be used
 */
export function planNode(observed: Observed, publicKeys: readonly string[], derived: DerivedKeys, now: number): Plan {
  const { node, references } = observed;
  const ownCa = resolveCa(node.spec.nats.ca, 'spec.nats.ca', references, now);
  const kafkaCa = resolveCa(node.spec.kafka.ca, 'spec.kafka.ca', references, now);
  const own = derived.own() ?? ownUsersIn(observed.written);
  const peers = plannedPeers(observed, [...publicKeys, ...own], derived, now);
  const admitted = peers.filter(({ conflict }) => conflict === undefined);
  const granted = peers.filter(isGranted).map(({ peer }) => peer);
  const { revocations, rollouts } = withdrawn(observed, peers);
  const base = {
    objects: revocations,
    revocations,
    peers,
    granted,
    durables: peers.filter(maySend).map(({ peer }) => durableConfig(peer.spec.lfhId)),
    ownCa: ownCa && bundle(ownCa.authorities),
    remarks: remarksOn(node, [ownCa, kafkaCa], publicKeys),
    kafkaPasswordProblem: findKafkaPasswordProblem(observed),
    rollouts,
    files: undefined,
  };
  const problem = problemOf(observed, [ownCa, kafkaCa]);
  if (problem) return { ...base, problem };
  try {
    const authorities = [...(ownCa?.authorities ?? []), ...admitted.flatMap(({ ca }) => ca?.authorities ?? [])];
    const access = accessOf(node, own, granted, derived);
    const { written, liveHash, leavesOut } = observed;
    const restarts = nodeSpec(node).reload === 'Restart';
    const files = natsFiles(access, bundle(authorities), { written, liveHash, restarts, leavesOut }, derived);
    const receiving = admitted.flatMap(({ settings, ca }) =>
      settings ? { settings, authorities: ca?.authorities } : [],
    );
    const settings = sidecarFiles({ node, peers: receiving, ownCa: ownCa?.authorities, kafkaCa: kafkaCa?.authorities });
    const sidecar = owned(node, NAMES.sidecar(node.metadata.name), settings);
    const objects = [natsConfigMap(node, files.files), sidecar];
    if (publicKeys.length > 0) objects.push(invitationConfigMap(node, publicKeys, ownCa));
    return { ...base, objects, files, rollouts: plannedRollouts(node, files.hash, sidecar), problem: undefined };
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return { ...base, problem: { reason: 'InvalidSpec', message: error.message } };
  }
}

function remarksOn(
  node: NodeObject,
  cas: readonly (ResolvedCa | undefined)[],
  publicKeys: readonly string[],
): string[] {
  const { users } = nodeSpec(node);
  const { problems } = judgeKeys(users, 'spec.nats.users');
  const remarks = [...cas.flatMap((ca) => ca?.problems ?? []), ...problems].map(({ message }) => message);
  const atPeers = users.flatMap((key, index) => (publicKeys.includes(key) ? [usedAtPeers(index)] : []));
  return [...remarks, ...atPeers];
}

function usedAtPeers(index: number): string {
  return (
    `spec.nats.users[${index}] is the key that this node signs in with at its peers, whose servers could use its signature to ` +
    "sign in here: take it out, and give connect a key of its own; this node's own sidecar and operator do not need it here"
  );
}

function accessOf(
  node: NodeObject,
  own: readonly string[],
  granted: readonly PeerObject[],
  derived: DerivedKeys,
): Omit<NatsAccess, 'canary'> {
  const { account, isolation, users } = nodeSpec(node);
  const administrators = users.filter(isUserKey);
  const peers = granted.map((peer) => {
    const probe = derived.probe(peer.spec.lfhId);
    return {
      lfhId: peer.spec.lfhId,
      publicKeys: peerKeys(peer).usable,
      ...(probe !== undefined && { probe }),
    };
  });
  return { account, isolation, own, users: administrators, peers };
}

/**
 * What must be written even while the node has a problem, such as an authority that has expired, or the API server refuses the
 * rest: who was let in and may not be any more is not. Nobody is let in anew, and the authorities stay as they are.
 */
function withdrawn(
  { node, written, writtenSettings }: Observed,
  peers: readonly PlannedPeer[],
): Pick<Plan, 'revocations' | 'rollouts'> {
  if (!written) return { revocations: [], rollouts: [] };
  const granted = peers.filter(isGranted).map(({ peer }) => ({
    lfhId: peer.spec.lfhId,
    publicKeys: peerKeys(peer).usable,
  }));
  const files = withoutRevoked(written, granted);
  const receiving = new Set(peers.flatMap(({ settings }) => settings?.name ?? []));
  const sidecar =
    writtenSettings && owned(node, NAMES.sidecar(node.metadata.name), withoutPeers(writtenSettings, receiving));
  return {
    revocations: [natsConfigMap(node, files), ...(sidecar ? [sidecar] : [])],
    rollouts: plannedRollouts(node, hashOf(files) ?? '', sidecar),
  };
}

/** Whether a node that is gone, or has no peers, has left nothing behind in its ConfigMap for NATS: no access, no sidecar. */
export function nothingIsLeft({ metadata, data = {} }: ConfigMap): boolean {
  const without: Texts = withoutRevoked(data, []);
  const isEmpty = Object.entries(without).every(([file, text]) => text === (data[file] ?? ''));
  return isEmpty && metadata.annotations?.[WORKLOAD_NOTE] === undefined;
}

/** Of a node that has no key it may use. */
export const NONE_DERIVED: DerivedKeys = { own: () => undefined, canary: () => undefined, probe: () => undefined };

function problemOf({ node, otherNodes }: Observed, cas: readonly (ResolvedCa | undefined)[]): NodeProblem | undefined {
  const { name } = node.metadata;
  if (!NODE_NAME.test(name)) {
    const message = `metadata.name ${name}: expected lower-case letters, digits and -, at most 63`;
    return { reason: 'InvalidSpec', message };
  }
  const conflict = nodeConflict(node, otherNodes);
  if (conflict !== undefined) return { reason: 'Conflict', message: conflict };
  const unusable = cas.find((ca) => ca !== undefined && ca.authorities.length === 0);
  const [first] = unusable?.problems ?? [];
  if (!unusable || !first) return undefined;
  return { reason: first.reason, message: unusable.problems.map(({ message }) => message).join('; ') };
}

function findKafkaPasswordProblem({ node, references }: Observed): string | undefined {
  const ref = node.spec.kafka.sasl?.passwordSecretRef;
  if (!ref) return undefined;
  const { name, key = 'password' } = ref;
  const secret = references.secret(name);
  if (!secret) return `spec.kafka.sasl.passwordSecretRef: there is no Secret ${name} in this namespace`;
  return secret[key] === undefined
    ? `spec.kafka.sasl.passwordSecretRef: the Secret ${name} has no key ${key}`
    : undefined;
}

function natsConfigMap(node: NodeObject, files: NatsFiles): ConfigMap {
  const note = rolloutNote(node);
  const held = node.status?.workload;
  const annotations = {
    ...(note !== undefined && { [ROLLOUT_NOTE]: note }),
    ...(held !== undefined && { [WORKLOAD_NOTE]: held }),
  };
  const metadata = metadataOf(node, NAMES.nats(node.metadata.name));
  return configMap({ ...metadata, ...(Object.keys(annotations).length > 0 && { annotations }) }, files);
}

function invitationConfigMap(
  node: NodeObject,
  publicKeys: readonly string[],
  ownCa: ResolvedCa | undefined,
): ConfigMap {
  const text = invitation(node, publicKeys, ownCa?.authorities);
  return owned(node, NAMES.invitation(node.metadata.name), { [INVITATION_FILE]: text });
}

/** Goes when its node goes. */
function owned(node: NodeObject, name: string, data: Readonly<Record<string, string>>): ConfigMap {
  const { apiVersion, kind, metadata } = node;
  const owner = { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: true };
  return configMap({ ...metadataOf(node, name), ownerReferences: [owner] }, data);
}

function configMap(metadata: Metadata, data: Readonly<Record<string, string>>): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
}

function metadataOf({ metadata }: NodeObject, name: string): Metadata {
  const labels = { ...MANAGED_BY, [NODE_LABEL]: metadata.name };
  return { name, ...(metadata.namespace !== undefined && { namespace: metadata.namespace }), labels };
}

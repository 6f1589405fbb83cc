import { syncName } from '../../../common/contract/names.ts';
import { type PeerSettings, peerList } from '../../../common/contract/peers.ts';
import { encodeSettings, type Settings } from '../../../common/contract/settings.ts';
import {
  KAFKA_PASSWORD_FILE,
  PREVIOUS_SEED_FILE,
  SEED_FILE,
  SETTINGS_MAC,
} from '../../../common/contract/settings-mac.ts';
import { ShapeError } from '../../../common/contract/shapes.ts';
import type { DerivedKeys, NodeObject, PeerObject, Texts } from '../observed/observed.ts';
import { nodeSpec, peerSpec, sidecarSpec } from '../observed/spec.ts';
import { type Authority, bundle } from '../trust/certificates.ts';
import type { PlannedFhirServer } from './fhir-servers.ts';

const OWN_CA_FILE = 'ca-own.crt';
const KAFKA_CA_FILE = 'ca-kafka.crt';

export interface ReceivingPeer {
  readonly settings: PeerSettings;
  /** The authorities of its servers' certificates; undefined where the system's roots count. */
  readonly authorities: readonly Authority[] | undefined;
}

export interface SidecarPlan {
  readonly node: NodeObject;
  readonly peers: readonly ReceivingPeer[];
  readonly ownCa: readonly Authority[] | undefined;
  /** Empty where the spec names one that cannot be used now. */
  readonly kafkaCa: readonly Authority[] | undefined;
  readonly fhirServers: readonly PlannedFhirServer[];
  /** The files as they are now; anybody who may write ConfigMaps can have written them. */
  readonly before: Texts | undefined;
  readonly derived: SettingsAuthor;
}

/** What is needed to authenticate settings. */
export type SettingsAuthor = Pick<DerivedKeys, 'settingsMac' | 'isAuthentic'>;

/**
 * The files that the sidecars read from their mounted directory: one per setting, and one CA file *per peer*, so that one peer's
 * CA cannot vouch for another peer.
 */
export function sidecarFiles({
  node,
  peers,
  ownCa,
  kafkaCa,
  fhirServers,
  before,
  derived,
}: SidecarPlan): Record<string, string> {
  const authorities: [file: string, authorities: readonly Authority[] | undefined][] = [
    [OWN_CA_FILE, ownCa],
    [KAFKA_CA_FILE, kafkaCa],
    ...[...peers, ...fhirServers].map(({ settings, authorities: own }): [string, typeof own] => [
      settings.caFile ?? '',
      own,
    ]),
  ];
  const caFiles = authorities.flatMap(([file, found]) => (found ? [[file, bundle(found)] as const] : []));
  const all: Partial<Settings> = {
    lfhId: node.spec.lfhId,
    node: node.metadata.name,
    peers: peers.map(({ settings }) => settings).sort((a, b) => (a.name < b.name ? -1 : 1)),
    natsServers: node.spec.nats.servers,
    natsKeyFile: SEED_FILE,
    // This file exists only during a rotation.
    previousNatsKeyFile: PREVIOUS_SEED_FILE,
    ...(ownCa && { caFile: OWN_CA_FILE }),
    // Also where there are none: connect's own setting counts only where this one is absent.
    fhirServers: fhirServers.map(({ settings }) => settings),
    ...kafkaSettings(node, kafkaCa !== undefined),
    ...sidecarSpec(node),
  };
  const files = { ...encodeSettings(all), ...Object.fromEntries(caFiles) };
  if (kafkaCa?.length !== 0) return authenticated(files, before, derived);
  // Sidecars that run go on with the CA that they have. Without one they find no file, and never fall back to the system's roots.
  const { [KAFKA_CA_FILE]: _unusable, ...others } = files;
  const last = before?.[KAFKA_CA_FILE];
  if (last === undefined) return authenticated(others, before, derived);
  const kept = { ...others, [KAFKA_CA_FILE]: last };
  // Somebody else may have written that CA. Then no sidecar takes these settings, until the spec names a CA that can be had.
  return derived.isAuthentic(before ?? {}) === false ? kept : authenticated(kept, before, derived);
}

/**
 * The written settings without the peers that nothing is received from any more. Nothing is added, and settings that somebody else
 * has written are not made ours: no sidecar takes them.
 */
export function withoutPeers(written: Texts, receiving: ReadonlySet<string>, derived: SettingsAuthor): Texts {
  const [setting = ''] = Object.keys(encodeSettings({ peers: [] }));
  try {
    const peers = peerList.decode(written[setting] ?? '[]').filter(({ name }) => receiving.has(name));
    const remaining = { ...written, ...encodeSettings({ peers }) };
    return derived.isAuthentic(written) === true ? authenticated(remaining, written, derived) : remaining;
  } catch (error) {
    // Somebody else has overwritten the setting, and then no sidecar uses it.
    if (error instanceof ShapeError) return written;
    throw error;
  }
}

/**
 * The files with what authenticates them. Without a key that cannot be made, and what is there stays: it fits as long as nothing else
 * is changed, and no sidecar takes anything else until the key is back.
 */
function authenticated(
  files: Texts,
  before: Texts | undefined,
  { settingsMac }: SettingsAuthor,
): Record<string, string> {
  const { [SETTINGS_MAC]: _, ...entries } = files;
  const mac = settingsMac(entries) ?? before?.[SETTINGS_MAC];
  return { ...entries, ...(mac !== undefined && { [SETTINGS_MAC]: mac }) };
}

function kafkaSettings(node: NodeObject, hasCa: boolean): Partial<Settings> {
  const { tls, partitions, replicationFactor } = nodeSpec(node).kafka;
  const { brokers, sasl } = node.spec.kafka;
  return {
    kafkaBrokers: brokers,
    kafkaTls: tls,
    ...(hasCa && { kafkaCaFile: KAFKA_CA_FILE }),
    ...(sasl && {
      kafkaSaslMechanism: sasl.mechanism,
      kafkaSaslUsername: sasl.username,
      kafkaSaslPasswordFile: KAFKA_PASSWORD_FILE,
    }),
    newTopicPartitions: partitions,
    newTopicReplicationFactor: replicationFactor,
  };
}

/** The settings with which a sidecar receives from a peer. */
export function peerSettings(peer: PeerObject, hasCa: boolean): PeerSettings {
  const { servers, receive } = peerSpec(peer);
  const { consumer, manual, ...rest } = receive;
  const { tlsServerName, lfhId } = peer.spec;
  return {
    name: peer.metadata.name,
    lfhId,
    servers,
    ...(hasCa && { caFile: caFileOf(peer) }),
    ...(tlsServerName !== undefined && { tlsServerName }),
    ...rest,
    ...(consumer !== undefined && { consumer }),
    ...(manual && { manual }),
  };
}

function caFileOf({ spec }: PeerObject): string {
  return `ca-${syncName(spec.lfhId)}.crt`;
}

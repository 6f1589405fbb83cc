import type { DurableConfig } from '../../../common/contract/durable.ts';
import type { Reason } from '../../../common/contract/reasons.ts';
import type { PeerStatus, SidecarStatus } from '../../../common/contract/status.ts';
import type { ConfigMap, Metadata } from '../../api/objects.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../api/types.ts';
import type { Advertised } from './advertised.ts';
import type { CertificateReader } from './certificate.ts';
import { DEFAULT_NODE } from './names.ts';
import { onceForEach } from './once-for-each.ts';

/** What a reconcile has read of a node. No seed is in it. */

/** A node as the API server has it. */
export type StoredNode = LfhSyncNode & { readonly metadata: Metadata };
/** A node whose id is known: the spec may leave it to connect. Empty where that has none either. */
export type NodeObject = StoredNode & { readonly spec: { readonly lfhId: string } };
export type PeerObject = LfhSyncPeer & { readonly metadata: Metadata };

/** The name of the node that a peer belongs to. */
export function nodeNameOf({ spec }: PeerObject): string {
  return spec.nodeRef?.name ?? DEFAULT_NODE;
}

/** The texts of a ConfigMap or Secret, by key. */
export type Texts = Readonly<Record<string, string>>;

/** The texts of ConfigMaps that are mounted as one directory; undefined where there are none. */
export function textsOfAll(configMaps: readonly ConfigMap[]): Texts | undefined {
  if (configMaps.length === 0) return undefined;
  return Object.assign({}, ...configMaps.map(({ data }) => data)) as Texts;
}

/** Reads the ConfigMaps and Secrets of the node's namespace by name; undefined where there is no such object. */
export interface References {
  configMap(name: string): Texts | undefined;
  secret(name: string): Texts | undefined;
}

/** Where there is nothing to read. */
export const NO_REFERENCES: References = { configMap: () => undefined, secret: () => undefined };

/** What was found out about a seed, without the seed itself. */
export type KeyReading =
  | { readonly publicKey: string; readonly published: boolean; readonly problem?: undefined }
  | { readonly publicKey?: undefined; readonly problem: string };

/** The Secret with the node's key. */
export interface ObservedKey {
  readonly secret: string;
  readonly current: KeyReading;
  readonly previous: KeyReading | undefined;
  /** The value of `spec.key.rotation` for which it was made. */
  readonly rotation: number;
  /** When it replaced the previous key, in ISO 8601. */
  readonly rotatedAt: string | undefined;
}

/** What is derived from the node's seed and may be known; undefined where the node has no seed that it may use. */
export interface DerivedKeys {
  /** Those of the users as which the operator signs in at the node's local NATS, the one in force first. */
  own(): readonly string[] | undefined;
  /** Those of the users as which the node's sidecars sign in there, the one in force first. */
  sidecars(): readonly string[] | undefined;
  /** That of the canary of a configuration with this hash. */
  canary(configHash: string): string | undefined;
  /** That of the user as which the node probes a peer's account. */
  probe(peerLfhId: string): string | undefined;
  /** What authenticates the sidecars' settings; see common/contract/settings-mac.ts. */
  settingsMac(entries: Texts): string | undefined;
  /** Whether it authenticates these settings. */
  isAuthentic(entries: Texts): boolean | undefined;
}

/** For a node without a key that may be used. */
export const NO_DERIVED_KEYS: DerivedKeys = {
  own: () => undefined,
  sidecars: () => undefined,
  canary: () => undefined,
  probe: () => undefined,
  settingsMac: () => undefined,
  isAuthentic: () => undefined,
};

/** Which configuration one server was found to run. */
export interface ServerReport {
  /** `host:port`; one for each address of a name. */
  readonly server: string;
  /**
   * - `Live`: this very configuration.
   * - `NoAuthorization`: it lets everyone in, whatever it has included.
   * - `ConfigNotLive`: it knows the node's own user but not the canary. It runs an older configuration, or has that
   *   user from elsewhere.
   * - `IncludeMissing`: it knows neither. It does not include our files, was not reloaded since they were written, or
   *   takes its users from JWTs (operator mode), which gives the same answer.
   * - a {@link Reason}: it could not be asked.
   */
  readonly outcome: 'Live' | 'NoAuthorization' | 'ConfigNotLive' | 'IncludeMissing' | Reason;
  /** For a person: which server, what is wrong, what to do. */
  readonly message: string;
  /** Set where Kubernetes calls its pod not ready; see servers.ts. */
  readonly notReady?: true;
  /** When its certificate, or one above it, expires first, in milliseconds since 1970; undefined where it is not known. */
  readonly certificateExpires?: number | undefined;
}

/** A nats-server whose pod Kubernetes calls not ready, and that does not answer: whether its process still runs is not known. */
export interface SilentServer {
  /** As a {@link ServerReport} would name it. */
  readonly server: string;
  /** When it was last asked, in milliseconds since 1970; undefined: not yet, since there are many of its kind. */
  readonly askedAt: number | undefined;
}

/** The state of a peer's durable consumer. */
export interface ObservedDurable {
  readonly name: string;
  /** How many messages were not delivered to the peer yet. */
  readonly pending: number;
  /** Stream sequence up to which the peer has acknowledged. */
  readonly ackFloor: number;
  /** How many pulls wait for messages: while there is one, the peer is connected. */
  readonly waiting: number;
  /** Whether somebody is subscribed to what a push durable delivers; absent for one that is pulled from. */
  readonly bound?: boolean;
  /** How many messages were delivered to the peer, and not acknowledged yet. */
  readonly unacknowledged?: number;
  /** When the peer was last delivered a message or acknowledged one. */
  readonly lastActive?: string;
}

/** Whether the peer is connected and takes what comes. */
export function isThere({ waiting, bound = false }: ObservedDurable): boolean {
  return waiting > 0 || bound;
}

/** A durable as the server has it; undefined where it has none. */
export type FoundConfig = Readonly<Record<string, unknown>> | undefined;

/** The last attempt to write a durable that the server still does not have as it should be. */
export interface DurableAttempt {
  readonly wanted: DurableConfig;
  /** What the server had after the attempt. */
  readonly found: FoundConfig;
  /** In milliseconds since 1970. */
  readonly at: number;
  /** Why the server refused; undefined where it took the durable and set a field of its own. */
  readonly refusal: { readonly message: string; readonly lasting: boolean } | undefined;
}

/** By the durable's name. */
export type DurableAttempts = ReadonlyMap<string, DurableAttempt>;

/** What a peer finds when it signs in here; see operator/nats/peer-account.ts. */
export interface PeerAccess {
  /** Whether its pulls reach its durable. */
  readonly served: boolean;
  /** Those of its public keys that it is connected with; absent where nobody asked. */
  readonly connectedKeys?: readonly string[];
  /** Its connections, also those that were closed lately; absent where nobody asked. */
  readonly connections?: readonly PeerConnection[];
  /** Set where the probe was not let in, since the peer has as many connections as it may have. Nothing else is known then. */
  readonly full?: true;
}

/** What a nats-server counts of one connection of a peer. */
export interface PeerConnection {
  /** The server's id and its number for the connection. */
  readonly id: string;
  /** How many messages the peer has sent on it. */
  readonly sent: number;
  readonly lastedSeconds: number;
  /** 0 while it is open. */
  readonly closedForSeconds: number;
}

/** What was found out about the node's local NATS. */
export interface ObservedNats {
  readonly servers: readonly ServerReport[];
  /** Servers that are not among {@link servers}: mostly they are starting, but one may still let in whoever had access before. */
  readonly silent: readonly SilentServer[];
  /** The stream's first sequence; undefined where there is no stream, or it could not be asked. */
  readonly streamFirst: number | undefined;
  /** When the stream's oldest message was stored, in milliseconds since 1970; undefined where there is none, or it is not known. */
  readonly streamFirstTime?: number | undefined;
  /** How long the stream keeps a message, in milliseconds; undefined where it keeps it for ever, or that is not known. */
  readonly streamMaxAge?: number | undefined;
  /** Its last sequence, asked for after the durables; undefined where it could not be asked. */
  readonly streamLast: number | undefined;
  /** undefined: they could not be asked. */
  readonly durables: readonly ObservedDurable[] | undefined;
  /** What became of the attempts to make the durables; absent where they could not be asked. */
  readonly durableAttempts?: DurableAttempts;
  /** Why JetStream could not be asked. */
  readonly problem: string | undefined;
  /** By the peer's name; only the peers that were probed now. */
  readonly access: ReadonlyMap<string, PeerAccess>;
}

/** What a plan is made from, together with the node's public keys and the time. */
export interface Observed {
  readonly node: NodeObject;
  /** The peers whose nodeRef is this node, also those that are being deleted. */
  readonly peers: readonly PeerObject[];
  /** Every other node that this operator sees. */
  readonly otherNodes: readonly StoredNode[];
  readonly references: References;
  /** Where peers reach the node's NATS. */
  readonly advertised: Advertised;
  /** Kept from one reconcile to the next, so that each certificate is parsed once. */
  readonly certificates: CertificateReader;
  readonly key: ObservedKey | undefined;
  /** The files for NATS as the ConfigMap has them now. Any of them may be missing, or written by somebody else. */
  readonly written: Texts | undefined;
  /** The sidecars' settings as their ConfigMaps have them now. */
  readonly writtenSettings: Texts | undefined;
  /** The names of those ConfigMaps. */
  readonly settingsIn: readonly string[];
  /** The hash that every server that answers was last seen to run. */
  readonly liveHash: string | undefined;
  /** Whether a peer that this configuration lets in has not been served for a while. */
  readonly leavesOut: boolean;
}

/** What NATS and the sidecars answer, asked after the plan was applied. */
export interface DataPlane {
  readonly nats: ObservedNats | undefined;
  /** The statuses of the node's sidecars; undefined: they could not be asked. */
  readonly sidecars: readonly SidecarStatus[] | undefined;
}

/**
 * What is reported of a peer by the sidecar that replays it, or else by any sidecar that knows it. A report about
 * another installation that had the peer's name before does not count; a sidecar may still have the settings of that
 * one.
 */
export function reportOf({ metadata, spec }: PeerObject, sidecars: readonly SidecarStatus[]): PeerStatus | undefined {
  const reports =
    reportsByName(sidecars)
      .get(metadata.name)
      ?.filter(({ lfhId }) => lfhId === spec.lfhId) ?? [];
  return reports.find(({ owned }) => owned) ?? reports[0];
}

const reportsByName = onceForEach((sidecars: readonly SidecarStatus[]) =>
  Map.groupBy(
    sidecars.flatMap(({ peers }) => peers),
    ({ name }) => name,
  ),
);

/** The durable of this name; undefined where it is not there, or it is not known which there are. */
export function durableNamed(
  name: string,
  durables: readonly ObservedDurable[] | undefined,
): ObservedDurable | undefined {
  return durables && durablesByName(durables).get(name);
}

const durablesByName = onceForEach(
  (durables: readonly ObservedDurable[]) => new Map(durables.map((each) => [each.name, each])),
);

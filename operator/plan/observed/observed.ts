import type { Reason } from '../../../common/contract/reasons.ts';
import type { PeerStatus, SidecarStatus } from '../../../common/contract/status.ts';
import type { Metadata } from '../../api/objects.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../api/types.ts';
import type { CertificateReader } from './certificate.ts';

/** Everything that a turn over a node has read; what is planned depends on nothing else. */

export type NodeObject = LfhSyncNode & { readonly metadata: Metadata };
export type PeerObject = LfhSyncPeer & { readonly metadata: Metadata };

/** A ConfigMap's or Secret's texts by key. */
export type Texts = Readonly<Record<string, string>>;

export interface References {
  configMap(name: string): Texts | undefined;
  secret(name: string): Texts | undefined;
}

/** What a seed turned out to be; the seed itself stays with whoever read it. */
export type KeyReading =
  | { readonly publicKey: string; readonly published: boolean; readonly problem?: undefined }
  | { readonly publicKey?: undefined; readonly problem: string };

/** The Secret with the node's key. */
export interface ObservedKey {
  readonly secret: string;
  readonly current: KeyReading;
  readonly previous: KeyReading | undefined;
  /** The rotation that made it. */
  readonly rotation: number;
  readonly rotatedAt: string | undefined;
}

/** Public keys that are derived from the node's seed; undefined where there is none that may be used. */
export interface DerivedKeys {
  /** Of the users that the node is at its local NATS, the one in force first. */
  own(): readonly string[] | undefined;
  /** Of the canary of a configuration with this hash. */
  canary(configHash: string): string | undefined;
  /** Of the user with whom the node looks into a peer's account. */
  probe(peerLfhId: string): string | undefined;
}

/** For a node without a key that may be used. */
export const NO_DERIVED_KEYS: DerivedKeys = {
  own: () => undefined,
  canary: () => undefined,
  probe: () => undefined,
};

/** What one server is found to run. */
export interface ServerReport {
  /** `host:port`; one for each address of a name. */
  readonly server: string;
  /**
   * - `Live`: this very configuration.
   * - `NoAuthorization`: it lets everybody in, whatever it has included.
   * - `ConfigNotLive`: the node's own user is known but not the canary. It runs an older configuration, or has that user from elsewhere.
   * - `IncludeMissing`: neither is known. It does not include our files, was not reloaded since they came, or takes its users from
   *   JWTs (operator mode), which answers all the same.
   * - a {@link Reason}: it could not be asked.
   */
  readonly outcome: 'Live' | 'NoAuthorization' | 'ConfigNotLive' | 'IncludeMissing' | Reason;
  /** For a person: which server, what is wrong, what to do. */
  readonly message: string;
}

export interface ObservedDurable {
  readonly name: string;
  /** Messages that the peer has not been handed yet. */
  readonly pending: number;
  /** Stream sequence up to which the peer has acknowledged. */
  readonly ackFloor: number;
  /** Pulls that wait for messages: somebody is there. */
  readonly waiting: number;
  /** When the peer was last handed something. */
  readonly lastActive?: string;
}

/** What a peer finds when it signs in here; see operator/nats/peer-account.ts. */
export interface PeerAccess {
  /** Whether its pulls reach its durable. */
  readonly served: boolean;
  /** Those of its public keys that it is signed in with. */
  readonly connectedKeys: readonly string[];
}

export interface ObservedNats {
  readonly servers: readonly ServerReport[];
  /** The stream's first sequence; undefined where there is no stream, or it could not be asked. */
  readonly streamFirst: number | undefined;
  /** undefined: could not be asked. */
  readonly durables: readonly ObservedDurable[] | undefined;
  /** Why JetStream could not be asked, or a durable not be made. */
  readonly problem: string | undefined;
  /** By the peer's name; of those that were looked at now. */
  readonly access: ReadonlyMap<string, PeerAccess>;
}

export interface Observed {
  readonly node: NodeObject;
  /** Those whose nodeRef is this node, the ones being deleted too. */
  readonly peers: readonly PeerObject[];
  /** Every other node that this operator sees. */
  readonly otherNodes: readonly NodeObject[];
  readonly references: References;
  /** Kept from one reconcile to the next, so that each certificate is parsed once. */
  readonly certificates: CertificateReader;
  readonly key: ObservedKey | undefined;
  /** The files for NATS as they stand in the ConfigMap; any of them may be missing or somebody else's. */
  readonly written: Texts | undefined;
  /** The sidecars' settings as they stand there. */
  readonly writtenSettings: Texts | undefined;
  /** The hash that every server that answers was last seen to run. */
  readonly liveHash: string | undefined;
  /** Whether that has left somebody out for a while who is let in. */
  readonly leavesOut: boolean;
}

/** What the data plane says, read after the plan was applied. */
export interface DataPlane {
  readonly nats: ObservedNats | undefined;
  /** Answers of the node's sidecars; undefined: could not be asked. */
  readonly sidecars: readonly SidecarStatus[] | undefined;
}

/**
 * The answer of the sidecar that replays a peer, or of any that knows it. One about another node that had the peer's name
 * before, of which a sidecar may still have the settings, is none.
 */
export function reportOf({ metadata, spec }: PeerObject, sidecars: readonly SidecarStatus[]): PeerStatus | undefined {
  const reports = sidecars.flatMap(({ peers }) =>
    peers.filter(({ name, lfhId }) => name === metadata.name && lfhId === spec.lfhId),
  );
  return reports.find(({ owned }) => owned) ?? reports[0];
}

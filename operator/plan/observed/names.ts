import { fhirServerId } from '../../../common/contract/names.ts';
import { GROUP } from '../../api/objects.ts';

/** Names of everything that the operator makes for a node, so that all who write, read or mount it use the same ones. */

/** Objects in the node's own namespace, by the node's name. */
export const NAMES = {
  key: (node: string): string => `${node}-nkey`,
  nats: (node: string): string => `${node}-nats`,
  sidecar: (node: string): string => `${node}-sidecar`,
  /** Those over which the sidecars' settings are spread. Most nodes have only the first, which is {@link NAMES.sidecar}. */
  sidecars: (node: string): [first: string, ...others: string[]] => [
    NAMES.sidecar(node),
    `${node}-sidecar-2`,
    `${node}-sidecar-3`,
  ],
  invitation: (node: string): string => `${node}-invitation`,
} as const;

/** A peer without `spec.nodeRef` belongs to the node of this name. The CRD has the same default. */
export const DEFAULT_NODE = 'local';

export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'lfh-sync' } as const;
/** Label on everything that belongs to a node. */
export const NODE_LABEL = `${GROUP}/node`;
/** Annotation on the ConfigMap for NATS: how NATS takes up its files, see `rolloutNote`. */
export const ROLLOUT_NOTE = `${GROUP}/rollout`;
/** Annotation on the ConfigMap for NATS: which workload has the sidecar, for when the node is gone. */
export const WORKLOAD_NOTE = `${GROUP}/workload`;

/** Key of the ConfigMap for NATS. Goes inside the main account's block; with isolation `Users` inside `authorization`. */
export const MAIN_FILE = 'lfh-sync.conf';
/** Key of the same ConfigMap. Goes beside that block, inside `accounts`; holds nothing but a comment with `Users`. */
export const PEERS_FILE = 'lfh-sync-peers.conf';
/**
 * Key of the same ConfigMap. The node's own CA first, then the peers'; for nats-server's `ca_file`, and for a connect that
 * subscribes to peers. Nothing of ours reads it (docs/security.md, "The bundle of CAs").
 */
export const CA_FILE = 'ca.crt';

/** Key of the ConfigMap with the invitation. */
export const INVITATION_FILE = 'syncpeer.yaml';

/** The names under which the entries of a FHIR server's Secret are mounted, and its CA is written. */
export interface FhirFiles {
  readonly username: string;
  readonly password: string;
  readonly token: string;
  readonly ca: string;
}

/** @param url in the form of `canonicalFhirUrl` */
export function fhirFiles(url: string): FhirFiles {
  const id = fhirServerId(url);
  return { username: `${id}.username`, password: `${id}.password`, token: `${id}.token`, ca: `ca-${id}.crt` };
}

/** The inbox of a probe. The peer, which is in the same account, has another one. */
export const PROBE_INBOX = '_INBOX.probe';
/** Every account has this service, which lists the connections of that account; no system account is needed. */
export const CONNECTIONS_SUBJECT = '$SYS.REQ.ACCOUNT.PING.CONNZ';

import type { ConfigMap, Metadata } from '../../api/objects.ts';
import { rolloutNote } from '../nats/config-rollout.ts';
import { type NatsFiles, withoutRevoked } from '../nats/files.ts';
import { INVITATION_FILE, MANAGED_BY, NAMES, NODE_LABEL, ROLLOUT_NOTE, WORKLOAD_NOTE } from '../observed/names.ts';
import type { NodeObject, Texts } from '../observed/observed.ts';

/** The ConfigMaps that the operator makes for a node. */

/**
 * The files that a nats-server includes. Has no owner, so that it stays when the node is deleted: a nats-server does not start
 * without a file that it includes. Its annotations say what must be done about it then.
 */
export function natsConfigMap(node: NodeObject, files: NatsFiles): ConfigMap {
  const rollout = rolloutNote(node);
  const workload = node.status?.workload;
  const annotations = {
    ...(rollout !== undefined && { [ROLLOUT_NOTE]: rollout }),
    ...(workload !== undefined && { [WORKLOAD_NOTE]: workload }),
  };
  const metadata = metadataOf(node, NAMES.nats(node.metadata.name));
  return configMap({ ...metadata, ...(Object.keys(annotations).length > 0 && { annotations }) }, files);
}

/** @param files that the sidecars mount: their settings and the CAs */
export function sidecarConfigMap(node: NodeObject, files: Texts): ConfigMap {
  return owned(node, NAMES.sidecar(node.metadata.name), files);
}

export function invitationConfigMap(node: NodeObject, invitation: string): ConfigMap {
  return owned(node, NAMES.invitation(node.metadata.name), { [INVITATION_FILE]: invitation });
}

/** Whether a node's ConfigMap for NATS lets in no peer and notes no workload that has the sidecar: all was taken back. */
export function isTakenBack({ metadata, data = {} }: ConfigMap): boolean {
  const without: Texts = withoutRevoked(data, []);
  const isEmpty = Object.entries(without).every(([file, text]) => text === (data[file] ?? ''));
  return isEmpty && metadata.annotations?.[WORKLOAD_NOTE] === undefined;
}

/** A ConfigMap that Kubernetes deletes with its node. */
function owned(node: NodeObject, name: string, data: Texts): ConfigMap {
  const { apiVersion, kind, metadata } = node;
  const owner = { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', controller: true };
  return configMap({ ...metadataOf(node, name), ownerReferences: [owner] }, data);
}

function configMap(metadata: Metadata, data: Texts): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
}

function metadataOf({ metadata }: NodeObject, name: string): Metadata {
  const labels = { ...MANAGED_BY, [NODE_LABEL]: metadata.name };
  return { name, ...(metadata.namespace !== undefined && { namespace: metadata.namespace }), labels };
}

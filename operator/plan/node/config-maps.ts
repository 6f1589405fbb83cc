import { Buffer } from 'node:buffer';
import { CONFIG_MAP_BYTES, type ConfigMap, type Metadata } from '../../api/objects.ts';
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

/**
 * What the sidecars mount as one directory. A node with few peers has one ConfigMap. What does not fit goes into the next, of which
 * there are always as many, so that no pod changes for it (ADR 36).
 *
 * @param files the settings and the CAs
 * @param there the names of those that are there now: what one of them had would count as well, so that it is emptied
 */
export function sidecarConfigMaps(node: NodeObject, files: Texts, there: readonly string[]): ConfigMap[] {
  const names = NAMES.sidecars(node.metadata.name);
  const parts = inParts(files, names.length);
  return names.flatMap((name, index) => {
    const part = parts[index] ?? {};
    const isNeeded = index === 0 || there.includes(name) || Object.keys(part).length > 0;
    return isNeeded ? [owned(node, name, part)] : [];
  });
}

/** In the order of their names, in which settings come before CAs. The last part takes whatever is left. */
function inParts(files: Texts, most: number): Texts[] {
  const parts: Record<string, string>[] = [{}];
  let room = CONFIG_MAP_BYTES;
  for (const [name, text] of Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const size = Buffer.byteLength(text);
    if (size > room && parts.length < most) {
      parts.push({});
      room = CONFIG_MAP_BYTES;
    }
    room -= size;
    Object.assign(parts.at(-1) ?? {}, { [name]: text });
  }
  return parts;
}

export function invitationConfigMap(node: NodeObject, invitation: string): ConfigMap {
  return owned(node, NAMES.invitation(node.metadata.name), { [INVITATION_FILE]: invitation });
}

/** Whether a node's ConfigMap for NATS lets in no peer. */
export function letsNobodyIn({ data = {} }: ConfigMap): boolean {
  const without: Texts = withoutRevoked(data, []);
  return Object.entries(without).every(([file, text]) => text === (data[file] ?? ''));
}

/**
 * Whether all was taken back after a node was deleted: its ConfigMap for NATS lets in no peer, and notes neither a workload that has
 * the sidecar nor one that has to take the ConfigMap up. While the node exists, the ConfigMap notes both.
 */
export function isTakenBack(configMap: ConfigMap): boolean {
  const { annotations = {} } = configMap.metadata;
  const isNoted = [WORKLOAD_NOTE, ROLLOUT_NOTE].some((note) => annotations[note] !== undefined);
  return letsNobodyIn(configMap) && !isNoted;
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

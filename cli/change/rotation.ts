import type { PeerObject, StoredNode } from '../../operator/plan/observed/observed.ts';
import { nodeSpec } from '../../operator/plan/observed/spec.ts';

/** A new key for a node, and who has to know of it. */

/** Why the key is not rotated by raising `spec.key.rotation`; undefined where it can be. */
export function rotationProblem({ spec, status }: StoredNode): string | undefined {
  const brought = spec.key?.secretRef?.name;
  if (brought !== undefined) {
    return (
      `the key was brought, in the Secret ${brought}: put the new seed into it as nats-server.nk and the one before as previous.nk, ` +
      'both at once'
    );
  }
  const waiting = status?.previousKeyInUseBy ?? [];
  if ((status?.publicKeys ?? []).length > 1 && waiting.length > 0) {
    return `the last rotation is not over: ${waiting.join(', ')} still accept only the previous key, and would be cut off`;
  }
  return undefined;
}

/** The value of `spec.key.rotation` that asks for a new key. */
export function nextRotation(node: StoredNode): number {
  return Math.max(nodeSpec(node).rotation, node.status?.rotation ?? 0) + 1;
}

/**
 * Whether the chart's Job writes that field: then it writes its own number again at the next upgrade, and the API server refuses a
 * lower one.
 */
export function isWrittenByChart({ metadata }: StoredNode): boolean {
  return (metadata.managedFields ?? []).some(
    ({ manager, fieldsV1 }) =>
      manager === 'lfh-sync-chart' && fieldsV1?.['f:spec']?.['f:key']?.['f:rotation'] !== undefined,
  );
}

/** Which key each peer accepts, as rows with a head; only the peers from which we receive sign us in. */
export function acceptedKeys(node: StoredNode, peers: readonly PeerObject[]): string[][] {
  const [current, previous] = node.status?.publicKeys ?? [];
  const rows = peers
    .filter(({ spec }) => (spec.servers ?? []).length > 0)
    .map(({ metadata, status }) => {
      const key = status?.receive?.key;
      if (key === undefined) return [metadata.name, 'not seen yet', 'send the invitation'];
      if (key === current) return [metadata.name, 'the new key', '-'];
      return [metadata.name, key === previous ? 'the previous key' : 'another key', 'send the invitation'];
    });
  return [['PEER', 'ACCEPTS', 'TO DO'], ...rows];
}

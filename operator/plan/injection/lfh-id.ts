import type { Workload } from '../../api/objects.ts';
import type { NodeObject, References, StoredNode } from '../observed/observed.ts';
import { settingsNamed } from './connect-settings.ts';
import { connectOf, LFH_ID } from './injection.ts';

/** The workload that runs connect, undefined where there is none or it could not be read, and what its environment comes from. */
interface Connect {
  readonly workload?: Workload | undefined;
  readonly environment: References;
}

/**
 * Fills in the id by which peers know a node: the spec's, or else the one that its status has already, or else the one that
 * connect calls itself. The status comes before connect, because peers would take a node with another id for another node.
 *
 * @returns the node, with an empty id where none is known
 */
export function withLfhId(node: StoredNode, connect: Connect): NodeObject {
  const lfhId = node.spec.lfhId ?? node.status?.lfhId ?? idOfConnect(node, connect) ?? '';
  return { ...node, spec: { ...node.spec, lfhId } };
}

/** What the CRD demands of `spec.lfhId`. */
const MAX_CHARACTERS = 253;
const MAX_BYTES = 768;

function idOfConnect(node: StoredNode, { workload, environment }: Connect): string | undefined {
  const container = workload && connectOf(node, workload.spec.template.spec.containers);
  const [first, ...others] = container ? settingsNamed(container, environment, LFH_ID) : [];
  const id = first?.value ?? '';
  // What stands in a Secret is told to nobody, and the id is told to every peer.
  const isOne = !first?.isSecret && others.every(({ value, isSecret }) => !isSecret && value === id);
  const isUsable = id.length <= MAX_CHARACTERS && Buffer.byteLength(id) <= MAX_BYTES && /^[^\p{Cc}]+$/u.test(id);
  return isOne && isUsable ? id : undefined;
}

import { loadAll } from 'js-yaml';
import { InvalidInputError } from '../../common/errors.ts';
import { KINDS } from '../../operator/api/objects.ts';
import { DEFAULT_NODE } from '../../operator/plan/observed/names.ts';
import type { StoredNode } from '../../operator/plan/observed/observed.ts';
import { PLACEHOLDER_IMAGE } from './judge/install.ts';

/** What is to be installed, as a person has written it down. */
export interface Wanted {
  readonly node: StoredNode;
  /** The values of the chart, where they were given. */
  readonly values?: ChartValues;
}

/** Those values of the chart that decide what it creates. */
export interface ChartValues {
  readonly node?: StoredNode['spec'];
  readonly image?: { readonly repository?: string };
  readonly crds?: { readonly enabled?: boolean };
  readonly rbac?: { readonly create?: boolean };
  readonly serviceAccount?: { readonly create?: boolean };
  readonly watch?: { readonly allNamespaces?: boolean };
  readonly networkPolicy?: { readonly enabled?: boolean };
  readonly podDisruptionBudget?: { readonly enabled?: boolean };
  readonly metrics?: {
    readonly serviceMonitor?: { readonly enabled?: boolean };
    readonly podMonitor?: { readonly enabled?: boolean };
    readonly prometheusRule?: { readonly enabled?: boolean };
  };
}

export function repositoryOf({ image = {} }: ChartValues): string {
  return image.repository ?? PLACEHOLDER_IMAGE;
}

/**
 * Reads the values of the chart, or a manifest with an LfhSyncNode.
 *
 * @param file its name, for messages
 * @throws InvalidInputError saying what the file lacks. Its text is never quoted: somebody may have written a password there
 */
export function readWanted(text: string, file: string): Wanted {
  const documents = parse(text, file).filter((each) => typeof each === 'object' && each !== null);
  const node = documents.find((each): each is StoredNode => (each as Partial<StoredNode>).kind === KINDS.node.kind);
  if (node) return { node: complete(node, node.metadata?.name ?? DEFAULT_NODE, file) };
  const [values] = documents as ChartValues[];
  if (!values || Object.keys(values.node ?? {}).length === 0) {
    throw new InvalidInputError(`${file}: expected an LfhSyncNode, or values of the chart with a node in them`);
  }
  const { apiVersion, kind } = KINDS.node;
  const made = { apiVersion, kind, metadata: { name: DEFAULT_NODE }, spec: values.node } as StoredNode;
  return { node: complete(made, DEFAULT_NODE, file), values };
}

function parse(text: string, file: string): unknown[] {
  try {
    return loadAll(text);
  } catch {
    throw new InvalidInputError(`${file}: is not YAML`);
  }
}

/** As much of a spec as cannot be left out; the API server says the rest when it is applied. */
function complete({ spec, ...others }: StoredNode, name: string, file: string): StoredNode {
  const lists = [spec?.nats?.servers, spec?.kafka?.brokers] as readonly unknown[];
  if (!lists.every((each) => Array.isArray(each) && each.every((entry) => typeof entry === 'string'))) {
    throw new InvalidInputError(`${file}: nats.servers and kafka.brokers of the node have to be lists of addresses`);
  }
  return { ...others, metadata: { ...others.metadata, name }, spec };
}

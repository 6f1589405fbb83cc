import { join } from 'node:path';
import { GROUP } from '../api/objects.ts';

/**
 * Where everything is in a directory. A person writes the YAML files in the directory itself, just those that `kubectl apply -f DIRECTORY`
 * reads; everything in `state` is ours.
 */

/** A directory is one namespace, and it needs no name: what a file says in `metadata.namespace` is for Kubernetes. */
export const NAMESPACE = 'default';

/** Annotation with the name of the file that an object comes from. An object without it was made by lfh-sync. */
export const FILE = `${GROUP}/file`;

export interface Layout {
  /** What a person writes. */
  readonly input: string;
  /** What lfh-sync writes. */
  readonly state: string;
  /** Every object as it is in force, among them the nodes' keys; what etcd is to an API server. */
  readonly objects: string;
  readonly lock: string;
  /** Who holds the lock, for a person. */
  readonly holder: string;
  readonly status: string;
  readonly gitignore: string;
}

export function layoutOf(directory: string): Layout {
  const state = join(directory, 'state');
  return {
    input: directory,
    state,
    objects: join(state, 'objects'),
    lock: join(state, 'lock'),
    holder: join(state, 'lock.holder'),
    status: join(state, 'status.yaml'),
    gitignore: join(state, '.gitignore'),
  };
}

/** What is in `state` besides the nodes' own directories: no node may be called so. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set(['objects', 'lock', 'lock.holder', 'status.yaml']);

/** What is written for one node, below `state`. */
export interface NodeLayout {
  /** What nats-server includes. */
  readonly nats: string;
  /** What the sidecar is given as LFH_SYNC_SETTINGS_DIR. */
  readonly sidecar: string;
  /** What the other side puts into its directory, or applies. */
  readonly invitation: string;
}

export function nodeLayout({ state }: Pick<Layout, 'state'>, node: string): NodeLayout {
  return {
    nats: join(state, node, 'nats'),
    sidecar: join(state, node, 'sidecar'),
    invitation: join(state, node, 'invitation.yaml'),
  };
}

import { type JsonPatchStep, mountsConfigMap, type Workload } from '../../api/objects.ts';
import { NAMES } from '../observed/names.ts';
import { SIDECAR } from './container.ts';
import { INJECTION_MANAGER, isOurEntry, owns, subscribersPath } from './injection.ts';

/**
 * Whether what a workload has by the name of our sidecar is not this node's: that would have its settings mounted. What else says so
 * may be anybody's: the note in a ConfigMap is whose who may write ConfigMaps.
 */
export function isAnothers({ spec }: Workload, node: string): boolean {
  const { initContainers = [], volumes = [] } = spec.template.spec;
  const found = volumes.filter(({ name }) => name === SIDECAR);
  const isThere = found.length > 0 || initContainers.some(({ name }) => name === SIDECAR);
  return isThere && !mountsConfigMap(found, NAMES.sidecar(node));
}

/**
 * What takes the sidecar out of a workload, in one step: one rollout, and either all of it or nothing.
 *
 * An empty server-side apply would do in most cases. But once somebody has changed the *value* of NATS_SYNC_SUBSCRIBERS by
 * anything but an apply, the entry is still ours, and an empty apply removes it with what they have written. So what is
 * there is looked at: the entry goes only while it says what we said and nobody else says it too. Our own record goes as
 * well, for the same reason: a later apply of ours must not take away what has become theirs.
 *
 * @returns nothing where nothing of ours is in it
 */
export function removalOf({ metadata, spec }: Workload): JsonPatchStep[] {
  const { initContainers = [], containers, volumes = [] } = spec.template.spec;
  const managers = metadata.managedFields ?? [];
  const isOurs = managers.map(({ manager }) => manager === INJECTION_MANAGER);
  const template = '/spec/template/spec';
  const named = (list: readonly { readonly name: string }[], path: string): string[] =>
    list.flatMap(({ name }, index) => (name === SIDECAR ? [`${path}/${index}`] : []));
  const entries = containers.flatMap(({ name, env = [] }, at) => {
    const owners = managers.map(({ fieldsV1 }) => owns(fieldsV1, subscribersPath(name)));
    const oursAlone = owners.some(Boolean) && owners.every((owner, index) => !owner || isOurs[index]);
    const index = env.findIndex(isOurEntry);
    return oursAlone && index >= 0 ? [`${template}/containers/${at}/env/${index}`] : [];
  });
  const records = isOurs.flatMap((ours, index) => (ours ? [`/metadata/managedFields/${index}`] : []));
  const paths = [
    ...named(initContainers, `${template}/initContainers`),
    ...named(volumes, `${template}/volumes`),
    ...entries,
    // From the end, since each step moves what comes behind it.
    ...records.toReversed(),
  ];
  if (paths.length === 0) return [];
  // A conflict where somebody has changed it since: then the places are others.
  const unchanged = { op: 'replace', path: '/metadata/resourceVersion', value: metadata.resourceVersion } as const;
  return [unchanged, ...paths.map((path) => ({ op: 'remove', path }) as const)];
}

import { type JsonPatchStep, mountsConfigMap, type Workload } from '../../api/objects.ts';
import { NAMES } from '../observed/names.ts';
import { parseWorkload } from '../observed/workload-ref.ts';
import { SIDECAR } from './container.ts';
import { entryPath, INJECTION_MANAGER, mayBeOurEntry, ownsField } from './injection.ts';

/**
 * Whether the sidecar in a workload does not belong to this node: the node's own sidecar mounts the node's settings. Nothing else
 * can be trusted to say so, since anyone who may write ConfigMaps can have written the note in one of them.
 *
 * @param node its name
 */
export function isOfAnotherNode({ spec }: Workload, node: string): boolean {
  const { initContainers = [], volumes = [] } = spec.template.spec;
  const found = volumes.filter(({ name }) => name === SIDECAR);
  const isThere = found.length > 0 || initContainers.some(({ name }) => name === SIDECAR);
  return isThere && !mountsConfigMap(found, NAMES.sidecar(node));
}

/**
 * A JSON patch that removes the sidecar from a workload: one request, so that there is one rollout, and all of it is removed or
 * nothing.
 *
 * An empty server-side apply would do in most cases. But if somebody has changed the *value* of an entry with
 * anything but an apply, the API server still counts the entry as ours, and an empty apply removes it together with their value.
 * So an entry is removed only if no other manager owns it too, and the list of subscribers only if it is empty. Our record in `managedFields` is removed as
 * well, for the same reason: a later apply of ours must not remove what belongs to somebody else by then.
 *
 * @returns no steps where the workload has nothing of ours
 */
export function removalOf({ metadata, spec }: Workload): JsonPatchStep[] {
  const { initContainers = [], containers, volumes = [] } = spec.template.spec;
  const managers = metadata.managedFields ?? [];
  const isOurs = managers.map(({ manager }) => manager === INJECTION_MANAGER);
  const template = '/spec/template/spec';
  const named = (list: readonly { readonly name: string }[], path: string): string[] =>
    list.flatMap(({ name }, index) => (name === SIDECAR ? [`${path}/${index}`] : []));
  const isOursAlone = (container: string, variable: string): boolean => {
    const owners = managers.map(({ fieldsV1 }) => ownsField(fieldsV1, entryPath(container, variable)));
    return owners.some(Boolean) && owners.every((owner, index) => !owner || isOurs[index]);
  };
  const entries = containers.flatMap(({ name, env = [] }, at) =>
    env.flatMap((entry, index) =>
      mayBeOurEntry(entry) && isOursAlone(name, entry.name) ? [`${template}/containers/${at}/env/${index}`] : [],
    ),
  );
  const records = isOurs.flatMap((ours, index) => (ours ? [`/metadata/managedFields/${index}`] : []));
  const paths = [
    ...named(initContainers, `${template}/initContainers`),
    ...named(volumes, `${template}/volumes`),
    // From the end, since each removal changes the indices behind it.
    ...entries.toReversed(),
    ...records.toReversed(),
  ];
  if (paths.length === 0) return [];
  // The API server answers with a conflict if somebody has changed the workload since, and the indices with it.
  const unchanged = { op: 'replace', path: '/metadata/resourceVersion', value: metadata.resourceVersion } as const;
  return [unchanged, ...paths.map((path) => ({ op: 'remove', path }) as const)];
}

/**
 * What to do where the operator has no right to change a workload.
 *
 * The chart gives the right on the workload in `node.connect`, and where it can ask the cluster also on the one that has the
 * sidecar. `helm template`, and with it Argo CD, asks no cluster, and a rollback brings the earlier rights back as they were.
 *
 * @param workload that cannot be changed, such as `Deployment/connect`
 * @param desired the workload that the spec names; undefined: none
 */
export function missingRight(workload: string, desired: string | undefined): string {
  const { name } = parseWorkload(workload) ?? { name: workload };
  const why =
    workload === desired ? '' : ', out of which the sidecar has to be taken, since the spec no longer names it';
  return (
    `The operator's Role does not name ${workload}${why}: add ${name} to watch.names.connect in the values of the chart. With helm, ` +
    '`helm upgrade` with the current values does it as well'
  );
}

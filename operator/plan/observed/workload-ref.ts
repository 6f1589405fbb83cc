/** Something that makes pods, in the node's own namespace. */
export interface WorkloadRef {
  readonly kind: 'DaemonSet' | 'Deployment' | 'StatefulSet';
  readonly name: string;
}

/** A reference of a spec, with the default for its kind filled in. */
export function workloadRef(
  { kind, name }: { readonly kind?: WorkloadRef['kind']; readonly name: string },
  defaultKind: WorkloadRef['kind'],
): WorkloadRef {
  return { kind: kind ?? defaultKind, name };
}

/** The reference as one text, in the form of the status: `StatefulSet/nats`. */
export function workloadText({ kind, name }: WorkloadRef): string {
  return `${kind}/${name}`;
}

/**
 * Reads what {@link workloadText} wrote.
 *
 * @returns undefined for anything else, which others may have written into a status or an annotation
 */
export function parseWorkload(text = ''): WorkloadRef | undefined {
  const [, kind, name] = /^(DaemonSet|Deployment|StatefulSet)\/([a-z0-9.-]{1,253})$/.exec(text) ?? [];
  return name === undefined ? undefined : { kind: kind as WorkloadRef['kind'], name };
}

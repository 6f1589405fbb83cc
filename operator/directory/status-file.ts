import { dump } from 'js-yaml';
import { KINDS, type KubeObject } from '../api/objects.ts';
import type { Refusal } from './input.ts';

const HEADER = '# Written by lfh-sync. docs/api.md has every condition, with its reasons and what to do about each.\n';

/** What `kubectl get -o yaml` would show, and what is refused of the files: the text of `status.yaml`. */
export function statusText(objects: readonly KubeObject[], refused: readonly Refusal[]): string {
  const statuses = (kind: string): Record<string, unknown> =>
    Object.fromEntries(
      objects
        .filter((object) => object.kind === kind)
        .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
        .map((object) => [object.metadata.name, (object as { readonly status?: unknown }).status ?? {}]),
    );
  const content = { refused, nodes: statuses(KINDS.node.kind), peers: statuses(KINDS.peer.kind) };
  return HEADER + dump(content, { lineWidth: 120, noRefs: true });
}

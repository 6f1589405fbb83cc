import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ConfigMap, KubeObject, Secret } from '../api/objects.ts';
import { KINDS } from '../api/objects.ts';
import { type SidecarSource, sidecarSources } from '../plan/injection/container.ts';
import { INVITATION_FILE, NAMES, NODE_LABEL } from '../plan/observed/names.ts';
import type { NodeObject } from '../plan/observed/observed.ts';
import { FILE, type Layout, nodeLayout } from './layout.ts';
import { type Files, holds, writeMounted } from './mounted-files.ts';

/** A directory or file that is made of the objects. */
interface Output {
  readonly path: string;
  /** undefined: it is to be gone. */
  readonly files: Files | undefined;
  /** The node whose nats-server includes it. */
  readonly includedBy?: string;
}

/** Where a sidecar's secrets are, and nobody but its own user may read. */
const SECRETS = /^secrets\//;
const OWNER_ONLY = 0o600;
const FOR_ALL = 0o644;

/**
 * Writes what is made of the objects, each only where it differs from what is there: so what somebody has changed is put back.
 *
 * @returns the nodes whose nats-server has something to take up
 */
export async function writeOutputs(layout: Layout, objects: readonly KubeObject[]): Promise<string[]> {
  const changed: string[] = [];
  for (const { path, files, includedBy } of outputsOf(layout, objects)) {
    if (!files) await rm(path, { recursive: true, force: true });
    else if (!(await holds(path, files))) {
      await writeMounted(path, files, (file) => (SECRETS.test(file) ? OWNER_ONLY : FOR_ALL));
      if (includedBy !== undefined) changed.push(includedBy);
    }
  }
  for (const { path, text } of invitationsOf(layout, objects)) await writeText(path, text);
  return changed;
}

/** Writes a file in one step, where its text differs. @param text undefined: it is to be gone */
export async function writeText(path: string, text: string | undefined): Promise<void> {
  if (text === undefined) return rm(path, { force: true });
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, text);
  await chmod(`${path}.new`, FOR_ALL);
  await rename(`${path}.new`, path);
}

/**
 * The directories of each node. What nats-server includes stays when the node is gone, since it does not start without it; then no peer
 * is in it any more.
 */
export function outputsOf(layout: Pick<Layout, 'state'>, objects: readonly KubeObject[]): Output[] {
  return nodesOf(objects).flatMap((name): Output[] => {
    const { nats, sidecar } = nodeLayout(layout, name);
    const ours = objects.filter(isOurs);
    const natsFiles = contentOf(ours, { configMap: NAMES.nats(name) });
    const node = objects.find(({ kind, metadata }) => kind === KINDS.node.kind && metadata.name === name);
    const settings = contentOf(ours, { configMap: NAMES.sidecar(name) });
    return [
      ...(natsFiles ? [{ path: nats, files: natsFiles, includedBy: name }] : []),
      { path: sidecar, files: node && settings && sidecarFiles(objects, sidecarSources(node as NodeObject)) },
    ];
  });
}

export function invitationsOf(
  layout: Pick<Layout, 'state'>,
  objects: readonly KubeObject[],
): { readonly path: string; readonly text: string | undefined }[] {
  return nodesOf(objects).map((name) => {
    const text = contentOf(objects.filter(isOurs), { configMap: NAMES.invitation(name) })
      ?.get(INVITATION_FILE)
      ?.toString('utf8');
    return { path: nodeLayout(layout, name).invitation, text };
  });
}

/** Those that exist, and those that were deleted and have left something behind. */
function nodesOf(objects: readonly KubeObject[]): string[] {
  const names = objects.flatMap((object) => {
    const { kind, metadata } = object;
    if (kind === KINDS.node.kind) return [metadata.name];
    return kind === KINDS.configMap.kind && isOurs(object) ? (metadata.labels?.[NODE_LABEL] ?? []) : [];
  });
  return [...new Set(names)].sort();
}

/** Whether lfh-sync has made an object. What a person, or another organisation, has put into a file decides on no path. */
function isOurs({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[FILE] === undefined;
}

function sidecarFiles(objects: readonly KubeObject[], sources: readonly SidecarSource[]): Files {
  const files = new Map<string, Buffer>();
  for (const source of sources) {
    const content = contentOf(objects, source);
    const items = 'secret' in source ? source.items : [...(content?.keys() ?? [])].map((key) => ({ key, path: key }));
    for (const { key, path } of items) {
      const bytes = content?.get(key);
      if (bytes) files.set(path, bytes);
    }
  }
  return files;
}

function contentOf(
  objects: readonly KubeObject[],
  source: { readonly configMap: string } | { readonly secret: string },
): Files | undefined {
  const [kind, name] = 'secret' in source ? ['Secret', source.secret] : ['ConfigMap', source.configMap];
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (!found) return undefined;
  const { data = {} } = found as ConfigMap | Secret;
  const encoding = kind === 'Secret' ? 'base64' : 'utf8';
  const texts = Object.entries(data).map(([key, text]): [string, Buffer] => [key, Buffer.from(text, encoding)]);
  const bytes = Object.entries((found as ConfigMap).binaryData ?? {});
  return new Map([...texts, ...bytes.map(([key, text]): [string, Buffer] => [key, Buffer.from(text, 'base64')])]);
}

/** The path below the state of a directory, for a message. */
export function belowState({ state }: Pick<Layout, 'state'>, path: string): string {
  return join('state', path.slice(state.length + 1));
}

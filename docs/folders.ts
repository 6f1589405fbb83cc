import { FILES, FOLDERS, type Folder } from '../lint/folders.ts';
import { markdownTable, withMade } from './markdown.ts';

/** The part of docs/architecture.md that says which folder may import which: a picture and a table, made from the lint's rules. */

/** Puts the picture and the table into docs/architecture.md. @throws Error where the page has no place for them */
export function withFolders(page: string): string {
  return withMade(page, 'lint/folders.ts', [picture(), table()]);
}

function table(): string {
  const rows = Object.entries({ ...FOLDERS, ...FILES }).map(([path, { imports = [], packages = [], pure }]) => [
    `\`${path}\``,
    imports.map((each) => `\`${each}\``).join(', '),
    packages.map((each) => `\`${each}\``).join(', '),
    pure ? 'yes' : '',
  ]);
  return markdownTable(['files in', 'may import, besides each other', 'packages', 'decisions only'], rows);
}

/** An arrow leads to what is imported. One is left out where a way of other arrows leads there too. */
function picture(): string {
  const nodes = [...Object.keys(FOLDERS), ...targetsWithRules()];
  const arrows = new Map(nodes.map((path) => [path, importsOf(path, nodes)]));
  const isReached = (from: string, to: string): boolean =>
    (arrows.get(from) ?? []).some((next) => next === to || isReached(next, to));
  const lines = nodes.flatMap((from) => {
    const targets = arrows.get(from) ?? [];
    const direct = targets.filter((to) => !targets.some((other) => other !== to && isReached(other, to)));
    return direct.map((to) => `  ${idOf(from)} --> ${idOf(to)}`);
  });
  const houses = ['operator', 'sidecar', 'cli', 'common'].flatMap((house) => [
    `  subgraph the_${house}["${house}/"]`,
    ...nodes.filter((path) => path.split('/')[0] === house).map((path) => `    ${idOf(path)}["${nameOf(path)}"]`),
    '  end',
  ]);
  return ['```mermaid', 'flowchart TD', ...houses, ...lines, '```'].join('\n');
}

/** Files that a folder may import by themselves and that have rules of their own. */
function targetsWithRules(): string[] {
  const imported = new Set(Object.values(FOLDERS).flatMap(({ imports = [] }) => imports));
  return Object.keys(FILES).filter((file) => imported.has(file));
}

function importsOf(path: string, nodes: readonly string[]): string[] {
  const { imports = [] }: Folder = FILES[path] ?? FOLDERS[path] ?? {};
  // A folder's own files are its own affair; single files of another folder are left to the table.
  return imports.filter((target) => nodes.includes(target));
}

function idOf(path: string): string {
  return path.replaceAll(/[^a-z]/g, '_');
}

/** The programs' own folders hold what starts them. */
function nameOf(path: string): string {
  return path.includes('/') ? path.slice(path.indexOf('/') + 1) : `${path}/*.ts`;
}

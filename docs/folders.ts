import { FILES, FOLDERS, type Folder } from '../lint/folders.ts';
import { markdownTable } from './markdown.ts';

/** The part of docs/architecture.md that says which folder may import which: a picture and a table, made from the lint's rules. */

const BEGIN =
  '<!-- Made by `make docs` from lint/folders.ts, down to the next comment; a test fails when it differs. -->';
const END = '<!-- End of what is made. -->';

/**
 * Puts the picture and the table into a page, between the two comments that are there for it.
 *
 * @throws Error where the page does not have both comments
 */
export function withFolders(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`expected the lines ${BEGIN} and ${END}, in this order`);
  return `${page.slice(0, begin)}${[BEGIN, picture(), table()].join('\n\n')}\n\n${page.slice(end)}`;
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
  const houses = ['operator', 'sidecar', 'common'].flatMap((house) => [
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

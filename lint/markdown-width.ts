import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Prose in Markdown has at most so many columns, as the code has, so that a diff shows it without wrapping. */
const MAX_COLUMNS = 120;

/** A line that is nothing but one link, perhaps as an item of a list: its address cannot be broken. */
const ONE_LINK = /^\s*(?:[-*] |\d+\. )?(?:\[[^\]]*\]\(\S+\)|\[[^\]]*\]: \S+|<?https?:\/\/\S+>?)[.,:;]?$/;

/**
 * Finds the lines that are too wide. Rows of tables, blocks of code and lines that are one link may be: they cannot be
 * broken.
 *
 * @returns their numbers, counted from 1
 */
export function tooWide(text: string): number[] {
  const found: number[] = [];
  let fence: string | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const [, mark] = /^\s*(`{3,}|~{3,})/.exec(line) ?? [];
    if (mark !== undefined && (fence === undefined || mark.startsWith(fence))) {
      fence = fence === undefined ? mark : undefined;
      continue;
    }
    const mayBeWide = fence !== undefined || /^\s*\|/.test(line) || ONE_LINK.test(line);
    if (!mayBeWide && line.length > MAX_COLUMNS) found.push(index + 1);
  }
  return found;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  const pages = globSync('**/*.md', { cwd: root, exclude: ['**/node_modules', 'dist', 'coverage'] });
  for (const page of pages) {
    for (const line of tooWide(readFileSync(join(root, page), 'utf8'))) {
      process.stderr.write(`${page}:${line}: more than ${MAX_COLUMNS} columns of prose; break the line\n`);
      process.exitCode = 1;
    }
  }
}

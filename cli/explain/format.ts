import { columns } from '../text/columns.ts';
import { wrap } from '../text/wrap.ts';
import { type Entry, KINDS_OF_ENTRIES } from './catalogue.ts';

const INDENT = '  ';

/** The entries with a name, however it is written in capital and small letters. */
export function entriesOf(name: string, entries: readonly Entry[]): Entry[] {
  const small = name.toLowerCase();
  return entries.filter((entry) => entry.name.toLowerCase() === small);
}

/** For a terminal: a head line for each entry, and what it says. */
export function explanation(entries: readonly Entry[], width: number): string {
  return entries
    .map(({ kind, name, of, text, page }) =>
      [
        `${name} (${kind}) ${of}`,
        ...text.map((paragraph) => wrap(paragraph, width, INDENT)),
        `${INDENT}More: ${page}`,
      ].join('\n'),
    )
    .join('\n\n');
}

/** The names of all entries, each once, by their kinds. */
export function listing(entries: readonly Entry[]): string {
  const rows = KINDS_OF_ENTRIES.flatMap((kind) =>
    namesOf(entries.filter((entry) => entry.kind === kind)).map((name) => [kind, name]),
  );
  return columns([['KIND', 'NAME'], ...rows]).join('\n');
}

export function namesOf(entries: readonly Entry[]): string[] {
  return [...new Set(entries.map(({ name }) => name))].sort();
}

const NOTE = '<!-- Made by `make docs` from the code; a test fails when it differs. -->';

/** As many columns as a line of prose may have; `lint/markdown-width.ts` looks at every page. */
const COLUMNS = 120;

/** A generated page: a title, the note that it is generated, and the parts with a blank line between. */
export function page(title: string, ...parts: string[]): string {
  return `${[`# ${title}`, NOTE, ...parts.map(wrapped)].join('\n\n')}\n`;
}

/** Where the part of a page ends that is made. */
const END = '<!-- End of what is made. -->';

/**
 * Puts what is made into a page that is written by hand, between the two comments that are there for it.
 *
 * @param source what it is made from, as the first comment names it
 * @throws Error where the page does not have both comments
 */
export function withMade(written: string, source: string, parts: readonly string[]): string {
  const begin = `<!-- Made by \`make docs\` from ${source}, down to the next comment; a test fails when it differs. -->`;
  const [from, to] = [written.indexOf(begin), written.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`expected the lines ${begin} and ${END}, in this order`);
  return `${written.slice(0, from)}${[begin, ...parts].join('\n\n')}\n\n${written.slice(to)}`;
}

/** A paragraph with its lines broken; a heading, table or block of code as it is. */
export function wrapped(part: string): string {
  if (/^(#|\||```)/.test(part)) return part;
  const lines: string[] = [];
  // A piece of code is one word: it is easier to search for when it is not broken.
  for (const word of part.match(/(?:`[^`]*`|\S)+/g) ?? []) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= COLUMNS) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

/** A table; a `|` in a cell does not end it. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

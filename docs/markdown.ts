const NOTE = '<!-- Made by `make docs` from the code; a test fails when it differs. -->';

/** A generated page: a title, the note that it is generated, and the parts with a blank line between. */
export function page(title: string, ...parts: string[]): string {
  return `${[`# ${title}`, NOTE, ...parts].join('\n\n')}\n`;
}

/** A table; a `|` in a cell does not end it. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

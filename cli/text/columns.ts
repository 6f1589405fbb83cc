/** Lines of cells, as kubectl writes tables: each column as wide as its widest cell, three blanks between. A cell is one line. */
export function columns(rows: readonly (readonly (string | number)[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => String(cell).replaceAll(/[\r\n\t]+/g, ' ')));
  const widths = (cells[0] ?? []).map((_, index) => Math.max(...cells.map((row) => (row[index] ?? '').length)));
  return cells.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

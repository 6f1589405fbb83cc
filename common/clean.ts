/** Text that came from the other side, fit for a log line or a status: printable, and short. */
export function clean(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return printable.length > 300 ? `${printable.slice(0, 300)}…` : printable;
}

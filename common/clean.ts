/** Text that came from the other side, fit for a log line or a status: printable, and short. */
export function clean(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?');
  return printable.length > 300 ? `${printable.slice(0, 300)}…` : printable;
}

/** Control characters, and those that only change how others are shown, as the one that turns the direction of a text. */
const UNPRINTABLE = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Text for a person's terminal, whoever it is from: nothing in it is a command to the terminal. Unlike {@link clean} it keeps letters of
 * all scripts, line ends and the whole length.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}

/** JSON for a terminal: what {@link printable} would take is escaped instead, so that it is the same JSON. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value, undefined, 2).replace(
    UNPRINTABLE,
    (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

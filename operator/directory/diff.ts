import { diff } from 'node:util';

/** Lines around a difference that are shown with it. */
const CONTEXT = 2;

/** What would change in a text, line by line, as `diff -u` shows it; empty where nothing would. */
export function lineDiff(before: string, after: string): string[] {
  if (before === after) return [];
  const lines = diff(before.split('\n'), after.split('\n')).map(([operation, line]) => ({
    isChanged: operation !== 0,
    // The library says what has to be done to the second to have the first.
    text: `${operation === 0 ? ' ' : operation === 1 ? '-' : '+'} ${line}`,
  }));
  return lines.flatMap(({ isChanged, text }, at) => {
    const near = lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => line.isChanged);
    return isChanged || near ? [text] : [];
  });
}

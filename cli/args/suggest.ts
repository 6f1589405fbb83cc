/** More wrong letters than this make another word. */
const MOST_WRONG = 3;

/** The words that somebody may have meant, the likeliest first; none where nothing is near. */
export function suggestions(typed: string, words: readonly string[]): string[] {
  const small = typed.toLowerCase();
  return words
    .map((word) => ({ word, wrong: wrongLetters(small, word.toLowerCase()) }))
    .filter(({ word, wrong }) => wrong <= Math.min(MOST_WRONG, Math.ceil(word.length / 3)))
    .sort((a, b) => a.wrong - b.wrong || (a.word < b.word ? -1 : 1))
    .slice(0, MOST_WRONG)
    .map(({ word }) => word);
}

/** `; did you mean a or b?`, or nothing. */
export function didYouMean(typed: string, words: readonly string[]): string {
  const near = suggestions(typed, words);
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`;
}

/** How many letters have to be added, removed or changed to make one of the other (Levenshtein). */
function wrongLetters(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (const [i, letter] of a.split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of b.split('').entries()) {
      const changed = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

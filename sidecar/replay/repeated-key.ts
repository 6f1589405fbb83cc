const BACKSLASH = 92;
const OPENING = new Set(['{', '[']);
const CLOSING = new Set(['}', ']']);

/**
 * Finds out whether a JSON object has one of its own keys twice, also when the two differ in upper and lower case.
 *
 * JSON.parse takes the last of two equal keys. Other readers of the same bytes take the first, or ignore the case, and
 * would see another origin than the one that was checked here. Keys of objects within the object do not matter.
 *
 * @param text an object that JSON.parse accepts
 */
export function hasRepeatedKey(text: string): boolean {
  const keys = new Set<string>();
  let depth = 0;
  let isKeyNext = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') {
      const end = endOfString(text, at);
      if (depth === 1 && isKeyNext) {
        const key = (JSON.parse(text.slice(at, end + 1)) as string).toLowerCase();
        if (keys.has(key)) return true;
        keys.add(key);
        isKeyNext = false;
      }
      at = end;
    } else if (OPENING.has(character)) {
      depth += 1;
      isKeyNext = depth === 1;
    } else if (CLOSING.has(character)) {
      depth -= 1;
    } else if (character === ',' && depth === 1) {
      isKeyNext = true;
    }
  }
  return false;
}

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

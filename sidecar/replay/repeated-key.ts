const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

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
    // Codes and not characters: a peer that nests a megabyte of brackets would keep the event loop for tens of milliseconds.
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at);
        if (isKeyNext) {
          const key = keyOf(text.slice(at, end + 1));
          if (keys.has(key)) return true;
          keys.add(key);
          isKeyNext = false;
        }
        at = end;
        break;
      }
      case OPENING_BRACE:
      case OPENING_BRACKET:
        depth += 1;
        isKeyNext = depth === 1;
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        depth -= 1;
        break;
      case COMMA:
        isKeyNext = depth === 1;
        break;
      default:
    }
  }
  return false;
}

/** @param json a key with its quotes */
function keyOf(json: string): string {
  const key = json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1);
  return key.toLowerCase();
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

export interface Tag {
  readonly system: string;
  readonly code: string;
}

/** Of JavaScript since 2025; TypeScript's own declarations have it only for later targets. */
interface RawJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(source: string): unknown;
}

/** A meta that is read and written again. FHIR's has a few lines. */
const MAX_META = 64 * 1024;

/**
 * A resource with one more `meta.tag`. Everything else stays as it was, character by character: in FHIR the number 1.50 is not
 * the number 1.5.
 *
 * Only the meta is read, because a peer wrote the resource: to read a megabyte takes much longer than to look for its end.
 *
 * @param text a JSON object that has none of its own fields twice
 * @returns undefined where its meta is none, or a larger one than any that is meant
 */
export function withTag(text: string, tag: Tag): string | undefined {
  const place = findOwnValue(text, 'meta');
  const begin = text.indexOf('{') + 1;
  if (place === undefined) {
    const comma = /^\s*\}/.test(text.slice(begin)) ? '' : ', ';
    return `${text.slice(0, begin)}"meta": ${JSON.stringify({ tag: [tag] })}${comma}${text.slice(begin)}`;
  }
  const [start, end] = place;
  const meta = end - start > MAX_META ? undefined : readKeepingNumbers(text.slice(start, end));
  // A number that is kept is an object, too.
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta) || text[start] !== '{') return undefined;
  const { tag: others = [] } = meta as { readonly tag?: unknown };
  if (!Array.isArray(others)) return undefined;
  const tagged = JSON.stringify({ ...meta, tag: [...(others as unknown[]), tag] });
  return text.slice(0, start) + tagged + text.slice(end);
}

function readKeepingNumbers(text: string): unknown {
  const json = JSON as unknown as RawJson;
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? json.rawJSON(source) : value,
  );
}

/** A character of a JSON text that is not within a string, or the quote that a string begins with. */
interface Mark {
  readonly character: string;
  readonly at: number;
  /** Where what it begins ends: of a string, with its quote. */
  readonly end: number;
}

const STRUCTURE = /["{}[\],:]/g;

/** The structure of an object on its first level: its keys, its strings, its colons and commas, and its last brace. */
function* ownMarks(text: string): Generator<Mark> {
  let depth = 0;
  STRUCTURE.lastIndex = 0;
  for (let found = STRUCTURE.exec(text); found; found = STRUCTURE.exec(text)) {
    const [character] = found;
    const at = found.index;
    const end = character === '"' ? endOfString(text, at) + 1 : at + 1;
    STRUCTURE.lastIndex = end;
    if (depth === 1) yield { character, at, end };
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') depth -= 1;
  }
}

/**
 * Where the value of one of an object's own fields begins and ends.
 *
 * @param text a JSON object
 */
function findOwnValue(text: string, name: string): readonly [start: number, end: number] | undefined {
  let key = '';
  let start: number | undefined;
  for (const { character, at, end } of ownMarks(text)) {
    if (start !== undefined && (character === ',' || character === '}')) return trimmed(text, start, at);
    if (start === undefined && character === '"') key = text.slice(at, end);
    if (start === undefined && character === ':' && isName(key, name)) start = end;
  }
  return undefined;
}

/** @param key with its quotes */
function isName(key: string, name: string): boolean {
  return key === `"${name}"` || (key.includes('\\') && key.length < 100 && JSON.parse(key) === name);
}

function trimmed(text: string, start: number, end: number): readonly [number, number] {
  const value = text.slice(start, end);
  return [start + value.length - value.trimStart().length, end - (value.length - value.trimEnd().length)];
}

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

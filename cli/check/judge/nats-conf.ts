/** Reads so much of a nats-server.conf as tells what it includes, and where. */

export interface Include {
  /** The name of the file, without its directory. */
  readonly file: string;
  /** The names of the blocks that it stands in, the outermost first: `['accounts', 'LFH']`. */
  readonly inside: readonly string[];
}

/** A comment, a text in quotes, a bracket, or a word. A `//` inside of a word, as in an URL, begins no comment. */
const TOKEN = /(?:#|\/\/)[^\n]*|"((?:[^"\\]|\\.)*)"|'([^']*)'|([{}])|([^\s{}[\](),;="']+)/g;

export function includesIn(conf: string): Include[] {
  const found: Include[] = [];
  const inside: string[] = [];
  let last = '';
  for (const [token, double, single, bracket, word] of conf.matchAll(TOKEN)) {
    const text = double ?? single ?? word;
    if (bracket === '{') inside.push(last);
    else if (bracket === '}') inside.pop();
    else if (text === undefined || token === ':') continue;
    else if (last === 'include') found.push({ file: text.split('/').at(-1) ?? '', inside: [...inside] });
    last = bracket === undefined ? (text ?? '').replace(/:$/, '') : '';
  }
  return found;
}

/**
 * Where a file is included by any of several files that may include each other.
 *
 * @param files the texts, by the name of the file
 */
export function placesOf(file: string, files: ReadonlyMap<string, string>, depth = 0): (readonly string[])[] {
  if (depth > files.size) return [];
  return [...files].flatMap(([name, text]) =>
    includesIn(text)
      .filter((each) => each.file === file)
      .flatMap(({ inside }) => {
        const outer = placesOf(name, files, depth + 1);
        return outer.length === 0 ? [inside] : outer.map((before) => [...before, ...inside]);
      }),
  );
}

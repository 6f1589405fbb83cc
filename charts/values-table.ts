import { load } from 'js-yaml';

/** A value of the chart in values.yaml: its path, its comment, and its default. */
export interface DocumentedValue {
  readonly path: string;
  readonly meaning: string;
  readonly fallback: unknown;
}

/** Every value with a comment that begins with `# --`, in the order of the file. */
export function documentedValues(text: string): readonly DocumentedValue[] {
  const values = load(text);
  const found: DocumentedValue[] = [];
  const path: string[] = [];
  let meaning: string[] = [];
  for (const line of text.split('\n')) {
    const [, comment] = /^ *# ?(.*)$/.exec(line) ?? [];
    const [, indent = '', name] = /^( *)([A-Za-z]+):/.exec(line) ?? [];
    if (comment?.startsWith('-- ')) meaning = [comment.slice(3)];
    else if (comment !== undefined && meaning.length > 0) meaning.push(comment);
    else if (name !== undefined) {
      path.splice(indent.length / 2, path.length, name);
      if (meaning.length > 0) {
        found.push({ path: path.join('.'), meaning: meaning.join(' '), fallback: valueAt(values, path) });
      }
      meaning = [];
    }
  }
  return found;
}

function valueAt(values: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (value as Readonly<Record<string, unknown>>)[name], values);
}

/**
 * JSON as connect writes it, with Python's `json.dumps`: the separators are `", "` and `": "`, and every character that is
 * not ASCII is escaped.
 */

// Python escapes all that is not between space and `~`; JSON.stringify has already escaped what is below space.
const BEYOND_ASCII = /[\u007f-\uffff]/g;

/** One string, as Python writes it. */
export function pythonString(text: string): string {
  return asciiJson(text);
}

/** An object's fields in the order given; the values are JSON text already. */
export function pythonObject(fields: readonly (readonly [name: string, json: string])[]): string {
  return `{${fields.map(([name, json]) => `"${name}": ${json}`).join(', ')}}`;
}

/** A value as compact JSON in ASCII. The separators are JavaScript's, which no reader of JSON minds. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(BEYOND_ASCII, escape);
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

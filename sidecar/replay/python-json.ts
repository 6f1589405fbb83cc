/**
 * JSON as connect writes it, with Python's `json.dumps`: the separators are `", "` and `": "`, and every character that is
 * not ASCII is escaped.
 */

/** Most texts have nothing to escape. */
const PLAIN = /^[ !#-[\]-~]*$/;
// Python escapes all that is not between space and `~`; JSON.stringify has already escaped what is below space.
const BEYOND_ASCII = /[\u007f-\uffff]/g;

/** One string, as Python writes it. */
export function pythonString(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text).replace(BEYOND_ASCII, escape);
}

/** An object's fields in the order given; the values are JSON text already. */
export function pythonObject(fields: readonly (readonly [name: string, json: string])[]): string {
  return `{${fields.map(([name, json]) => `"${name}": ${json}`).join(', ')}}`;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

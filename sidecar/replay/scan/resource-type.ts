import {
  CLOSING_BRACE,
  COLON,
  COMMA,
  endOfExpected,
  endOfPlain,
  endOfSpace,
  endOfValue,
  NONE,
  OPENING_BRACE,
  QUOTE,
} from './json-bytes.ts';

const RESOURCE_TYPE = Buffer.from('resourceType');
/** FHIR's resources have about ten levels, and questionnaires some more. */
const USUAL_LEVELS = 64;

/** Where a string is in a text, without its quotes. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the `resourceType` of a FHIR resource, and checks on the way that the whole text is JSON. It builds nothing.
 *
 * `undefined` does not say that the text is no resource: it says that the text is none, or an unusual one, and has to be looked
 * at more closely. Escapes in the names of its own fields or in the type, and more than {@link USUAL_LEVELS} levels are unusual.
 *
 * @param text UTF-8 with a NUL behind it; see json-bytes.ts
 */
export function findResourceType(text: Uint8Array): Place | undefined {
  let at = endOfSpace(text, 0);
  if (text[at] !== OPENING_BRACE) return undefined;
  let type: Place | undefined;
  do {
    at = endOfSpace(text, at + 1);
    if (text[at] !== QUOTE) return undefined;
    const name = at + 1;
    at = endOfPlain(text, name);
    if (text[at] !== QUOTE) return undefined;
    const isType = endOfExpected(RESOURCE_TYPE, text, name) === at;
    at = endOfSpace(text, at + 1);
    if (text[at] !== COLON) return undefined;
    at = endOfSpace(text, at + 1);
    // The last of two counts, as for JSON.parse.
    if (isType) type = plainStringAt(text, at);
    at = endOfValue(text, at, USUAL_LEVELS - 1);
    if (at === NONE) return undefined;
    at = endOfSpace(text, at);
  } while (text[at] === COMMA);
  const isWhole = text[at] === CLOSING_BRACE && endOfSpace(text, at + 1) === text.length - 1;
  return isWhole ? type : undefined;
}

function plainStringAt(text: Uint8Array, quote: number): Place | undefined {
  if (text[quote] !== QUOTE) return undefined;
  const end = endOfPlain(text, quote + 1);
  return text[end] === QUOTE ? { start: quote + 1, end } : undefined;
}

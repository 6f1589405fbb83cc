/**
 * connect's message on `EVENTS.sync` (docs/upstream.md). It comes from another organisation: nothing in it is trusted.
 *
 * The rule is: fields that we use are checked strictly, in length and characters; fields that we do not use are not looked at.
 * connect itself accepts a message whose unused fields have any type, and its versions disagree about them:
 * `transmission_attributes` was text from September to November 2021, and `operation` did not exist before June 2021.
 */

/** The fields that we use. */
export interface LfhMessage {
  readonly uuid: string;
  readonly lfh_id: string;
  readonly operation: string;
  readonly consuming_endpoint_url: string;
  /** Base64, which sidecar/replay/decide.ts checks. */
  readonly data: string;
  readonly data_format: string;
}

export type FieldProblem =
  | { readonly kind: 'MissingField'; readonly field: string }
  | { readonly kind: 'WrongType'; readonly field: string; readonly expected: string }
  | { readonly kind: 'InvalidField'; readonly field: string; readonly expected: string };

interface Field {
  /** Matches the whole value. Its bound on the length keeps a peer from making us escape megabytes. */
  readonly pattern: RegExp;
  readonly expected: string;
  /** The value when the field is absent, because older nodes leave it out. Without a fallback the field must be there. */
  readonly fallback?: string;
}

const ANY_TEXT = /[^]/;

const FIELDS: Readonly<Record<keyof LfhMessage, Field>> = {
  uuid: { pattern: /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i, expected: 'a UUID' },
  lfh_id: { pattern: /^[^\p{Cc}]{1,253}$/u, expected: '1 to 253 characters, none of them a control character' },
  operation: { pattern: /^[A-Za-z]{1,16}$/, expected: '1 to 16 letters', fallback: 'POST' },
  consuming_endpoint_url: {
    pattern: /^[^\p{Cc}]{1,2048}$/u,
    expected: '1 to 2048 characters, none of them a control character',
  },
  data: { pattern: ANY_TEXT, expected: 'a string that is not empty' },
  data_format: { pattern: ANY_TEXT, expected: 'a string that is not empty' },
};

const NAMED_FIELDS = Object.entries(FIELDS);

/** The names of the fields that we use. */
export const MESSAGE_FIELDS: ReadonlySet<string> = new Set(Object.keys(FIELDS));

/**
 * Reads the fields that we use from a JSON object.
 *
 * @returns the message, or what keeps the object from being one
 */
export function readMessage(object: Readonly<Record<string, unknown>>): LfhMessage | FieldProblem {
  const found: Record<string, string> = {};
  for (const [field, { pattern, expected, fallback }] of NAMED_FIELDS) {
    const value = fallback === undefined ? object[field] : (object[field] ?? fallback);
    if (value === undefined) return { kind: 'MissingField', field };
    if (typeof value !== 'string') return { kind: 'WrongType', field, expected: 'a string' };
    if (!pattern.test(value)) return { kind: 'InvalidField', field, expected };
    found[field] = value;
  }
  return found as unknown as LfhMessage;
}

/** connect's message on `EVENTS.sync`, as upstream.md lists it. Comes from another organisation: nothing is trusted. */

export interface LfhMessage {
  readonly uuid: string;
  readonly lfh_id: string;
  readonly operation: string;
  readonly creation_date: string;
  readonly store_date: string;
  readonly consuming_endpoint_url: string;
  readonly data: string;
  readonly data_format: string;
}

export type FieldProblem =
  | { readonly kind: 'MissingField'; readonly field: string }
  | { readonly kind: 'WrongType'; readonly field: string; readonly expected: string }
  | { readonly kind: 'InvalidField'; readonly field: string; readonly expected: string };

type Json = Readonly<Record<string, unknown>>;

const REQUIRED_TEXT = [
  'uuid',
  'lfh_id',
  'operation',
  'creation_date',
  'store_date',
  'consuming_endpoint_url',
  'data',
  'data_format',
] as const satisfies readonly (keyof LfhMessage)[];

/** Fields that may be null or absent, which older nodes and failed transmissions make use of. */
const OPTIONAL: Readonly<Record<string, 'string' | 'number' | 'array' | 'object'>> = {
  status: 'string',
  data_record_location: 'string',
  target_endpoint_urls: 'array',
  ipfs_uri: 'string',
  elapsed_storage_time: 'number',
  transmit_date: 'string',
  elapsed_transmit_time: 'number',
  elapsed_total_time: 'number',
  transmission_attributes: 'object',
};

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/**
 * Tells what keeps a JSON object from being an LFH message, or undefined where nothing does.
 *
 * Unknown fields are tolerated, as connect tolerates them: a newer node may send more.
 */
export function findFieldProblem(value: Json): FieldProblem | undefined {
  for (const field of REQUIRED_TEXT) {
    const found = value[field];
    if (found === undefined) return { kind: 'MissingField', field };
    if (typeof found !== 'string') return { kind: 'WrongType', field, expected: 'a string' };
    if (found === '') return { kind: 'InvalidField', field, expected: 'a string that is not empty' };
  }
  for (const [field, type] of Object.entries(OPTIONAL)) {
    if (!isOfType(value[field], type)) return { kind: 'WrongType', field, expected: `${type} or null` };
  }
  if (!UUID.test(value.uuid as string)) return { kind: 'InvalidField', field: 'uuid', expected: 'a UUID' };
  return undefined;
}

function isOfType(value: unknown, type: 'string' | 'number' | 'array' | 'object'): boolean {
  if (value === undefined || value === null) return true;
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return typeof value === 'object' && !Array.isArray(value);
  return typeof value === type;
}

import { loadAll } from 'js-yaml';
import { KINDS } from '../../operator/api/objects.ts';
import { UsageError } from '../args/parse.ts';

/** An invitation as it came: what it asks for, before it is judged. */
export interface Invitation {
  readonly name: string;
  readonly lfhId: string;
  readonly servers: readonly string[];
  /** PEM; empty where there is none. */
  readonly ca: string;
  readonly tlsServerName: string | undefined;
  readonly publicKeys: readonly string[];
  /** Fields that do not belong into an invitation, and are not taken from it. */
  readonly ignored: readonly string[];
}

/** Much more than an invitation with the largest CA has. */
const MOST_CHARACTERS = 200_000;
/** Of an id, a name or the name of a host: so many does the API server take. */
const MOST_IN_A_NAME = 253;
/** What is not taken is shown above the fingerprint, and must not push that out of sight. */
const SHOWN = { fields: 10, characters: 60 };
const SECRET = /S[ACNOUX][A-Z2-7]{56}|-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/;
const TAKEN: ReadonlySet<string> = new Set(['lfhId', 'servers', 'ca', 'tlsServerName', 'publicKeys']);

/**
 * Reads a file that somebody has sent.
 *
 * Only what an invitation has is taken from it. What else an LfhSyncPeer may have (what we accept from the peer, how we treat it, which
 * Secret of ours is its CA) is for us to decide, and never for who sends the file.
 *
 * @throws UsageError which never quotes the file, since a secret may be in it
 */
export function readInvitation(text: string): Invitation {
  if (text.length > MOST_CHARACTERS) throw new UsageError('the file is far too large for an invitation');
  if (SECRET.test(text)) {
    throw new UsageError(
      'there is a seed or a private key in the file: an invitation has none. Do not pass it on, and tell who sent it that the key has ' +
        'to be replaced',
    );
  }
  const object = onlyObject(text);
  const { apiVersion, kind } = KINDS.peer;
  if (object.apiVersion !== apiVersion || object.kind !== kind) {
    throw new UsageError(`the file is no invitation: expected ${kind} of ${apiVersion}`);
  }
  const [metadata, spec] = [fieldsOf(object.metadata, 'metadata'), fieldsOf(object.spec, 'spec')];
  const ca = spec.ca === undefined ? {} : fieldsOf(spec.ca, 'spec.ca');
  return {
    name: nameOf(metadata.name, 'metadata.name'),
    lfhId: nameOf(spec.lfhId, 'spec.lfhId'),
    servers: textsOf(spec.servers, 'spec.servers'),
    ca: ca.inline === undefined ? '' : textOf(ca.inline, 'spec.ca.inline'),
    tlsServerName: spec.tlsServerName === undefined ? undefined : nameOf(spec.tlsServerName, 'spec.tlsServerName'),
    publicKeys: textsOf(spec.publicKeys, 'spec.publicKeys'),
    ignored: shown([
      ...Object.keys(metadata)
        .filter((field) => field !== 'name')
        .map((field) => `metadata.${field}`),
      ...Object.keys(spec)
        .filter((field) => !TAKEN.has(field))
        .map((field) => `spec.${field}`),
      ...Object.keys(ca)
        .filter((field) => field !== 'inline')
        .map((field) => `spec.ca.${field}`),
    ]),
  };
}

function shown(fields: readonly string[]): string[] {
  const { characters } = SHOWN;
  const cut = fields.map((field) => (field.length > characters ? `${field.slice(0, characters)}…` : field));
  const more = cut.length - SHOWN.fields;
  return more > 0 ? [...cut.slice(0, SHOWN.fields), `${more} more`] : cut;
}

type Fields = Readonly<Record<string, unknown>>;

function onlyObject(text: string): Fields {
  let objects: unknown[];
  try {
    objects = loadAll(text, { maxAliases: 0 }).filter((each) => each !== null && each !== undefined);
  } catch {
    throw new UsageError('the file is not YAML');
  }
  if (objects.length !== 1)
    throw new UsageError(`the file has ${objects.length} objects: an invitation is one LfhSyncPeer`);
  return fieldsOf(objects[0], 'the file');
}

function fieldsOf(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new UsageError(`${where}: expected fields`);
}

function textOf(value: unknown, where: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new UsageError(`${where}: expected a text`);
}

function nameOf(value: unknown, where: string): string {
  const text = textOf(value, where);
  if (text.length <= MOST_IN_A_NAME) return text;
  throw new UsageError(`${where} is longer than ${MOST_IN_A_NAME} characters`);
}

function textsOf(value: unknown, where: string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.map((each, index) => textOf(each, `${where}[${index}]`));
  throw new UsageError(`${where}: expected a list`);
}

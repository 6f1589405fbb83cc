import { READ_AT_ONCE } from '../../common/contract/object-reader.ts';
import {
  CLOSING_BRACE,
  CLOSING_BRACKET,
  COMMA,
  endOfSpace,
  endOfValue,
  OPENING_BRACE,
  OPENING_BRACKET,
} from '../replay/scan/json-bytes.ts';

/** What a FHIR server says of itself, as far as it decides what is sent. */
export interface Capabilities {
  /** Whether a POST of this type may be conditional, so that a repeat makes nothing twice. */
  conditionalCreate(type: string): boolean;
}

export const NO_CAPABILITIES: Capabilities = { conditionalCreate: () => false };

/** FHIR's resources have about ten levels. */
const LEVELS = 64;
const LONGEST_NAME = 64;
/** Of the statement, and of what it says of a REST endpoint. */
const FIELDS: ReadonlySet<string> = new Set(['rest', 'mode', 'searchParam', 'resource']);
const END = Buffer.from('\0');

/**
 * Reads a CapabilityStatement, one resource type at a time. It yields after each pass over the text, and after
 * each {@link READ_AT_ONCE} bytes of a list: the server chooses how much it says, and all peers and servers share one thread.
 *
 * A server may ignore a search parameter that it does not know. It would then take any resource for the one that was looked for,
 * and create nothing. So a server that lists its parameters must list `_tag`, for all types or for this one.
 *
 * What it says of one type is a few KB. If it is more than {@link READ_AT_ONCE}, it is not looked at, and the type counts as one
 * that is not offered.
 *
 * @param body the answer of `[base]/metadata`
 * @returns undefined where it is no JSON object, or one with more than {@link LEVELS} levels
 */
export function* readCapabilities(body: Buffer): Generator<void, Capabilities | undefined> {
  const text = Buffer.concat([body, END]);
  const at = endOfSpace(text, 0);
  const end = endOfValue(text, at, LEVELS);
  if (text[at] !== OPENING_BRACE || endOfSpace(text, end) !== body.length) return undefined;
  yield;
  const allowed = new Set<string>();
  const statement = yield* fieldsIn(text, { name: '', at, end });
  for (const rest of membersIn(text, statement.get('rest'), OPENING_BRACKET)) {
    if (rest) yield* readRest(text, rest, allowed);
    else yield;
  }
  return { conditionalCreate: (type) => allowed.has(type) };
}

/** Adds the types that may be created conditionally. */
function* readRest(text: Buffer, rest: Member, allowed: Set<string>): Generator<void, void> {
  const fields = yield* fieldsIn(text, rest);
  if (valueOf(text, fields.get('mode')) !== 'server') return;
  const common = fields.get('searchParam');
  // A list that is too long to be looked at counts as one without `_tag`.
  const hasLongList = common !== undefined && isLong(common);
  const parameters = objectsIn(valueOf(text, common));
  const isCommon = parameters.some(isTag);
  for (const member of membersIn(text, fields.get('resource'), OPENING_BRACKET)) {
    if (member === undefined) {
      yield;
      continue;
    }
    const resource = valueOf(text, member);
    const type = fieldOf(resource, 'type');
    const own = objectsIn(fieldOf(resource, 'searchParam'));
    const listsNone = parameters.length === 0 && own.length === 0 && !hasLongList;
    const canSearch = isCommon || own.some(isTag) || listsNone;
    if (typeof type === 'string' && fieldOf(resource, 'conditionalCreate') === true && canSearch) allowed.add(type);
  }
}

function isTag(parameter: object): boolean {
  return fieldOf(parameter, 'name') === '_tag';
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function objectsIn(list: unknown): readonly object[] {
  return Array.isArray(list) ? list.filter((each): each is object => typeof each === 'object' && each !== null) : [];
}

/** Where a value is in a text: that of a field of an object, or an item of a list, whose name is empty. */
interface Member {
  readonly name: string;
  readonly at: number;
  readonly end: number;
}

function isLong({ at, end }: Member): boolean {
  return end - at > READ_AT_ONCE;
}

/** @returns undefined where there is none, and where it is too long to be read at once */
function valueOf(text: Buffer, member: Member | undefined): unknown {
  if (member === undefined || isLong(member)) return undefined;
  return JSON.parse(text.toString('utf8', member.at, member.end));
}

/** The fields of an object by their names. As for JSON.parse, the last of two counts. */
function* fieldsIn(text: Buffer, object: Member): Generator<void, Map<string, Member>> {
  const fields = new Map<string, Member>();
  for (const member of membersIn(text, object, OPENING_BRACE)) {
    if (member === undefined) yield;
    else if (FIELDS.has(member.name)) fields.set(member.name, member);
  }
  return fields;
}

/**
 * The members of an object or of a list.
 *
 * @param opening the brace or the bracket; where another value is there are no members
 * @returns undefined between them where it is time to yield
 */
function* membersIn(text: Buffer, of: Member | undefined, opening: number): Generator<Member | undefined> {
  if (of === undefined || text[of.at] !== opening) return;
  let at = endOfSpace(text, of.at + 1);
  let yieldedAt = at;
  while (text[at] !== CLOSING_BRACE && text[at] !== CLOSING_BRACKET) {
    let name = '';
    if (opening === OPENING_BRACE) {
      const endOfName = endOfValue(text, at, 0);
      if (endOfName - at <= LONGEST_NAME) name = text.toString('latin1', at + 1, endOfName - 1);
      at = endOfSpace(text, endOfSpace(text, endOfName) + 1);
    }
    const end = endOfValue(text, at, LEVELS);
    yield { name, at, end };
    at = endOfSpace(text, end);
    if (text[at] === COMMA) at = endOfSpace(text, at + 1);
    if (at - yieldedAt < READ_AT_ONCE) continue;
    yield undefined;
    yieldedAt = at;
  }
}

import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { readDefinitions, type Schema } from '../../crds/read.ts';
import { KINDS, type KubeObject } from '../api/objects.ts';
import { celValue, holdsRule, isTransition } from './cel.ts';
import { RESERVED_NAMES } from './layout.ts';

/**
 * Checks an object as an API server and `kubectl apply` do: by the schema and the rules of its CRD, and without fields that nobody knows,
 * which are mostly spelled wrong. No fault quotes a value, since somebody may have put a secret into it.
 */

export interface Fault {
  /** `spec.nats.servers[0]`; empty for the object itself. */
  readonly field: string;
  readonly problem: string;
}

interface Check {
  readonly schema: Schema | undefined;
  readonly isValid: ValidateFunction;
}

/** As an API server has it. Each key becomes the name of a file, so it must never be a path. */
const KEYS = { propertyNames: { pattern: '^(?!\\.\\.|\\.$)[-._a-zA-Z0-9]{1,253}$' } };
const TEXTS = { type: 'object', ...KEYS, additionalProperties: { type: 'string' } };
/** What of these two a person writes here. */
const BUILT_IN: Readonly<Record<string, object>> = {
  Secret: objectSchema({
    data: { ...TEXTS, additionalProperties: { type: 'string', format: 'byte' } },
    type: { type: 'string' },
  }),
  ConfigMap: objectSchema({ data: TEXTS, binaryData: TEXTS }),
};
const API_VERSIONS = new Map<string, string>(
  [KINDS.node, KINDS.peer, KINDS.secret, KINDS.configMap].map(({ kind, apiVersion }) => [kind, apiVersion]),
);

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
const ajv = new Ajv({
  allErrors: true,
  useDefaults: true,
  // Kubernetes's own keywords are none of JSON Schema's.
  strict: false,
  formats: {
    'date-time': (text: string) => RFC_3339.test(text) && !Number.isNaN(Date.parse(text)),
    byte: /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
    int32: { type: 'number', validate: (value: number) => Math.abs(value) < 2 ** 31 },
    int64: { type: 'number', validate: Number.isSafeInteger },
  },
});
const CHECKS = new Map<string, Check>([
  ...readDefinitions().map(({ kind, schema }): [string, Check] => [
    kind,
    { schema, isValid: ajv.compile(closed(schema)) },
  ]),
  ...Object.entries(BUILT_IN).map(([kind, schema]): [string, Check] => [
    kind,
    { schema: undefined, isValid: ajv.compile(schema) },
  ]),
]);

/** Of a DNS name, as Kubernetes demands it of every object that is read here. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LONGEST_NAME = 253;
/** Longer than the name of any field of ours, and shorter than a seed. */
const LONGEST_FIELD = 40;

/** What is wrong with the identity of a document; undefined where it is an object that may be here. */
export function identityFault(document: unknown): Fault | undefined {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return fault('', NO_OBJECT);
  const { apiVersion, kind, metadata } = document as Partial<KubeObject>;
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') return fault('', NO_OBJECT);
  const expected = API_VERSIONS.get(kind);
  if (expected === undefined) return fault('kind', `a directory has only ${[...API_VERSIONS.keys()].join(', ')}`);
  if (apiVersion !== expected) return fault('apiVersion', `must be ${expected}`);
  return metadataFault(kind, metadata);
}

/** What becomes the name of a file or of a directory. */
function metadataFault(kind: string, metadata: Partial<KubeObject['metadata']> | undefined): Fault | undefined {
  const name: unknown = metadata?.name;
  if (typeof name !== 'string' || name.length > LONGEST_NAME || !NAME.test(name))
    return fault('metadata.name', BAD_NAME);
  if (kind === KINDS.node.kind && RESERVED_NAMES.has(name)) return fault('metadata.name', RESERVED_NAME);
  return hasGoodLabels(metadata?.labels) ? undefined : fault('metadata.labels', BAD_LABEL);
}

/** As an API server has it. The name of a node in a label becomes a directory. */
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

function hasGoodLabels(labels: unknown): boolean {
  if (labels === undefined || labels === null) return true;
  if (typeof labels !== 'object' || Array.isArray(labels)) return false;
  return Object.values(labels).every((value) => typeof value === 'string' && LABEL_VALUE.test(value));
}

/**
 * What is wrong with an object. Fields that have a default and are not there are filled in.
 *
 * @param object its identity is right ({@link identityFault})
 * @param before the object as it is in force; undefined for a new one
 */
export function faultsOf(object: KubeObject, before: KubeObject | undefined): Fault[] {
  const { schema, isValid } = CHECKS.get(object.kind) ?? {};
  if (!isValid) throw new Error(`no schema of ${object.kind}`);
  if (!isValid(object)) return describe(isValid.errors ?? []);
  return schema ? brokenRules(schema, object, before, '') : [];
}

/** Every rule that a value or something in it breaks. Items of a list have no earlier self, as in Kubernetes. */
function brokenRules(schema: Schema, value: unknown, before: unknown, path: string): Fault[] {
  const rules = schema['x-kubernetes-validations'] ?? [];
  const broken = rules
    .filter(({ rule }) => !isTransition(rule) || before !== undefined)
    .filter(({ rule }) => !holdsRule(rule, celValue(value), celValue(before)))
    .map(({ fieldPath = '', message }) => fault(`${path}${fieldPath}`.replace(/^\./, ''), message.trim()));
  if (Array.isArray(value)) {
    const { items } = schema;
    const inside = items ? value.flatMap((item, n) => brokenRules(items, item, undefined, `${path}[${n}]`)) : [];
    return [...broken, ...inside];
  }
  const inside = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const [now, then] = [fieldOf(value, name), fieldOf(before, name)];
    return now === undefined ? [] : brokenRules(property, now, then, path === '' ? name : `${path}.${name}`);
  });
  return [...broken, ...inside];
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** A schema that takes no fields but its own, as `kubectl apply` does. What is in `metadata` is not described by a CRD. */
function closed(schema: Schema): object {
  const { properties, items, ...others } = schema;
  return {
    ...others,
    ...(items && { items: closed(items) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, closed(each)])),
      additionalProperties: false,
    }),
  };
}

function objectSchema(properties: Readonly<Record<string, object>>): object {
  const identity = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' } };
  return {
    type: 'object',
    properties: { ...identity, immutable: { type: 'boolean' }, ...properties },
    additionalProperties: false,
  };
}

function describe(errors: readonly ErrorObject[]): Fault[] {
  // ajv reports the pattern of a bad key as well, which says nothing more.
  const reported = errors.filter(({ propertyName }) => propertyName === undefined);
  return reported.map(({ instancePath, keyword, params, message = 'is invalid' }) => {
    const at = instancePath
      .slice(1)
      .replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]')
      .replaceAll('/', '.')
      .replaceAll('~1', '/');
    const inside = (name: unknown): string => (at === '' ? String(name) : `${at}.${String(name)}`);
    if (keyword === 'additionalProperties') return fault(inside(nameOf(params.additionalProperty)), UNKNOWN_FIELD);
    if (keyword === 'propertyNames') return fault(at, BAD_KEY);
    if (keyword === 'required') return fault(inside(params.missingProperty), 'is missing');
    if (keyword === 'enum') return fault(at, `must be one of ${(params.allowedValues as unknown[]).join(', ')}`);
    if (keyword === 'type' && params.type === 'string') return fault(at, 'must be a text: put it in quotation marks');
    return fault(at, message);
  });
}

/** A secret may stand where the name of a field should. */
function nameOf(field: unknown): string {
  return String(field).length > LONGEST_FIELD ? '…' : String(field);
}

function fault(field: string, problem: string): Fault {
  return { field, problem };
}

const NO_OBJECT =
  'is no object of Kubernetes, with apiVersion, kind and metadata: keep other files in another directory';
const BAD_NAME = 'must be a name of small letters, digits, - and ., of at most 253 characters';
const RESERVED_NAME = 'is the name of something else in state: choose another one for this node';
const BAD_LABEL = 'must be texts of at most 63 letters, digits, -, _ and .';
const BAD_KEY = 'a key must be of letters, digits, -, _ and ., and must not begin with two dots';
const UNKNOWN_FIELD = 'there is no such field: is it spelled as in docs/api.md, and in the right place?';

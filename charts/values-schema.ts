import { type Definition, readDefinitions, type Schema } from '../crds/read.ts';

/**
 * The JSON schema of the chart's values: Helm refuses any other value before anything is sent to the cluster, and names it. The
 * schema of `node` is made from the CRD, so that a new field there is known here.
 */

export type JsonSchema = Readonly<Record<string, unknown>>;

const anyObject = { type: 'object' };
const labels = { type: 'object', additionalProperties: { type: 'string' } };
const boolean = { type: 'boolean' };
const string = { type: 'string' };
const names = listOf({ type: 'string', minLength: 1, maxLength: 253 });
const ports = { ...listOf({ type: 'integer', minimum: 1, maximum: 65_535 }), minItems: 1 };

export function valuesSchema(definitions: readonly Definition[] = readDefinitions()): JsonSchema {
  return { $schema: 'http://json-schema.org/draft-07/schema#', ...values(nodeSchema(definitions)) };
}

function values(node: JsonSchema): JsonSchema {
  return object({
    // Helm itself adds this, and a chart around this one passes values in it to all of its parts.
    global: anyObject,
    node,
    image: object({
      repository: { type: 'string', minLength: 1 },
      tag: string,
      digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
      pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
    }),
    imagePullSecrets: listOf(object({ name: string })),
    nameOverride: string,
    fullnameOverride: string,
    replicas: { type: 'integer', minimum: 0, maximum: 10 },
    logLevel: { enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] },
    watch: object({
      namespaces: listOf({ type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$' }),
      allNamespaces: boolean,
      names: object({ nodes: names, connect: names, nats: names }),
    }),
    crds: object({ enabled: boolean, keep: boolean }),
    uninstall: object({ deletePeers: boolean, timeoutSeconds: { type: 'integer', minimum: 10, maximum: 3600 } }),
    serviceAccount: object({ create: boolean, name: string, annotations: labels }),
    rbac: object({ create: boolean, nudgePods: boolean, createSecrets: boolean }),
    resources: anyObject,
    podAnnotations: labels,
    podLabels: labels,
    nodeSelector: labels,
    tolerations: listOf(anyObject),
    affinity: anyObject,
    priorityClassName: string,
    extraEnv: listOf({ type: 'object', required: ['name'], properties: { name: string } }),
    podDisruptionBudget: object({ enabled: boolean }),
    networkPolicy: object({
      enabled: boolean,
      apiServerPorts: ports,
      natsPorts: ports,
      metricsFrom: listOf(anyObject),
    }),
    metrics: object({
      serviceMonitor: object({ enabled: boolean, interval: string, labels }),
      podMonitor: object({ enabled: boolean, interval: string, labels, selector: labels }),
      prometheusRule: object({
        enabled: boolean,
        labels,
        lagMessages: { type: 'integer', minimum: 1 },
        certificateWarningDays: { type: 'integer', minimum: 1 },
        certificateCriticalDays: { type: 'integer', minimum: 1 },
        rotationDays: { type: 'integer', minimum: 1 },
        runbooks: string,
      }),
      dashboard: object({ enabled: boolean, labels }),
    }),
  });
}

/** The spec of the node, or nothing at all. */
function nodeSchema(definitions: readonly Definition[]): JsonSchema {
  const spec = definitions.find(({ kind }) => kind === 'LfhSyncNode')?.schema.properties?.spec;
  if (!spec) throw new Error('crds/ has no LfhSyncNode with a spec');
  const { required, ...schema } = converted(spec);
  // oxlint-disable-next-line unicorn/no-thenable -- a word of JSON schema; nobody awaits a schema
  return { ...schema, if: { minProperties: 1 }, then: { required } };
}

/** Keywords of a CRD's schema that mean something else in a JSON schema, or that are converted by themselves. */
const LEFT_OUT = new Set(['default', 'format', 'properties', 'items']);

/** Leaves the CEL rules out: the API server checks those. */
function converted(schema: Schema): Readonly<Record<string, unknown>> {
  const { properties, items } = schema;
  const own = Object.entries(schema).filter(([name]) => !LEFT_OUT.has(name) && !name.startsWith('x-kubernetes-'));
  return {
    ...Object.fromEntries(own),
    ...(items && { items: converted(items) }),
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, converted(value)])),
      additionalProperties: false,
    }),
  };
}

function object(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', additionalProperties: false, properties };
}

function listOf(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

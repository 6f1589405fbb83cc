import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compile } from 'json-schema-to-typescript';
import { type Definition, readDefinitions, type Schema } from './read.ts';

/** Writes operator/api/types.ts from the CRDs: `npm run types:generate`. A unit test fails when it differs. */

export const TYPES_FILE = join(import.meta.dirname, '..', 'operator', 'api', 'types.ts');

const BANNER = `/** Made by \`npm run types:generate\` from the CRDs in crds/; a test fails when it differs. */

import type { Metadata } from './objects.ts';
`;

/** Schemas that stand in several places have one type; wherever a property of that name is, it must be the same. */
const SHARED: Readonly<Record<string, { readonly title: string; readonly description: string }>> = {
  ca: { title: 'CaSource', description: 'Where certificate authorities are written; exactly one of the three.' },
  fhirServers: { title: 'FhirServer', description: 'A FHIR server that replayed resources are transmitted to.' },
  transmit: { title: 'FhirServerStatus', description: 'What was last reported of a FHIR server.' },
  conditions: { title: 'Condition', description: 'One aspect of the observed state, as metav1.Condition has it.' },
};

type JsonSchema = Parameters<typeof compile>[0];

/** The text of operator/api/types.ts. */
export async function typesOf(definitions: readonly Definition[]): Promise<string> {
  const shared: Record<string, JsonSchema> = {};
  const kinds = definitions.map((definition) => rootOf(definition, shared));
  const texts = [...kinds, ...Object.values(shared)].map((schema) =>
    compile(schema, schema.title ?? '', {
      additionalProperties: false,
      bannerComment: '',
      style: { singleQuote: true, printWidth: 120 },
    }),
  );
  return [BANNER, ...(await Promise.all(texts))].join('\n');
}

function rootOf({ kind, apiVersion, schema }: Definition, shared: Record<string, JsonSchema>): JsonSchema {
  const { spec, status } = schema.properties ?? {};
  if (!spec || !status) throw new Error(`${kind}: expected spec and status`);
  return {
    title: kind,
    description: schema.description,
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
    properties: {
      apiVersion: { enum: [apiVersion] },
      kind: { enum: [kind] },
      metadata: { tsType: 'Metadata' },
      spec: { ...convert(spec, shared), title: `${kind}Spec` },
      status: { ...convert(status, shared), title: `${kind}Status` },
    },
  };
}

function convert(schema: Schema, shared: Record<string, JsonSchema>): JsonSchema {
  const { type, description, required } = schema;
  const properties = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    return [name, convertProperty(name, property, shared)];
  });
  return {
    type,
    description,
    ...(required && { required: [...required] }),
    ...(schema.enum && { enum: [...schema.enum] }),
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
  };
}

function convertProperty(name: string, schema: Schema, shared: Record<string, JsonSchema>): JsonSchema {
  const title = share(name, schema.items ?? schema, shared);
  if (schema.type === 'array') {
    return { description: schema.description, tsType: `readonly ${title ?? itemType(name, schema)}[]` };
  }
  return title === undefined ? convert(schema, shared) : { description: schema.description, tsType: title };
}

function itemType(name: string, { items }: Schema): string {
  if (items?.type === 'string') return 'string';
  throw new Error(`${name}: give the items of this list a name in SHARED`);
}

function share(name: string, schema: Schema, shared: Record<string, JsonSchema>): string | undefined {
  const type = SHARED[name];
  if (!type) return undefined;
  const converted = { ...convert(schema, shared), ...type };
  if (JSON.stringify(shared[name] ?? converted) !== JSON.stringify(converted)) {
    throw new Error(`${name} is not the same everywhere, so it cannot be one type ${type.title}`);
  }
  shared[name] = converted;
  return type.title;
}

if (import.meta.main) await writeFile(TYPES_FILE, await typesOf(readDefinitions()));

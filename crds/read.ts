import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';

/** The structural schemas of Kubernetes, as far as the CRDs here use them. */
export interface Schema {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly default?: string | number | boolean | object;
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-kubernetes-validations'?: readonly Rule[];
}

/** A CEL rule; `fieldPath` is relative to the object that it stands in. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

export interface CustomResourceDefinition {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string; readonly plural: string; readonly shortNames: readonly string[] };
    readonly versions: readonly {
      readonly name: string;
      readonly additionalPrinterColumns: readonly Column[];
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

/** A column of `kubectl get`; those with a priority only with `-o wide`. */
export interface Column {
  readonly name: string;
  readonly description?: string;
  readonly jsonPath: string;
  readonly priority?: number;
}

/** A CRD with the one version that it has. */
export interface Definition {
  readonly kind: string;
  readonly apiVersion: string;
  readonly shortName: string;
  readonly columns: readonly Column[];
  readonly schema: Schema;
  /** As the file has it, for `kubectl apply`. */
  readonly manifest: CustomResourceDefinition;
}

/** Beside this file, in the tree and where it is compiled; the node's first, since a peer is a peer of a node. */
export const CRD_FILES = ['lfhsyncnodes.yaml', 'lfhsyncpeers.yaml'] as const;

/** The CRDs, in the order of {@link CRD_FILES}. */
export function readDefinitions(): readonly Definition[] {
  return CRD_FILES.map((file) => {
    const manifest = load(readFileSync(join(import.meta.dirname, file), 'utf8')) as CustomResourceDefinition;
    const { group, names, versions } = manifest.spec;
    const [version, ...others] = versions;
    if (!version || others.length > 0) throw new Error(`${file}: expected one version`);
    return {
      kind: names.kind,
      apiVersion: `${group}/${version.name}`,
      shortName: names.shortNames[0] ?? names.plural,
      columns: version.additionalPrinterColumns,
      schema: version.schema.openAPIV3Schema,
      manifest,
    };
  });
}

/** Calls back for each schema in a schema, outermost first; `spec.servers[]` is the path of an item. */
export function walk(schema: Schema, visit: (path: string, schema: Schema) => void, path = ''): void {
  visit(path, schema);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    walk(property, visit, path === '' ? name : `${path}.${name}`);
  }
  if (schema.items) walk(schema.items, visit, `${path}[]`);
}

import type { CaSource } from '../../api/types.ts';
import type { References, Texts } from '../observed/observed.ts';
import { type Authority, type CertificateProblem, readCertificates } from './certificates.ts';

type Reference = NonNullable<CaSource['configMapRef']>;

export interface ResolvedCa {
  readonly authorities: readonly Authority[];
  readonly problems: readonly (
    | CertificateProblem
    | { readonly reason: 'MissingReference'; readonly message: string }
  )[];
}

/** Why nothing was planned for a node: something it says contradicts another, or itself. */
export interface NodeProblem {
  readonly reason: 'Conflict' | 'InvalidSpec' | ResolvedCa['problems'][number]['reason'];
  readonly message: string;
}

const DEFAULT_KEY = 'ca.crt';

/**
 * The authorities that a CA source names; undefined where none is asked for, and the system's roots count.
 *
 * @param path of the source in its object, such as `spec.ca`
 */
export function resolveCa(
  source: CaSource | undefined,
  path: string,
  references: References,
  now: number,
): ResolvedCa | undefined {
  if (source === undefined) return undefined;
  if (source.inline !== undefined) return readCertificates(source.inline, `${path}.inline`, now);
  return source.configMapRef
    ? referenced(source.configMapRef, 'ConfigMap', path, (name) => references.configMap(name), now)
    : referenced(source.secretRef, 'Secret', path, (name) => references.secret(name), now);
}

function referenced(
  ref: Reference | undefined,
  what: string,
  path: string,
  find: (name: string) => Texts | undefined,
  now: number,
): ResolvedCa {
  if (ref === undefined) return missing(`${path} names no CA`);
  const { name, key = DEFAULT_KEY } = ref;
  const found = find(name);
  if (found === undefined) return missing(`${path}: there is no ${what} ${name} in this namespace`);
  const text = found[key];
  if (text === undefined) return missing(`${path}: the ${what} ${name} has no key ${key}`);
  return readCertificates(text, `${what} ${name}, key ${key}`, now);
}

function missing(message: string): ResolvedCa {
  return { authorities: [], problems: [{ reason: 'MissingReference', message }] };
}

import type { CaSource } from '../../api/types.ts';
import type { Observed, Texts } from '../observed/observed.ts';
import { type Authority, type CertificateProblem, MAX_PEER_CA, readCertificates } from './certificates.ts';
import { expiryRemarks } from './expiry.ts';

type Reference = NonNullable<CaSource['configMapRef']>;

export interface ResolvedCa {
  readonly authorities: readonly Authority[];
  readonly problems: readonly (
    | CertificateProblem
    | { readonly reason: 'MissingReference'; readonly message: string }
  )[];
  /** When the last of them expires; see {@link readCertificates}. */
  readonly expires: number | undefined;
}

const DEFAULT_KEY = 'ca.crt';

/**
 * The authorities that a CA source names.
 *
 * @param path of the source in its object, such as `spec.ca`
 * @param now in milliseconds since 1970
 * @param limit how many characters it may have
 * @returns undefined where the spec asks for no CA, so that the system's roots count
 */
export function resolveCa(
  source: CaSource | undefined,
  path: string,
  { references, certificates }: Pick<Observed, 'references' | 'certificates'>,
  now: number,
  limit = MAX_PEER_CA,
): ResolvedCa | undefined {
  if (source === undefined) return undefined;
  const { inline, configMapRef, secretRef } = source;
  const read = (pem: string, where: string): ResolvedCa => readCertificates(pem, where, now, certificates, limit);
  if (inline !== undefined) return read(inline, `${path}.inline`);
  const found = configMapRef
    ? referenced(configMapRef, `ConfigMap ${configMapRef.name}`, references.configMap(configMapRef.name))
    : referenced(secretRef, `Secret ${secretRef?.name}`, secretRef && references.secret(secretRef.name));
  if (found.missing !== undefined) return missing(`${path}${found.missing}`);
  return read(found.text, found.where);
}

/**
 * What a person should mend in a CA although some of its authorities count: those that do not count, and that the last of them
 * expires soon.
 *
 * @param path of the source in its object, such as `spec.ca`
 * @param now in milliseconds since 1970
 */
export function caRemarks(ca: ResolvedCa | undefined, path: string, now: number): string[] {
  const problems = (ca?.problems ?? []).map(({ message }) => message);
  return [...problems, ...expiryRemarks(`${path}: the last certificate authority in it`, ca?.expires, now)];
}

type Referenced =
  | { readonly text: string; readonly where: string; readonly missing?: undefined }
  | { readonly missing: string };

/** @param what is referred to, such as `Secret site-b-ca` */
function referenced(ref: Reference | undefined, what: string, texts: Texts | undefined): Referenced {
  if (ref === undefined) return { missing: ' names no CA' };
  if (texts === undefined) return { missing: `: there is no ${what} in this namespace` };
  const { key = DEFAULT_KEY } = ref;
  const text = texts[key];
  return text === undefined
    ? { missing: `: the ${what} has no entry ${key}` }
    : { text, where: `${what}, entry ${key}` };
}

function missing(message: string): ResolvedCa {
  return { authorities: [], problems: [{ reason: 'MissingReference', message }], expires: undefined };
}

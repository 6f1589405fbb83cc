import {
  canonicalFhirUrl,
  type FhirServerSettings,
  RETRY_DEFAULTS,
  TIMEOUT_SECONDS,
} from '../../../common/contract/fhir-servers.ts';
import type { FhirServer } from '../../api/types.ts';
import { type FhirFiles, fhirFiles } from '../observed/names.ts';
import type { Observed, Texts } from '../observed/observed.ts';
import { type ResolvedCa, resolveCa } from '../trust/ca-source.ts';
import { type Authority, bundle } from '../trust/certificates.ts';

/** A FHIR server of a node's spec, as far as its sidecars can be told of it. */
export interface PlannedFhirServer {
  readonly settings: FhirServerSettings;
  /** The authorities of its certificate; undefined where the system's roots count, or none can be had. */
  readonly authorities: readonly Authority[] | undefined;
  readonly problem: FhirServerProblem | undefined;
}

/** Why nothing can be transmitted to a server; the others are not affected. */
export interface FhirServerProblem {
  readonly reason: 'InvalidSettings' | ResolvedCa['problems'][number]['reason'];
  /** It quotes no URL that may have a password in it, and nothing of a Secret. */
  readonly message: string;
}

export interface PlannedFhirServers {
  readonly servers: readonly PlannedFhirServer[];
  /** Of servers that the sidecars are not told of, as well. */
  readonly problems: readonly FhirServerProblem[];
}

/** Characters of all their CAs together. They share the sidecars' ConfigMaps with the peers' CAs, which must have room. */
const MAX_CAS = 131_072;
/** As much as the CRD allows inline. */
const MAX_CA = 16_384;

/**
 * The FHIR servers that the sidecars transmit to. A server whose credentials or CA cannot be had stays in their settings: they find
 * a file missing, and transmit nothing there, while what they have to transmit waits.
 *
 * @param now in milliseconds since 1970
 */
export function plannedFhirServers(observed: Observed, now: number): PlannedFhirServers {
  const servers = new Map<string, PlannedFhirServer>();
  const problems: FhirServerProblem[] = [];
  let room = MAX_CAS;
  for (const [index, server] of (observed.node.spec.fhirServers ?? []).entries()) {
    const path = `spec.fhirServers[${index}]`;
    const url = canonicalFhirUrl(server.url);
    if (url === undefined || servers.has(url)) {
      const what = url === undefined ? 'is not the URL of a server' : 'is the same as that of another';
      problems.push({ reason: 'InvalidSettings', message: `${path}.url: ${what}` });
      continue;
    }
    const planned = plannedServer(observed, { ...server, url }, path, room, now);
    room -= bundle(planned.authorities ?? []).length;
    if (planned.problem) problems.push(planned.problem);
    servers.set(url, planned);
  }
  return { servers: [...servers.values()], problems };
}

function plannedServer(
  observed: Observed,
  server: FhirServer,
  path: string,
  room: number,
  now: number,
): PlannedFhirServer {
  const { url, appendResourceType = true, timeoutSeconds = TIMEOUT_SECONDS, retry } = server;
  const files = fhirFiles(url);
  const secret = secretFiles(server, path, files, observed.references.secret(server.secretRef?.name ?? ''));
  const ca = plannedCa(resolveCa(server.ca, `${path}.ca`, observed, now, MAX_CA), path, room);
  return {
    settings: {
      url,
      appendResourceType,
      ...secret.files,
      ...(server.ca && { caFile: files.ca }),
      timeoutSeconds,
      retry: { ...RETRY_DEFAULTS, ...retry },
    },
    authorities: ca.authorities,
    problem: secret.problem ?? ca.problem,
  };
}

function plannedCa(
  ca: ResolvedCa | undefined,
  path: string,
  room: number,
): Pick<PlannedFhirServer, 'authorities' | 'problem'> {
  if (!ca) return { authorities: undefined, problem: undefined };
  const { authorities, problems } = ca;
  if (authorities.length === 0) return { authorities: undefined, problem: problems[0] };
  if (bundle(authorities).length <= room) return { authorities, problem: undefined };
  const message = `${path}.ca: there is no room for it, since the CAs of the FHIR servers are too many`;
  return { authorities: undefined, problem: { reason: 'CertificateInvalid', message } };
}

interface SecretFiles {
  /** What of the settings names the files that the Secret's entries are mounted as. */
  readonly files: Pick<FhirServerSettings, 'userFile' | 'passwordFile' | 'tokenFile'>;
  readonly problem?: FhirServerProblem;
}

function secretFiles(
  { secretRef }: FhirServer,
  path: string,
  files: FhirFiles,
  secret: Texts | undefined,
): SecretFiles {
  if (!secretRef) return { files: {} };
  const basic = { userFile: files.username, passwordFile: files.password };
  const missing = (what: string): SecretFiles => ({
    files: basic,
    problem: { reason: 'MissingReference', message: `${path}.secretRef: ${what}` },
  });
  if (!secret) return missing(`there is no Secret ${secretRef.name} in this namespace`);
  const { username, password, token } = secret;
  if (username !== undefined && password !== undefined) return { files: basic };
  if (token !== undefined) return { files: { tokenFile: files.token } };
  return missing(`the Secret ${secretRef.name} has neither the entries username and password nor the entry token`);
}

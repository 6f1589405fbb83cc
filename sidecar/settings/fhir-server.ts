import {
  basicAuthorization,
  type FhirServerSettings,
  type LoadedFhirServer,
} from '../../common/contract/fhir-servers.ts';
import { InvalidInputError, messageOf } from '../../common/errors.ts';
import { requireCertificates } from '../../common/pem.ts';
import type { Source } from './sources.ts';

/**
 * Loads the files that a FHIR server's settings name. A server whose own files are wrong has a `problem`, and nothing is
 * transmitted to it without its credentials or with another CA; the others are not affected.
 */
export async function loadFhirServer(
  server: FhirServerSettings,
  source: Pick<Source, 'certificates' | 'secret'>,
): Promise<LoadedFhirServer> {
  const { url, caFile } = server;
  try {
    const authorization = await loadAuthorization(server, source);
    const where = `the CA of ${url}`;
    const ca = caFile === undefined ? undefined : await source.certificates(where, caFile);
    return {
      ...server,
      ...(authorization !== undefined && { authorization }),
      ...(ca !== undefined && { ca: requireCertificates(ca, where) }),
    };
  } catch (error) {
    return { ...server, problem: messageOf(error) };
  }
}

async function loadAuthorization(
  { url, userFile, passwordFile, tokenFile }: FhirServerSettings,
  source: Pick<Source, 'secret'>,
): Promise<string | undefined> {
  const secret = async (what: string, file: string): Promise<string> => {
    const where = `the ${what} for ${url}`;
    const text = await source.secret(where, file);
    // What is in a header of HTTP, and nothing that could begin another header.
    if (/^[^\p{Cc}]+$/u.test(text)) return text;
    throw new InvalidInputError(`${where}: is empty, or has a line end or another control character in it`);
  };
  if (tokenFile !== undefined) {
    const token = await secret('token', tokenFile);
    if (/^[!-~]+$/.test(token)) return `Bearer ${token}`;
    throw new InvalidInputError(`the token for ${url}: has a blank or a character that is not ASCII in it`);
  }
  if (userFile === undefined || passwordFile === undefined) return undefined;
  return basicAuthorization(await secret('user', userFile), await secret('password', passwordFile));
}

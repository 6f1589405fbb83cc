import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { TransientError } from '../../common/errors.ts';

const LOOKUP_TIMEOUT_MS = 5000;

/**
 * All addresses behind a name: each pod's, where it is that of a headless Service. An address stands for itself.
 *
 * Those of one family only, since the same servers have both: an external name with an IPv6 address that nothing here
 * can reach would otherwise count as a server that is down.
 *
 * @throws TransientError where DNS knows no such name, or does not answer
 */
export async function addressesOf(host: string): Promise<string[]> {
  if (isIP(host)) return [host];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), LOOKUP_TIMEOUT_MS);
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), late]);
    const first = found.filter(({ family }) => family === 4);
    return [...new Set((first.length > 0 ? first : found).map(({ address }) => address))].sort();
  } catch (cause) {
    const unknown = (cause as { code?: unknown }).code === 'ENOTFOUND';
    const why = unknown ? 'is not known to DNS: check the name' : 'cannot be looked up: DNS does not answer';
    throw new TransientError('Unreachable', `${host} ${why}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { TransientError } from '../../common/errors.ts';

const LOOKUP_TIMEOUT_MS = 5000;

/**
 * Looks up all addresses behind a name; for a headless Service that is the address of each pod. An address stands for
 * itself.
 *
 * Only addresses of one family are returned, since a server mostly has one of each: the IPv6 address of an external
 * name, where nothing here can reach it, would otherwise count as a server that is down.
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

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { TransientError } from '../../common/errors.ts';

const LOOKUP_TIMEOUT_MS = 5000;

/**
 * Looks up all addresses behind a name; for a headless Service that is the address of each pod. An address stands for
 * itself.
 *
 * @returns the addresses of each IP family by themselves, since a server mostly has one of each: its address of a family that
 *   it does not listen at, or that nothing here can reach, must not count as a server that is down. The family that the
 *   resolver prefers is first, by what this machine can reach.
 * @throws TransientError where DNS knows no such name, or does not answer
 */
export async function addressesOf(host: string): Promise<readonly (readonly string[])[]> {
  if (isIP(host)) return [[host]];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), LOOKUP_TIMEOUT_MS);
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), late]);
    const families = [...new Set(found.map(({ family }) => family))];
    return families.map((family) => {
      const addresses = found.flatMap((each) => (each.family === family ? [each.address] : []));
      return [...new Set(addresses)].sort();
    });
  } catch (cause) {
    const unknown = (cause as { code?: unknown }).code === 'ENOTFOUND';
    const why = unknown ? 'is not known to DNS: check the name' : 'cannot be looked up: DNS does not answer';
    throw new TransientError('Unreachable', `${host} ${why}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

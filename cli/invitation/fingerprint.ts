import { createHash, X509Certificate } from 'node:crypto';
import { pemBlocks } from '../../common/pem.ts';

/** What two administrators compare on the phone, so that neither takes an invitation that somebody has changed on its way. */

export interface Fingerprinted {
  readonly lfhId: string;
  readonly servers: readonly string[];
  /** PEM; empty where there is none. */
  readonly ca: string;
  /** The name that the servers' certificates have to be for, where it is not the address. */
  readonly tlsServerName?: string | undefined;
  readonly publicKeys: readonly string[];
}

/**
 * Six groups of four hexadecimal digits: 96 bits, so that nobody can make another invitation with the same ones. They are over the id,
 * the servers, the name in their certificates, the public keys and the keys of the certificate authorities, whatever their order:
 * all that the other side then trusts. A CA that was renewed with the same key has the same fingerprint.
 */
export function fingerprint({ lfhId, servers, ca, publicKeys, tlsServerName = '' }: Fingerprinted): string {
  const what = JSON.stringify([lfhId, [...servers].sort(), caKeys(ca).sort(), [...publicKeys].sort(), tlsServerName]);
  const digits = createHash('sha256').update(`lfh-sync invitation\n${what}`).digest('hex').slice(0, 24);
  return (digits.match(/.{4}/g) ?? []).join(' ');
}

/** Whether what somebody has typed is this fingerprint, however it is written. */
export function isSameFingerprint(typed: string, expected: string): boolean {
  const digits = (text: string): string => text.toLowerCase().replaceAll(/[^0-9a-z]/g, '');
  return digits(typed) === digits(expected);
}

function caKeys(ca: string): string[] {
  return pemBlocks(ca).map(({ text }) => {
    try {
      const key = new X509Certificate(text).publicKey.export({ type: 'spki', format: 'der' });
      return createHash('sha256').update(key).digest('hex');
    } catch {
      // What cannot be read is not accepted; it counts as it is written.
      return createHash('sha256').update(text).digest('hex');
    }
  });
}

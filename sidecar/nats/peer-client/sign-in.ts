import type { SignedNonce } from '../../../common/contract/nkeys.ts';
import { VERSION } from '../../../common/version.ts';
import type { ServerInfo } from './server-info.ts';

/** Who signs in. */
export interface Identity {
  /** Signs what a server asks for, where it may be signed. */
  readonly sign: (nonce: string | undefined) => SignedNonce;
  /** What the server's administrator sees in the list of connections. */
  readonly name: string;
}

/** The command with which a client signs in. */
export function connectCommand({ sign, name }: Identity, { nonce, takesHeaders }: ServerInfo): string {
  const options = {
    verbose: false,
    pedantic: false,
    protocol: 1,
    lang: 'lfh-sync',
    version: VERSION,
    name,
    tls_required: true,
    headers: takesHeaders,
    no_responders: takesHeaders,
    ...sign(nonce),
  };
  return `CONNECT ${JSON.stringify(options)}\r\n`;
}

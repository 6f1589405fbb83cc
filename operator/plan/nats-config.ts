import { inboxPrefix, STREAM, syncName } from '../../common/contract/names.ts';

/**
 * The text that a node's nats-server includes inside its own configuration, as design.md's "A peer's access" has it.
 *
 * Canonical: the same peers give the same text, in whatever order they come, so that nothing is reloaded for nothing.
 */

export interface AdmittedPeer {
  readonly lfhId: string;
  /** NKey public keys (U…): one, or two during a rotation. */
  readonly publicKeys: readonly string[];
}

export interface NatsAccess {
  /** Name of the account that the stream lives in. */
  readonly account: string;
  /** NKey public keys that may do everything in that account: the node's own and the administrator's. */
  readonly users: readonly string[];
  readonly peers: readonly AdmittedPeer[];
  readonly stream?: string;
}

export interface NatsIncludes {
  /** Goes inside the main account's block. */
  readonly mainAccount: string;
  /** Goes beside it, inside `accounts`. */
  readonly peerAccounts: string;
}

/**
 * Writes an account for each peer. NATS checks the subject a client publishes to, not the *reply* subject it asks for: in
 * one shared account a peer could have its messages delivered to `EVENTS.sync`. Across an account boundary it cannot.
 */
export function natsIncludes(access: NatsAccess): NatsIncludes {
  const stream = access.stream ?? STREAM;
  const peers = access.peers
    .map((peer) => ({ account: syncName(peer.lfhId), keys: [...peer.publicKeys].sort() }))
    .sort((a, b) => (a.account < b.account ? -1 : 1));
  const exports = peers.flatMap(({ account }) => {
    const [next, reset, ack] = servicesOf(stream, account);
    return [
      `    { service: ${quote(next)}, response_type: stream, accounts: [${account}] }`,
      `    { service: ${quote(reset)}, accounts: [${account}] }`,
      `    { service: ${quote(ack)}, accounts: [${account}] }`,
    ];
  });
  const users = [...access.users].sort().map((key) => `    { nkey: ${key} }`);
  return {
    mainAccount: `  users: [\n${lines(users)}  ]\n  exports: [\n${lines(exports)}  ]\n`,
    peerAccounts: peers.map(({ account, keys }) => peerAccount(access.account, stream, account, keys)).join(''),
  };
}

function peerAccount(main: string, stream: string, account: string, keys: readonly string[]): string {
  const services = servicesOf(stream, account);
  const publish = services.map(quote).join(', ');
  const permissions = `{ publish: { allow: [${publish}] }, subscribe: { allow: [${quote(`${inboxPrefix(account)}.>`)}] } }`;
  const users = keys.map((key) => `    { nkey: ${key}, permissions: ${permissions} }`);
  const imports = services.map((service) => `    { service: { account: ${main}, subject: ${quote(service)} } }`);
  return `${account} {\n  users: [\n${lines(users)}  ]\n  imports: [\n${lines(imports)}  ]\n}\n`;
}

/** Pull, reset and acknowledge: all that a peer may do, and only with its own durable. */
function servicesOf(stream: string, durable: string): readonly [next: string, reset: string, ack: string] {
  return [
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
    `$JS.API.CONSUMER.RESET.${stream}.${durable}`,
    `$JS.ACK.${stream}.${durable}.>`,
  ];
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}

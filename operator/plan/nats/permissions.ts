import {
  ackSubjects,
  type Client,
  CONNECT_INFO_SUBJECT,
  DURABLE,
  deliverSubject,
  durableName,
  infoSubject,
  pullSubject,
  resetSubject,
} from '../../../common/contract/durable.ts';
import { inboxPrefix, STREAM } from '../../../common/contract/names.ts';
import { sidecarPermissions } from '../../../common/contract/sidecar-user.ts';
import { InvalidInputError } from '../../../common/errors.ts';
import { CONNECTIONS_SUBJECT, PROBE_INBOX } from '../observed/names.ts';
import { isUserKey } from '../trust/public-keys.ts';
import { connectPermissions } from './connect-user.ts';
import { PEER_LIMITS } from './peer-limits.ts';

/**
 * The text that a node's nats-server includes inside its own configuration: which keys may sign in, and what each may do.
 *
 * The same peers give the same text, in whatever order they come, so that nats-server is not reloaded for nothing.
 */

export interface AdmittedPeer {
  readonly lfhId: string;
  /** NKey public keys (U…): one, or two during a rotation. */
  readonly publicKeys: readonly string[];
  /** Public key of the user with which this node probes the peer's account; not used with `Users`. */
  readonly probe?: string;
  /** Absent: Sidecar. With `Users` there is nothing else. */
  readonly client?: Client;
}

export interface NatsAccess {
  /** `Users` where the stream lives in the default account, which can export nothing; see {@link natsIncludes}. */
  readonly isolation?: 'Accounts' | 'Users';
  /** Name of the account that the stream lives in; not used with `Users`. */
  readonly account: string;
  /** NKey public keys that the node's operator signs in with here, and nowhere else. They may do everything in that account. */
  readonly own: readonly string[];
  /** The users of the node's sidecars, which may do only what those do; see {@link sidecarPermissions}. */
  readonly sidecars?: SidecarUsers;
  /** NKey public keys of the node's administrators. They may do everything in that account too. */
  readonly users: readonly string[];
  /** Public key of connect itself, which may do only what connect does; see {@link connectPermissions}. */
  readonly connect?: string;
  readonly peers: readonly AdmittedPeer[];
  readonly stream?: string;
  /** Public key of a user who may do nothing. That it can sign in proves that the server runs this very text. */
  readonly canary?: string;
}

export interface SidecarUsers {
  readonly publicKeys: readonly string[];
  /** The node's own. */
  readonly lfhId: string;
  /** The name of the LfhSyncNode. */
  readonly node: string;
}

export interface NatsIncludes {
  /** Goes inside the main account's block; with `Users` inside `authorization`. */
  readonly mainAccount: string;
  /** Goes beside that block, inside `accounts`; empty with `Users`. */
  readonly peerAccounts: string;
}

interface Peer {
  readonly client: Client;
  readonly account: string;
  readonly keys: readonly string[];
  readonly probe: string | undefined;
}

/** Ends the canary's line, which the hash of the configuration leaves out. */
export const CANARY_MARK = '# canary';
/** Ends the lines of the users that the node's operator is. */
export const OWN_MARK = "# this node's own";
/** Ends the line of the user that connect is. */
const CONNECT_MARK = "# this node's connect";
/** Ends the lines of the users that the node's sidecars are. */
export const SIDECAR_MARK = "# this node's sidecars";

/**
 * How long a nats-server remembers a request of a peer after its last answer, in whole seconds. It remembers each one, so that
 * the answer finds its way back across the border of the accounts. Without this bound it does so for two minutes, and a peer that
 * sends nothing but requests fills the memory. A pull is over after `max_expires`, so none is forgotten too early. The server
 * looks once in that time (`checkExpiredResponses` in its accounts.go), so the longest is twice as long.
 */
const REMEMBERED_SECONDS = DURABLE.maxExpiresMs / 1_000 + 1;

const THRESHOLD = `response_threshold: "${REMEMBERED_SECONDS}s"`;

const LIMITS =
  `  limits: { max_connections: ${PEER_LIMITS.maxConnections}, max_subscriptions: ${PEER_LIMITS.maxSubscriptions}, ` +
  `max_payload: ${PEER_LIMITS.maxPayload} }\n`;
/** Their keys open no other listener of the server, such as one for leaf nodes, WebSocket or MQTT, which lfh-sync never uses. */
const CONNECTIONS = 'allowed_connection_types: ["STANDARD"]';
/** In the account of a peer with connect: what its question for SYNC becomes. */
const INFO_SUBJECT = 'lfh-sync.info';

/** Stands for the name of any account, which cannot be this. */
const ANY_ACCOUNT = '<account>';

const NAME = /^[A-Za-z0-9_-]+$/;

/**
 * Writes an account for each peer. NATS checks the subject that a client publishes to, but not the *reply* subject that it asks
 * for: in one shared account a peer could have its messages delivered to `EVENTS.sync`. Across an account boundary it cannot.
 * With `Users` every peer is a user of the shared account, with the same permissions but without that boundary.
 *
 * @throws InvalidInputError for a name or key that is not valid, for a key that two of them have (nats-server would refuse the
 *   whole configuration) and for a peer that is given twice (nats-server would silently take the last one). Its message never
 *   quotes a key, which may be a seed that was pasted by mistake.
 */
export function natsIncludes(access: NatsAccess): NatsIncludes {
  const { account: main, stream = STREAM, isolation = 'Accounts' } = access;
  requireName('account', main);
  requireName('stream', stream);
  requirePublicKeys(access);
  const itself = new Set(access.own);
  const users = [
    ...[...itself].sort().map((key) => `    { nkey: ${key} } ${OWN_MARK}`),
    ...sidecarUsers(access.sidecars),
    ...administrators(access).map((key) => `    { nkey: ${key} }`),
  ];
  if (access.connect !== undefined) users.push(connectUser(access.connect));
  if (access.canary !== undefined) users.push(canaryUser(access.canary));
  const peers = access.peers.map(peerOf).sort((a, b) => (a.account < b.account ? -1 : 1));
  if (isolation === 'Users') {
    return {
      mainAccount: list('users', [...users, ...peers.flatMap((peer) => usersOf(stream, peer))]),
      peerAccounts: '',
    };
  }
  return {
    mainAccount:
      list('users', users) +
      list('exports', [...pullExports(stream), ...peers.flatMap((peer) => peerExports(stream, peer))]),
    peerAccounts: peers.map((peer) => peerAccount(main, stream, peer)).join(''),
  };
}

/**
 * Keys that the node itself has are its own's and its sidecars', also where somebody lists them among the administrators'. So is
 * connect's, which may do no more than connect does.
 */
function administrators({ own, sidecars, users, connect }: NatsAccess): string[] {
  const itself = new Set([...own, ...(sidecars?.publicKeys ?? []), connect]);
  return [...new Set(users.filter((key) => !itself.has(key)))].sort();
}

/** How many bytes a peer adds to both texts together; every character is ASCII. */
export function bytesOf(peer: AdmittedPeer, access: Pick<NatsAccess, 'account' | 'isolation' | 'stream'>): number {
  const { account: main, stream = STREAM, isolation = 'Accounts' } = access;
  const own = peerOf(peer);
  const entries = isolation === 'Users' ? usersOf(stream, own) : peerExports(stream, own);
  const beside = isolation === 'Users' ? '' : peerAccount(main, stream, own);
  return entries.reduce((size, entry) => size + entry.length + 1, beside.length);
}

function peerOf(peer: AdmittedPeer): Peer {
  const { client = 'Sidecar', publicKeys, probe } = peer;
  return { client, account: accountOf(peer), keys: [...new Set(publicKeys)].sort(), probe };
}

/** The name of a peer's account, which is also that of its durable. */
export function accountOf({ lfhId, client = 'Sidecar' }: AdmittedPeer): string {
  return durableName(lfhId, client);
}

/**
 * What all peers with a sidecar share, however many there are. `account_token_position` lets an account import a service only
 * with its own name in the place of the `*`, and an account has the name of its durable (ADR 36).
 */
function pullExports(stream: string): string[] {
  return servicesOf(stream, ANY_ACCOUNT).map((service, index) => {
    const tokens = service.split('.');
    const at = tokens.indexOf(ANY_ACCOUNT);
    const answers = index === 0 ? 'response_type: stream, ' : '';
    return (
      `    { service: ${quote(tokens.with(at, '*').join('.'))}, ${answers}${THRESHOLD}, ` +
      `account_token_position: ${at + 1} }`
    );
  });
}

/** Only a peer with connect has exports of its own. */
function peerExports(stream: string, { client, account }: Peer): string[] {
  if (client === 'Sidecar') return [];
  const services = [infoSubject(stream, account), ...ackSubjects(stream, account)];
  return [
    ...services.map((service) => `    { service: ${quote(service)}, ${THRESHOLD}, accounts: [${account}] }`),
    `    { stream: ${quote(deliverSubject(account))}, accounts: [${account}] }`,
  ];
}

function peerAccount(main: string, stream: string, peer: Peer): string {
  const { before, users, imports } =
    peer.client === 'Connect' ? connectAccount(main, stream, peer) : pullAccount(main, stream, peer);
  return `${peer.account} {\n${LIMITS}${before}${list('users', users)}${list('imports', imports)}}\n`;
}

interface AccountParts {
  /** What stands before the users. */
  readonly before: string;
  readonly users: readonly string[];
  readonly imports: readonly string[];
}

/**
 * The subjects are variables of the account, because each is there two or three times, and the texts of all peers share one
 * ConfigMap. nats-server reads a variable where the text is, so that nobody else's counts.
 */
function pullAccount(main: string, stream: string, { account, keys, probe }: Peer): AccountParts {
  const services = servicesOf(stream, account);
  const names = services.map((_, index) => `S${index + 1}`);
  const variables = names.map((name) => `$${name}`);
  const [pull = ''] = variables;
  const inbox = quote(`${inboxPrefix(account)}.>`);
  return {
    before: services.map((service, index) => `  ${names[index]}: ${quote(service)}\n`).join(''),
    users: [
      ...keys.map((key) => user(key, variables, [inbox])),
      ...(probe === undefined ? [] : [probeUser(probe, pull)]),
    ],
    imports: variables.map((service) => serviceImport(main, service)),
  };
}

/**
 * connect asks for the durable SYNC, whoever it is, and the answer must be about its own durable. An import *to* that subject would
 * never be asked: the account's own JetStream answers first that it is not enabled. So the subject is mapped to one that only the
 * import listens on. Permissions are checked after the mapping.
 */
function connectAccount(main: string, stream: string, { account, keys, probe }: Peer): AccountParts {
  const [info, deliver] = [quote(INFO_SUBJECT), quote(deliverSubject(account))];
  const acks = ackSubjects(stream, account).map(quote);
  const asked = serviceImport(main, quote(infoSubject(stream, account)), info);
  const messages = `    { stream: { account: ${quote(main)}, subject: ${deliver} } }`;
  return {
    before: `  mappings: { ${quote(CONNECT_INFO_SUBJECT)}: ${info} }\n`,
    users: [
      // connect cannot be told which inbox to use, and has this account for itself.
      ...keys.map((key) => user(key, [info, ...acks], [deliver, quote('_INBOX.>')])),
      ...(probe === undefined ? [] : [probeUser(probe, info)]),
    ],
    imports: [asked, ...acks.map((service) => serviceImport(main, service)), messages],
  };
}

/** @param service a quoted subject, or a variable */
function serviceImport(main: string, service: string, to?: string): string {
  return `    { service: { account: ${quote(main)}, subject: ${service} }${to === undefined ? '' : `, to: ${to}`} }`;
}

/** @param served the subject that the peer itself asks on, quoted or a variable */
function probeUser(probe: string, served: string): string {
  return user(probe, [served, quote(CONNECTIONS_SUBJECT)], [quote(`${PROBE_INBOX}.>`)]);
}

/** The lines of the users that a node's sidecars sign in as. Without an operator an administrator writes one of them. */
export function sidecarUsers(sidecars: SidecarUsers | undefined): string[] {
  if (!sidecars) return [];
  const { publish, subscribe } = sidecarPermissions(sidecars.lfhId, sidecars.node);
  const lists = `publish: { allow: ${texts(publish)} }, subscribe: { allow: ${texts(subscribe)} }`;
  return [...new Set(sidecars.publicKeys)]
    .sort()
    .map(
      (key) => `    { nkey: ${key}, permissions: { ${lists}, allow_responses: true }, ${CONNECTIONS} } ${SIDECAR_MARK}`,
    );
}

function connectUser(key: string): string {
  const { publish, subscribe } = connectPermissions();
  const permissions = `{ publish: { allow: ${texts(publish)} }, subscribe: { allow: ${texts(subscribe)} } }`;
  return `    { nkey: ${key}, permissions: ${permissions}, ${CONNECTIONS} } ${CONNECT_MARK}`;
}

function canaryUser(key: string): string {
  return `    { nkey: ${key}, permissions: { publish: { deny: [">"] }, subscribe: { deny: [">"] } } } ${CANARY_MARK}`;
}

/** The users of a peer that has no account of its own. */
function usersOf(stream: string, { account, keys }: Peer): string[] {
  return pullUsers(stream, account, account, keys);
}

/**
 * The lines of the users as which a sidecar receives from a stream. Without an operator an administrator writes them. They are in
 * the long form, as before ADR 36, so that the text of a node with `Users` stays as it is. The short form of {@link user} is for the
 * accounts of all peers, which share one ConfigMap.
 *
 * @param own the sync name of the node that receives
 */
export function pullUsers(stream: string, durable: string, own: string, keys: readonly string[]): string[] {
  const subscribe = [`${inboxPrefix(own)}.>`];
  const allow = (subjects: readonly string[]): string => `{ allow: ${texts(subjects)} }`;
  return keys.map((key) => userLine(key, allow(servicesOf(stream, durable)), allow(subscribe)));
}

/** @param publish and `subscribe` are subjects, each quoted, or a variable */
function user(key: string, publish: readonly string[], subscribe: readonly string[]): string {
  return userLine(key, `[${publish.join(', ')}]`, `[${subscribe.join(', ')}]`);
}

function userLine(key: string, publish: string, subscribe: string): string {
  return `    { nkey: ${key}, permissions: { publish: ${publish}, subscribe: ${subscribe} }, ${CONNECTIONS} }`;
}

/** Everything that a peer may do: pull from, reset and acknowledge its own durable. */
function servicesOf(stream: string, durable: string): readonly [pull: string, ...others: string[]] {
  return [pullSubject(stream, durable), resetSubject(stream, durable), ...ackSubjects(stream, durable)];
}

/** A dot or a wildcard in a name would widen every permission that the name is part of. */
function requireName(what: string, name: string): void {
  if (NAME.test(name)) return;
  throw new InvalidInputError(`the NATS ${what} must be named with A-Z a-z 0-9 _ - only, not ${JSON.stringify(name)}`);
}

function requirePublicKeys(access: NatsAccess): void {
  const owners = new Map<string, string>();
  const names = new Set<string>();
  const sidecars = access.sidecars?.publicKeys ?? [];
  for (const key of [...access.own, ...administrators(access)]) requireSingleOwner(owners, key, "the node's own users");
  for (const key of sidecars) requireSingleOwner(owners, key, "the node's sidecars");
  if (access.connect !== undefined) requireSingleOwner(owners, access.connect, "the node's connect");
  if (access.canary !== undefined) requireSingleOwner(owners, access.canary, 'the canary');
  for (const { lfhId, publicKeys, probe } of access.peers) {
    if (probe !== undefined) requireSingleOwner(owners, probe, `the probe of ${JSON.stringify(lfhId)}`);
    const owner = `peer ${JSON.stringify(lfhId)}`;
    if (names.has(lfhId)) throw new InvalidInputError(`${owner} is given twice; remove one of them`);
    names.add(lfhId);
    for (const key of publicKeys) requireSingleOwner(owners, key, owner);
  }
}

/** @param owners of the keys so far, as a message names them */
function requireSingleOwner(owners: Map<string, string>, key: string, owner: string): void {
  if (!isUserKey(key)) {
    throw new InvalidInputError(
      `a public key of ${owner} is not valid, or damaged: expected U and 55 more of A-Z 2-7; never a seed (S…)`,
    );
  }
  const other = owners.get(key) ?? owner;
  if (other !== owner)
    throw new InvalidInputError(`${other} and ${owner} have the same public key; each needs its own`);
  owners.set(key, owner);
}

function list(name: string, entries: readonly string[]): string {
  return `  ${name}: [\n${entries.map((entry) => `${entry}\n`).join('')}  ]\n`;
}

function texts(subjects: readonly string[]): string {
  return `[${subjects.map(quote).join(', ')}]`;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

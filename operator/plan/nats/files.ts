import { createHash } from 'node:crypto';
import { CONFIG_MAP_BYTES } from '../../api/objects.ts';
import { CA_FILE, MAIN_FILE, PEERS_FILE, PROBE_INBOX } from '../observed/names.ts';
import type { DerivedKeys, Texts } from '../observed/observed.ts';
import { isUserKey } from '../trust/public-keys.ts';
import {
  type AdmittedPeer,
  accountOf,
  CANARY_MARK,
  type NatsAccess,
  natsIncludes,
  OWN_MARK,
  SIDECAR_MARK,
} from './permissions.ts';

/**
 * The files that a nats-server includes, and how they come into force.
 *
 * nats-server connects the imports of a new account only at the reload after the one that adds the account (ADR 5). So a text
 * that adds an account is written twice: first for the reload that adds it, and, as soon as every server that answers runs that
 * text, again with only its second line changed, for the reload that connects the imports.
 *
 * Once in a while even that leaves some accounts unconnected (seen with 200 new ones at a time). Then the same text is written
 * with one more line, for one more reload.
 */

const ACCOUNT_HEAD = /^([A-Za-z0-9_-]+) \{$/;
/** An export to one account: that of a peer with connect, and, of operators of before, of any peer. */
const EXPORTED_TO = /, accounts: \[([A-Za-z0-9_-]+)\] \}$/;
const OWN_USER = new RegExp(`^ {4}\\{ nkey: (U[A-Z2-7]{55}) \\} ${OWN_MARK}$`, 'gm');
const SIDECAR_USER = new RegExp(`^ {4}\\{ nkey: (U[A-Z2-7]{55}), .* ${SIDECAR_MARK}$`, 'gm');
/** The operator's users and the canary have no inbox here, and the sidecars' has a dot in its name. */
const PEER_USER = /^ {4}\{ nkey: (U[A-Z2-7]{55}), .*\["_INBOX\.([A-Za-z0-9_-]+)\.>"\] /;
/** The user of a peer at which connect itself receives. */
const CONNECT_USER = /^ {4}\{ nkey: (U[A-Z2-7]{55}), .*\["lfh-sync\.deliver\.([A-Za-z0-9_-]+)", "_INBOX\.>"\] /;

export type NatsFiles = {
  readonly [MAIN_FILE]: string;
  readonly [PEERS_FILE]: string;
  readonly [CA_FILE]: string;
};

/** What is known of the servers that include the files. */
export interface ServersState {
  /** The files as they are in the cluster. */
  readonly written: Texts | undefined;
  /** The hash that every server that answers was last seen to run. */
  readonly liveHash: string | undefined;
  /** Whether servers are restarted instead of reloaded: then everything comes into force at once. */
  readonly restarts: boolean;
  /** Whether the configuration that is live leaves the account of some peer unconnected; see {@link extraReloads}. */
  readonly leavesOut?: boolean;
}

/** nats-server needs two reloads for a new account: `first` when another must follow as soon as this one is live. */
export type Phase = 'first' | 'final';

export interface PlannedNatsFiles {
  readonly files: NatsFiles;
  /** The hash of everything but the canary's line. If the canary of this hash can sign in, the server runs these files. */
  readonly hash: string;
  readonly phase: Phase;
}

/**
 * @param ca the text of {@link CA_FILE}
 * @throws InvalidInputError as natsIncludes does
 */
export function natsFiles(
  access: Omit<NatsAccess, 'canary'>,
  ca: string,
  state: ServersState,
  derived: Pick<DerivedKeys, 'canary'>,
): PlannedNatsFiles {
  const { mainAccount, peerAccounts } = natsIncludes(access);
  const phase = phaseOf(peerAccounts, state);
  const extra = phase === 'final' ? extraReloads(state) : 0;
  const head =
    `# Written by lfh-sync; changes are undone.\n# Reload ${phase === 'first' ? 1 : 2} of 2.\n` +
    (extra > 0 ? `# And ${extra} more, for accounts that were left out.\n` : '');
  const peersFile = head + peerAccounts;
  const hash = digest([head + mainAccount, peersFile, ca]);
  const canary = derived.canary(hash);
  const main = head + natsIncludes({ ...access, ...(canary !== undefined && { canary }) }).mainAccount;
  return { files: { [MAIN_FILE]: main, [PEERS_FILE]: peersFile, [CA_FILE]: ca }, hash, phase };
}

/** How much room the users and the accounts leave for {@link CA_FILE} in their ConfigMap, in bytes. */
export function roomForCas(access: Omit<NatsAccess, 'canary'>): number {
  const { mainAccount, peerAccounts } = natsIncludes(access);
  return CONFIG_MAP_BYTES - HEADS_BYTES - mainAccount.length - peerAccounts.length;
}

/** More than the lines above each text and the canary take. */
const HEADS_BYTES = 1_024;

/** The hash of written files, as {@link natsFiles} computes it; undefined where there are none. */
export function hashOf(written: Texts | undefined): string | undefined {
  if (written?.[MAIN_FILE] === undefined) return undefined;
  const lines = written[MAIN_FILE].split('\n').filter((line) => !line.endsWith(CANARY_MARK));
  return digest([lines.join('\n'), written[PEERS_FILE] ?? '', written[CA_FILE] ?? '']);
}

/** Public keys of the operator's own users in written files, for when they cannot be derived from the node's seed. */
export function ownUsersIn(written: Texts | undefined): string[] {
  return usersIn(written, OWN_USER);
}

/** Those of the sidecars' users. */
export function sidecarUsersIn(written: Texts | undefined): string[] {
  return usersIn(written, SIDECAR_USER);
}

function usersIn(written: Texts | undefined, line: RegExp): string[] {
  const found = (written?.[MAIN_FILE] ?? '').matchAll(line);
  return [...found].flatMap(([, key = '']) => key).filter(isUserKey);
}

/** The public keys of peers that files let in, by the name of the peer's account. */
export type Access = ReadonlyMap<string, ReadonlySet<string>>;

/** Which peers written files let in, and with which keys. The users with which the operator probes them do not count. */
export function accessIn(written: Texts | undefined): Access {
  const access = new Map<string, Set<string>>();
  for (const line of [MAIN_FILE, PEERS_FILE].flatMap((file) => (written?.[file] ?? '').split('\n'))) {
    const { key, account } = peerUserIn(line);
    if (key === '' || `_INBOX.${account}` === PROBE_INBOX) continue;
    access.set(account, (access.get(account) ?? new Set()).add(key));
  }
  return access;
}

/** The user in a line of our own text: its key and account are empty where that is no peer's. */
function peerUserIn(line: string): { readonly key: string; readonly account: string } {
  const [, key = '', account = ''] = PEER_USER.exec(line) ?? CONNECT_USER.exec(line) ?? [];
  return { key, account };
}

/**
 * The written files without the access of all peers that are not granted any more. Nothing is added. This is for when the rest
 * cannot be planned, or the node is gone: taking access back waits for nothing. Every server takes such a text, since it took
 * one with more in it.
 *
 * @param granted peers that keep their access, each only with the keys that are given here
 */
export function withoutRevoked(written: Texts, granted: readonly AdmittedPeer[]): NatsFiles {
  const grants: Access = new Map(granted.map((peer) => [accountOf(peer), new Set(peer.publicKeys)]));
  const { [MAIN_FILE]: main = '', [PEERS_FILE]: peers = '', [CA_FILE]: ca = '' } = written;
  return { [MAIN_FILE]: remaining(main, grants), [PEERS_FILE]: remaining(peers, grants), [CA_FILE]: ca };
}

function remaining(text: string, grants: Access): string {
  let revoked = false;
  const lines = text.split('\n').filter((line) => {
    const [, account] = ACCOUNT_HEAD.exec(line) ?? [];
    if (account !== undefined) revoked = !grants.has(account);
    const stays = !revoked && staysIn(line, grants);
    if (line === '}') revoked = false;
    return stays;
  });
  return lines.join('\n');
}

/** Whether a line of our own text stays. The text has one entry in each line; see permissions.ts. */
function staysIn(line: string, grants: Access): boolean {
  const [, exportedTo] = EXPORTED_TO.exec(line) ?? [];
  if (exportedTo !== undefined) return grants.has(exportedTo);
  const { key, account } = peerUserIn(line);
  return key === '' || `_INBOX.${account}` === PROBE_INBOX || (grants.get(account)?.has(key) ?? false);
}

function phaseOf(peerAccounts: string, { written, liveHash, restarts }: ServersState): Phase {
  if (restarts) return 'final';
  const before = accountsIn(written?.[PEERS_FILE] ?? '');
  if ([...accountsIn(peerAccounts)].some((account) => !before.has(account))) return 'first';
  const first = written?.[MAIN_FILE]?.includes('# Reload 1 of 2.') ?? false;
  return first && liveHash !== hashOf(written) ? 'first' : 'final';
}

/** If this many do not help, more of them would not either, and the cause is another. */
const MOST_EXTRA_RELOADS = 5;

/** How many reloads the written files have asked for besides the usual two, and one more where they still leave somebody out. */
function extraReloads({ written, leavesOut = false }: ServersState): number {
  const [, count = '0'] = /^# And (\d+) more,/m.exec(written?.[MAIN_FILE] ?? '') ?? [];
  return Math.min(MOST_EXTRA_RELOADS, Number(count) + (leavesOut ? 1 : 0));
}

function accountsIn(peerAccounts: string): ReadonlySet<string> {
  return new Set(peerAccounts.split('\n').flatMap((line) => ACCOUNT_HEAD.exec(line)?.[1] ?? []));
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

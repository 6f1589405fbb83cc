import { createHash } from 'node:crypto';
import { CANARY_MARK, type NatsAccess, natsIncludes } from './nats-config.ts';

/**
 * The files that a nats-server includes, and how they come into force.
 *
 * nats-server connects the imports of a new account only at the reload after the one that adds it (ADR 5). So a text that
 * adds an account is written twice: once as the first of two reloads, and, when every server that answers runs that,
 * again with nothing changed but its second line.
 */

/** Goes inside the main account's block; with isolation `Users` inside `authorization`. */
export const MAIN_FILE = 'lfh-sync.conf';
/** Goes beside that block, inside `accounts`; holds nothing but a comment with `Users`. */
export const PEERS_FILE = 'lfh-sync-peers.conf';
/** Own CA first, then the peers'; for nats-server's `ca_file` and for connect. */
export const CA_FILE = 'ca.crt';

export type NatsFiles = {
  readonly [MAIN_FILE]: string;
  readonly [PEERS_FILE]: string;
  readonly [CA_FILE]: string;
};

/** What stands in the ConfigMap now; any of the files may be missing or somebody else's. */
export type WrittenFiles = Readonly<Record<string, string>> | undefined;

export interface PlannedFiles {
  readonly files: NatsFiles;
  /** Of everything but the canary's line. Who signs in with the canary of this hash proves that the server runs these files. */
  readonly hash: string;
  /** 1: another reload must follow when this one is live. */
  readonly reload: 1 | 2;
}

/**
 * @param written what stands there now
 * @param liveHash the hash that every server that answers was last seen to run
 * @param canaryOf the public key of the canary of a hash; undefined where there is no seed to make one from
 * @throws InvalidSpecError as natsIncludes does
 */
export function natsFiles(
  access: Omit<NatsAccess, 'canary'>,
  ca: string,
  written: WrittenFiles,
  liveHash: string | undefined,
  canaryOf: (hash: string) => string | undefined,
): PlannedFiles {
  const { mainAccount, peerAccounts } = natsIncludes(access);
  const reload = reloadOf(peerAccounts, written, liveHash);
  const head = `# Written by lfh-sync; changes are undone.\n# Reload ${reload} of 2.\n`;
  const peersFile = head + peerAccounts;
  const hash = digest([head + mainAccount, peersFile, ca]);
  const canary = canaryOf(hash);
  const main = head + natsIncludes({ ...access, ...(canary !== undefined && { canary }) }).mainAccount;
  return { files: { [MAIN_FILE]: main, [PEERS_FILE]: peersFile, [CA_FILE]: ca }, hash, reload };
}

/** The hash of what stands there, as {@link natsFiles} made it; undefined where nothing does. */
export function hashOf(written: WrittenFiles): string | undefined {
  if (written?.[MAIN_FILE] === undefined) return undefined;
  const lines = written[MAIN_FILE].split('\n').filter((line) => !line.endsWith(CANARY_MARK));
  return digest([lines.join('\n'), written[PEERS_FILE] ?? '', written[CA_FILE] ?? '']);
}

function reloadOf(peerAccounts: string, written: WrittenFiles, liveHash: string | undefined): 1 | 2 {
  const known = accountsIn(written?.[PEERS_FILE] ?? '');
  if ([...accountsIn(peerAccounts)].some((account) => !known.has(account))) return 1;
  const first = written?.[MAIN_FILE]?.includes('# Reload 1 of 2.') ?? false;
  return first && liveHash !== hashOf(written) ? 1 : 2;
}

function accountsIn(peerAccounts: string): ReadonlySet<string> {
  return new Set([...peerAccounts.matchAll(/^([A-Za-z0-9_-]+) \{$/gm)].map(([, account]) => account ?? ''));
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

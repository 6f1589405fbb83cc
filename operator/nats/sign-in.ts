import type { Reason } from '../../common/contract/reasons.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import { hostAndPort, requireServerUrl, type ServerAddress } from '../../common/server-url.ts';
import type { ServerReport } from '../plan/observed/observed.ts';
import { addressesOf } from './addresses.ts';
import { connectOnce, type ServerTrust } from './connection.ts';
import { canaryKey, localNatsKey, makeKey, type UserKey } from './keys.ts';

/** What became of an attempt to sign in. */
export interface SignIn {
  /** `KeyRefused`: reached and trusted, but the key is not known. Any other reason says nothing about the key. */
  readonly outcome: 'Accepted' | Reason;
  /** For a person: which server, what is wrong, what to do. */
  readonly message: string;
}

export interface LiveReport {
  /** Whether there is a server, and every one runs this configuration. */
  readonly live: boolean;
  readonly servers: readonly ServerReport[];
}

export interface WhichConfig extends ServerTrust {
  /** The one that the canary and the node's own user are derived from. */
  readonly nodeSeed: string;
  /** During a rotation: an older configuration knows only whom is derived from this one. */
  readonly previousSeed?: string | undefined;
  /** Of the configuration that should be live. */
  readonly hash: string;
  /**
   * Servers, as reports name them, that were seen to refuse a stranger a moment ago: they are not tried with one again, since
   * each such try is an error in their log.
   */
  readonly refusing?: ReadonlySet<string>;
  /** What is behind a server's URL, by that URL, where that is known better than DNS knows it. */
  readonly endpoints?: ReadonlyMap<string, readonly { readonly address: string; readonly port: number }[]>;
}

/**
 * Tries whether a server accepts a key, on a connection of its own that is closed again, within about 5 s.
 *
 * @throws InvalidInputError for a server or a CA that is none
 */
export async function trySignIn(server: string, key: UserKey, trust: ServerTrust): Promise<SignIn> {
  try {
    const { connection, place } = await connectOnce(server, key, trust);
    await connection.close();
    return { outcome: 'Accepted', message: `NATS server ${place.server} accepts the key ${key.publicKey}` };
  } catch (error) {
    if (error instanceof TransientError) return { outcome: error.reason, message: messageOf(error) };
    throw error;
  }
}

/**
 * Finds out which of a node's NATS servers run a configuration (docs/architecture.md, "Proof that the configuration is live"): all of them at
 * once, each address behind a name as a server of its own, verified against that name.
 *
 * @throws InvalidInputError for a server, a CA or a seed that is none
 */
export async function whichConfig(servers: readonly string[], wanted: WhichConfig): Promise<LiveReport> {
  const reports = await Promise.all(servers.map((server) => reportsOf(server, wanted)));
  const all = reports.flat();
  return { live: all.length > 0 && all.every(({ outcome }) => outcome === 'Live'), servers: all };
}

async function reportsOf(server: string, wanted: WhichConfig): Promise<ServerReport[]> {
  const { secure, host, port } = requireServerUrl(server);
  let places: ServerAddress[];
  try {
    const known = wanted.endpoints?.get(server) ?? (await addressesOf(host)).map((address) => ({ address, port }));
    places = known.map((each) => ({ secure, host: each.address, port: each.port }));
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    return [{ server: hostAndPort({ host, port }), outcome: error.reason, message: messageOf(error) }];
  }
  const trust = { ...wanted, tlsServerName: wanted.tlsServerName ?? host };
  return Promise.all(places.map((place) => reportOf(secure ? 'tls' : 'nats', hostAndPort(place), trust)));
}

async function reportOf(scheme: string, server: string, wanted: WhichConfig): Promise<ServerReport> {
  const attempt = (key: UserKey): Promise<SignIn> => trySignIn(`${scheme}://${server}`, key, wanted);
  const report = (outcome: ServerReport['outcome'], message: string): ServerReport => ({ server, outcome, message });
  // At the same time: a server that is opened and closed in between must not look as if it were neither.
  const [canary, stranger] = await Promise.all([
    attempt(canaryKey(wanted.nodeSeed, wanted.hash)),
    wanted.refusing?.has(server) ? REFUSED : attempt(makeKey()),
  ]);
  if (stranger.outcome === 'Accepted') return report('NoAuthorization', noAuthorization(server));
  if (stranger.outcome !== 'KeyRefused') return report(stranger.outcome, stranger.message);
  if (canary.outcome === 'Accepted') return report('Live', `NATS server ${server} runs the current configuration`);
  if (canary.outcome !== 'KeyRefused') return report(canary.outcome, canary.message);
  const seeds = [wanted.nodeSeed, wanted.previousSeed].filter((seed) => seed !== undefined);
  const known = await Promise.all(seeds.map((seed) => attempt(localNatsKey(seed))));
  if (known.some(({ outcome }) => outcome === 'Accepted')) return report('ConfigNotLive', configNotLive(server));
  for (const { outcome, message } of known) {
    if (outcome !== 'KeyRefused' && outcome !== 'Accepted') return report(outcome, message);
  }
  return report('IncludeMissing', includeMissing(server, localNatsKey(wanted.nodeSeed)));
}

const REFUSED: SignIn = { outcome: 'KeyRefused', message: '' };

function noAuthorization(server: string): string {
  return (
    `NATS server ${server} lets everybody in, since it has no users: include lfh-sync.conf inside the main account of its ` +
    'configuration, and reload it'
  );
}

function configNotLive(server: string): string {
  return (
    `NATS server ${server} knows this node but runs another lfh-sync.conf: a mounted ConfigMap is up to a minute late, ` +
    'and then the server must be reloaded. If this lasts, its log says whether it refused to reload; or the key stands in ' +
    'its configuration by hand, and lfh-sync.conf is not included'
  );
}

function includeMissing(server: string, { publicKey }: UserKey): string {
  return (
    `NATS server ${server} does not know this node, which signs in there as ${publicKey}: either its configuration does not ` +
    'include lfh-sync.conf, or it was not reloaded since. A server in operator (JWT) mode cannot include it and is not supported'
  );
}

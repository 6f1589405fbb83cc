import type { Reason } from '../../common/contract/reasons.ts';
import { messageOf, TransientError } from '../../common/errors.ts';
import { hostAndPort, requireServerUrl } from '../../common/server-url.ts';
import { type Endpoint, endpointsToAsk, serverAt } from '../plan/observed/endpoints.ts';
import type { ServerReport, SilentServer } from '../plan/observed/observed.ts';
import { allLive, isLiveEverywhere, servingServers } from '../plan/observed/servers.ts';
import { addressesOf } from './addresses.ts';
import { connectOnce, type ServerTrust } from './connection.ts';
import { canaryKey, localNatsKey, makeKey, type UserKey } from './keys.ts';

/** The outcome of an attempt to sign in. */
export interface SignIn {
  /**
   * `KeyRefused`: the server was reached and is trusted, but does not know the key. Any other reason says nothing about
   * the key.
   */
  readonly outcome: 'Accepted' | Reason;
  /** For a person: which server, what is wrong, what to do. */
  readonly message: string;
  /** When the server's certificate, or one above it, expires first, in milliseconds since 1970; undefined where it is not known. */
  readonly certificateExpires?: number | undefined;
}

/** What became of asking servers. */
export interface Answers {
  readonly servers: readonly ServerReport[];
  /** Those that are not ready and did not answer. They are not among the others, since they may only be starting. */
  readonly silent: readonly SilentServer[];
}

export interface LiveReport extends Answers {
  /** Whether every server that peers are led to runs this configuration, and there is one; see {@link servingServers}. */
  readonly live: boolean;
  /** Whether no server is left that could run another one; see {@link isLiveEverywhere}. */
  readonly everywhere: boolean;
}

/** When servers are asked that are not ready and did not answer before; see {@link endpointsToAsk}. */
export interface Asking {
  readonly silentSince: ReadonlyMap<string, number>;
  /** In milliseconds since 1970. */
  readonly now: number;
}

export interface WhichConfig extends ServerTrust {
  /** The seed that the canary and the node's own user are derived from. */
  readonly nodeSeed: string;
  /** During a rotation: an older configuration knows only the user that is derived from this seed. */
  readonly previousSeed?: string | undefined;
  /** The hash of the configuration that should be live. */
  readonly hash: string;
  /**
   * Servers, as reports name them, that were seen to refuse a stranger's key a moment ago. They are not tried with one
   * again now, since each such attempt is an error in their log.
   */
  readonly refusing?: ReadonlySet<string>;
  /** The addresses behind a server's URL, by that URL, where Kubernetes knows them better than DNS does. */
  readonly endpoints?: ReadonlyMap<string, readonly Endpoint[]>;
  /** Absent: each of them is asked. */
  readonly asking?: Asking;
}

/**
 * Tries whether a server accepts a key, within about 5 s, on a connection of its own that is then closed.
 *
 * @throws InvalidInputError where the server's URL or the CA cannot be read
 */
export async function trySignIn(server: string, key: UserKey, trust: ServerTrust): Promise<SignIn> {
  try {
    const { connection, place, certificateExpires } = await connectOnce(server, key, trust);
    await connection.close();
    const message = `NATS server ${place.server} accepts the key ${key.publicKey}`;
    return { outcome: 'Accepted', message, certificateExpires };
  } catch (error) {
    if (error instanceof TransientError) return { outcome: error.reason, message: messageOf(error) };
    throw error;
  }
}

/**
 * Finds out which of a node's NATS servers run a configuration, by trying which keys they accept: the canary's key is
 * in this configuration and in no other (docs/architecture.md, "Proof that the configuration is live"). All servers are
 * asked at once; each address behind a name counts as a server, and its certificate is verified against that name.
 *
 * @throws InvalidInputError where a server's URL, the CA or a seed cannot be read
 */
export async function whichConfig(servers: readonly string[], wanted: WhichConfig): Promise<LiveReport> {
  const answers = await Promise.all(servers.map((server) => answersOf(server, wanted)));
  const all = { servers: answers.flatMap(({ servers }) => servers), silent: answers.flatMap(({ silent }) => silent) };
  return { live: allLive(servingServers(all.servers)), everywhere: isLiveEverywhere(all), ...all };
}

async function answersOf(server: string, wanted: WhichConfig): Promise<Answers> {
  const { secure, host, port } = requireServerUrl(server);
  const name = hostAndPort({ host, port });
  const trust = { ...wanted, tlsServerName: wanted.tlsServerName ?? host };
  const ask = (endpoint: Endpoint): Promise<ServerReport> =>
    reportOf(secure ? 'tls' : 'nats', serverAt(endpoint), trust);
  const known = wanted.endpoints?.get(server);
  if (known) return askEndpoints(name, known, ask, wanted.asking ?? { silentSince: new Map(), now: Date.now() });
  try {
    const families = (await addressesOf(host)).map((addresses) => addresses.map((address) => ({ address, port })));
    return { servers: await askOneFamily(families, ask), silent: [] };
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    return { servers: [{ server: name, outcome: error.reason, message: messageOf(error) }], silent: [] };
  }
}

/**
 * Asks the servers behind a Service. One that is not ready has a report if it answers, which says that it is not ready. Where no server
 * has a report, there is one that says so.
 *
 * @param service as that report names it
 */
export async function askEndpoints(
  service: string,
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint) => Promise<ServerReport>,
  { silentSince, now }: Asking,
): Promise<Answers> {
  const due = [...endpointsToAsk(endpoints, silentSince, now)];
  const asked = new Map(await Promise.all(due.map(async (endpoint) => [endpoint, await ask(endpoint)] as const)));
  const servers: ServerReport[] = [];
  const silent: SilentServer[] = [];
  for (const endpoint of endpoints) {
    const [server, report] = [serverAt(endpoint), asked.get(endpoint)];
    if (report && !endpoint.notReady) servers.push(report);
    else if (report && report.outcome !== 'Unreachable') servers.push({ ...report, notReady: true });
    else silent.push({ server, askedAt: report ? now : silentSince.get(server) });
  }
  if (servers.length === 0)
    servers.push({ server: service, outcome: 'Unreachable', message: noneReady(service, silent) });
  return { servers, silent };
}

/**
 * Asks each server once: at its address of the first family at which any of them answers. Where none does, what counts is what
 * was found at the first.
 *
 * @param families the addresses, by family
 */
export async function askOneFamily<Address>(
  families: readonly (readonly Address[])[],
  ask: (address: Address) => Promise<ServerReport>,
): Promise<ServerReport[]> {
  let first: ServerReport[] | undefined;
  for (const family of families) {
    const reports = await Promise.all(family.map(ask));
    if (reports.some(({ outcome }) => outcome !== 'Unreachable')) return reports;
    first ??= reports;
  }
  return first ?? [];
}

async function reportOf(scheme: string, server: string, wanted: WhichConfig): Promise<ServerReport> {
  const attempt = (key: UserKey): Promise<SignIn> => trySignIn(`${scheme}://${server}`, key, wanted);
  const report = (outcome: ServerReport['outcome'], message: string, accepted?: SignIn): ServerReport => {
    return { server, outcome, message, certificateExpires: accepted?.certificateExpires };
  };
  // Both at the same time, so that a server that begins or ceases to let everybody in meanwhile is not taken for one
  // that never did.
  const [canary, stranger] = await Promise.all([
    attempt(canaryKey(wanted.nodeSeed, wanted.hash)),
    wanted.refusing?.has(server) ? REFUSED : attempt(makeKey()),
  ]);
  if (stranger.outcome === 'Accepted') return report('NoAuthorization', noAuthorization(server), stranger);
  if (stranger.outcome !== 'KeyRefused') return report(stranger.outcome, stranger.message);
  if (canary.outcome === 'Accepted') {
    return report('Live', `NATS server ${server} runs the current configuration`, canary);
  }
  if (canary.outcome !== 'KeyRefused') return report(canary.outcome, canary.message);
  const seeds = [wanted.nodeSeed, wanted.previousSeed].filter((seed) => seed !== undefined);
  const asNode = await Promise.all(seeds.map((seed) => attempt(localNatsKey(seed))));
  const accepted = asNode.find(({ outcome }) => outcome === 'Accepted');
  if (accepted) return report('ConfigNotLive', configNotLive(server), accepted);
  for (const { outcome, message } of asNode) {
    if (outcome !== 'KeyRefused' && outcome !== 'Accepted') return report(outcome, message);
  }
  return report('IncludeMissing', includeMissing(server, localNatsKey(wanted.nodeSeed)));
}

function noneReady(service: string, silent: readonly SilentServer[]): string {
  const pods = silent.map(({ server }) => server).join(', ');
  return `none of the pods behind ${service} is ready, and no nats-server answers at ${pods}: is one running? Its log says why not`;
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

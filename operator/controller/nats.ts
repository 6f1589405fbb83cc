import { STREAM } from '../../common/contract/names.ts';
import type { SidecarStatus } from '../../common/contract/status.ts';
import { InvalidInputError, messageOf, TransientError } from '../../common/errors.ts';
import { askSidecars } from '../nats/ask-sidecars.ts';
import { type Consumer, isUpToDate, type JetStream, openJetStream } from '../nats/consumers.ts';
import { localNatsKey, probeKey, type UserKey } from '../nats/keys.ts';
import { probePeerAccount } from '../nats/peer-account.ts';
import { whichConfig } from '../nats/sign-in.ts';
import type { Endpoint } from '../plan/observed/endpoints.ts';
import type { DataPlane, NodeObject, ObservedNats, PeerAccess, PeerObject } from '../plan/observed/observed.ts';
import { nodeSpec, peerSpec } from '../plan/observed/spec.ts';
import type { Plan } from '../plan/plan.ts';

/** Sidecars answer within milliseconds; one that is busy is given this long. */
const SIDECAR_TIMEOUT_MS = 2_000;
/** Two hundred durables are made in seconds. What takes longer is gone on with in the next reconcile: this one keeps others waiting. */
const JETSTREAM_TIMEOUT_MS = 60_000;
/** What a server is where our key may be let in. */
const KNOWN = new Set(['Live', 'ConfigNotLive', 'NoAuthorization']);

export interface Visit {
  readonly node: NodeObject;
  readonly plan: Plan;
  /** undefined: it has no key that it may use, and nothing can be asked. */
  readonly seed: string | undefined;
  readonly previousSeed: string | undefined;
  /** What Kubernetes knows to be behind the servers' URLs. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** Servers that need not be tried with a stranger's key. */
  readonly refusing: ReadonlySet<string>;
  /** Peers whose accounts to look into. */
  readonly lookAt: readonly PeerObject[];
}

type SignedVisit = Visit & { readonly seed: string };

/**
 * Reaches a node's local NATS as the node itself: asks every nats-server what it runs, makes the durables that are
 * wanted and removes those that are not, asks the sidecars, and looks into peers' accounts. Never throws for what is wrong
 * there: that is what it reports.
 */
export async function probeNats({ seed, ...others }: Visit): Promise<DataPlane> {
  const { node, plan, previousSeed, endpoints, refusing } = others;
  if (!plan.files || seed === undefined) return { nats: undefined, sidecars: undefined };
  const visit = { ...others, seed };
  try {
    const wanted = { ca: plan.ownCa, nodeSeed: seed, previousSeed, hash: plan.files.hash, endpoints, refusing };
    const { live, servers } = await whichConfig(node.spec.nats.servers, wanted);
    if (!servers.some(({ outcome }) => KNOWN.has(outcome))) {
      return { nats: unasked(servers, servers.map(({ message }) => message).join('; ')), sidecars: undefined };
    }
    const own = await signIn(visit);
    if (typeof own === 'string') return { nats: unasked(servers, own), sidecars: undefined };
    // Whatever is asked then fails at once.
    const late = setTimeout(() => void own.close(), JETSTREAM_TIMEOUT_MS);
    try {
      const durables = await tendDurables(own, plan);
      const access = live ? await lookAtPeers(visit) : new Map<string, PeerAccess>();
      return { nats: { servers, ...durables, access }, sidecars: await sidecarsOf(own, node.metadata.name) };
    } finally {
      clearTimeout(late);
      await own.close();
    }
  } catch (error) {
    return { nats: unasked([], mendable(error)), sidecars: undefined };
  }
}

/** A server that was not reloaded since a rotation knows only the user of the previous key. */
async function signIn({ node, plan, seed, previousSeed }: SignedVisit): Promise<JetStream | string> {
  const problems: string[] = [];
  for (const each of [seed, previousSeed]) {
    if (each === undefined) continue;
    try {
      return await openJetStream(node.spec.nats.servers, { ca: plan.ownCa, nodeSeed: each });
    } catch (error) {
      problems.push(mendable(error));
    }
  }
  return problems.join('; ');
}

/**
 * Makes the durables that peers need, and removes those that nobody does. Ends at the first problem: where JetStream does not
 * answer, two hundred peers would wait for it two hundred times.
 */
async function tendDurables(own: JetStream, plan: Plan): Promise<Omit<ObservedNats, 'servers' | 'access'>> {
  let streamFirst: number | undefined;
  let durables: readonly Consumer[] | undefined;
  try {
    const stream = await own.streamInfo(STREAM);
    if (!stream) return { streamFirst, durables: [], problem: undefined };
    streamFirst = stream.firstSequence;
    durables = await own.durables(STREAM);
    const wanted = new Set(plan.durables.map(({ durable_name }) => durable_name));
    const unwanted = durables.filter(({ name }) => !wanted.has(name));
    for (const { name } of unwanted) await own.removeDurable(STREAM, name);
    const missing = plan.durables.filter((each) => {
      const found = durables?.find(({ name }) => name === each.durable_name);
      return !found || !isUpToDate(found.config, each);
    });
    for (const durable of missing) await own.ensureDurable(STREAM, durable);
    if (unwanted.length + missing.length > 0) durables = await own.durables(STREAM);
    return { streamFirst, durables, problem: undefined };
  } catch (error) {
    return { streamFirst, durables, problem: mendable(error) };
  }
}

async function lookAtPeers({ node, plan, seed, lookAt }: SignedVisit): Promise<Map<string, PeerAccess>> {
  const shared = nodeSpec(node).isolation === 'Users';
  const found = await Promise.all(
    lookAt.map(async (peer) => {
      const key = shared ? localNatsKey(seed) : probeKey(seed, peer.spec.lfhId);
      const access = await lookAtPeer(node, plan, key, peer);
      return access ? [[peer.metadata.name, access] as const] : [];
    }),
  );
  return new Map(found.flat());
}

/**
 * On the first server that answers: every one of them was just seen to run the same configuration.
 *
 * @returns undefined where none does, which says nothing about the peer
 */
async function lookAtPeer(
  node: NodeObject,
  plan: Plan,
  key: UserKey,
  peer: PeerObject,
): Promise<PeerAccess | undefined> {
  const { publicKeys } = peerSpec(peer);
  for (const server of node.spec.nats.servers) {
    try {
      const about = { lfhId: peer.spec.lfhId, stream: STREAM };
      const { served, connections } = await probePeerAccount(server, key, { ca: plan.ownCa }, about);
      const connected = new Set(connections.map(({ publicKey }) => publicKey));
      return { served, connectedKeys: publicKeys.filter((each) => connected.has(each)) };
    } catch (error) {
      mendable(error);
    }
  }
  return undefined;
}

async function sidecarsOf(own: JetStream, node: string): Promise<readonly SidecarStatus[] | undefined> {
  try {
    return (await askSidecars(own.connected, node, SIDECAR_TIMEOUT_MS)).statuses;
  } catch (error) {
    mendable(error);
    return undefined;
  }
}

function unasked(servers: ObservedNats['servers'], problem: string): DataPlane['nats'] {
  return { servers, streamFirst: undefined, durables: undefined, problem, access: new Map() };
}

/** @throws the error itself where it is none of ours: a bug */
function mendable(error: unknown): string {
  if (error instanceof TransientError || error instanceof InvalidInputError) return messageOf(error);
  throw error;
}

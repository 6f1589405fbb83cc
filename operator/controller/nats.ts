import { STREAM } from '../../common/contract/names.ts';
import { InvalidInputError, messageOf, TransientError } from '../../common/errors.ts';
import { isAccountFull } from '../../common/out-of-connections.ts';
import { type JetStream, openJetStream } from '../nats/consumers.ts';
import { localNatsKey, probeKey, type UserKey } from '../nats/keys.ts';
import { probePeerAccount } from '../nats/peer-account.ts';
import { askSidecars, type SidecarAnswers } from '../nats/sidecar-status.ts';
import { whichConfig } from '../nats/sign-in.ts';
import type { Probe } from '../plan/nats/probes.ts';
import type { Endpoint } from '../plan/observed/endpoints.ts';
import type { DataPlane, DurableAttempts, NodeObject, ObservedNats, PeerAccess } from '../plan/observed/observed.ts';
import { nodeSpec, peerDurable, peerSpec } from '../plan/observed/spec.ts';
import type { Plan } from '../plan/plan.ts';
import { forEachAtOnce } from './at-once.ts';
import { reconcileDurables } from './durables.ts';

/** Sidecars answer within milliseconds; a busy one is given this long. */
const SIDECAR_TIMEOUT_MS = 2_000;
/**
 * Two hundred consumers are made within seconds. If it takes longer than this, the next reconcile goes on with it,
 * since this one keeps others waiting.
 */
const JETSTREAM_TIMEOUT_MS = 60_000;
/** Each look is a connection of its own, and most of it is a TLS handshake, here and at the server. */
const LOOKS_AT_ONCE = 8;
/** Two hundred looks take seconds. Where servers are slow to answer, the next reconcile goes on with them. */
const LOOKS_TIMEOUT_MS = 20_000;
/** The outcomes of a server that may let our own key in. */
const MAY_ACCEPT = new Set(['Live', 'ConfigNotLive', 'NoAuthorization']);

export interface ProbeInput {
  readonly node: NodeObject;
  readonly plan: Plan;
  /** undefined: the node has no key that it may use, and nothing can be asked. */
  readonly seed: string | undefined;
  readonly previousSeed: string | undefined;
  /** The endpoints that Kubernetes knows behind the servers' URLs. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** Servers that need not be tried with a stranger's key. */
  readonly refusing: ReadonlySet<string>;
  /** When each server that is not ready and did not answer was last asked. */
  readonly silentSince: ReadonlyMap<string, number>;
  /** Peers whose accounts are to be probed. */
  readonly peersToProbe: readonly Probe[];
  /** What became of earlier attempts to make the durables. */
  readonly durableAttempts: DurableAttempts;
  /** In milliseconds since 1970. */
  readonly now: number;
}

export interface Probed {
  readonly dataPlane: DataPlane;
  /** How many answers on the sidecars' subject could not be read; undefined: they could not be asked. */
  readonly unreadableAnswers: number | undefined;
}

type SignedInput = ProbeInput & { readonly seed: string };

export interface ProbeOutcome extends Probed {
  /** What nothing was prepared for. Then nothing is known of the data plane. */
  readonly bug: { readonly error: unknown } | undefined;
}

/** Nothing was asked, so nothing is known. */
const NOT_PROBED: Probed = { dataPlane: { nats: undefined, sidecars: undefined }, unreadableAnswers: undefined };

/** Waits for a probe, and never throws, so that a status can be published whatever happens. */
export async function probeOutcome(probe: Promise<Probed>): Promise<ProbeOutcome> {
  try {
    const { dataPlane, unreadableAnswers } = await probe;
    return { dataPlane, unreadableAnswers, bug: undefined };
  } catch (error) {
    const { dataPlane, unreadableAnswers } = NOT_PROBED;
    return { dataPlane, unreadableAnswers, bug: { error } };
  }
}

/**
 * Probes a node's local NATS as the node itself: asks every nats-server which configuration it runs, makes the
 * consumers of peers what they should be, asks the sidecars, and probes peers' accounts. What is wrong there is
 * reported and not thrown.
 *
 * @throws only what nothing was prepared for, which is a bug
 */
export async function probeNats(input: ProbeInput): Promise<Probed> {
  const { node, plan, seed, previousSeed, endpoints, refusing, silentSince, now } = input;
  if (!plan.files || seed === undefined) return NOT_PROBED;
  const signed: SignedInput = { ...input, seed };
  try {
    const asking = { silentSince, now };
    const wanted = { ca: plan.ownCa, nodeSeed: seed, previousSeed, hash: plan.files.hash, endpoints, refusing, asking };
    const answers = await whichConfig(node.spec.nats.servers, wanted);
    const { live, everywhere, servers, silent } = answers;
    if (!servers.some(({ outcome }) => MAY_ACCEPT.has(outcome))) {
      return notAsked(answers, servers.map(({ message }) => message).join('; '));
    }
    const signIn = await signInAsNode(signed);
    if ('problem' in signIn) return notAsked(answers, signIn.problem);
    const { jetStream } = signIn;
    // Whatever is being asked then fails at once.
    const late = setTimeout(() => void jetStream.close(), JETSTREAM_TIMEOUT_MS);
    try {
      const consumers = await reconcileDurables(jetStream, plan, input.durableAttempts, now, everywhere);
      const access = live ? await probePeers(signed) : new Map<string, PeerAccess>();
      const sidecars = await sidecarsOf(jetStream, node.metadata.name);
      return {
        dataPlane: { nats: { servers, silent, ...consumers, access }, sidecars: sidecars?.statuses },
        unreadableAnswers: sidecars?.unreadable,
      };
    } finally {
      clearTimeout(late);
      await jetStream.close();
    }
  } catch (error) {
    return notAsked({ servers: [], silent: [] }, problemOf(error));
  }
}

/**
 * Tries the previous seed as well: a server that was not reloaded since a rotation knows only the user that is derived
 * from it.
 */
async function signInAsNode({
  node,
  plan,
  seed,
  previousSeed,
}: SignedInput): Promise<{ readonly jetStream: JetStream } | { readonly problem: string }> {
  const problems: string[] = [];
  for (const nodeSeed of [seed, previousSeed]) {
    if (nodeSeed === undefined) continue;
    try {
      return { jetStream: await openJetStream(node.spec.nats.servers, { ca: plan.ownCa, nodeSeed }) };
    } catch (error) {
      problems.push(problemOf(error));
    }
  }
  return { problem: problems.join('; ') };
}

async function probePeers(input: SignedInput): Promise<ReadonlyMap<string, PeerAccess>> {
  const { node, plan, seed } = input;
  const shared = nodeSpec(node).isolation === 'Users';
  const found = new Map<string, PeerAccess>();
  const deadline = performance.now() + LOOKS_TIMEOUT_MS;
  await forEachAtOnce(input.peersToProbe, LOOKS_AT_ONCE, async (probe) => {
    if (performance.now() > deadline) return;
    const { metadata, spec } = probe.peer;
    const key = shared ? localNatsKey(seed) : probeKey(seed, spec.lfhId);
    const access = await probePeer(node, plan, key, probe);
    if (access) found.set(metadata.name, access);
  });
  return found;
}

/**
 * Probes one peer's account on the first server that answers, since every server that a client is led to was just seen to run the
 * same configuration.
 *
 * @returns undefined where no server answers, which says nothing about the peer
 */
async function probePeer(
  node: NodeObject,
  plan: Plan,
  key: UserKey,
  { peer, connections: asked }: Probe,
): Promise<PeerAccess | undefined> {
  const {
    publicKeys,
    send: { client },
  } = peerSpec(peer);
  for (const server of node.spec.nats.servers) {
    try {
      const about = { durable: peerDurable(peer), client, stream: STREAM, connections: asked };
      const { served, connections } = await probePeerAccount(server, key, { ca: plan.ownCa }, about);
      if (!connections) return { served };
      const theirs = connections.filter((each) => publicKeys.includes(each.key));
      const open = new Set(theirs.filter((each) => each.open).map((each) => each.key));
      return { served, connectedKeys: publicKeys.filter((each) => open.has(each)), connections: theirs };
    } catch (error) {
      rethrowBug(error);
      if (isAccountFull(error)) return { served: false, connectedKeys: [], full: true };
    }
  }
  return undefined;
}

async function sidecarsOf(jetStream: JetStream, node: string): Promise<SidecarAnswers | undefined> {
  try {
    return await askSidecars(jetStream.connected, node, SIDECAR_TIMEOUT_MS);
  } catch (error) {
    rethrowBug(error);
    return undefined;
  }
}

function notAsked({ servers, silent }: Pick<ObservedNats, 'servers' | 'silent'>, problem: string): Probed {
  const [streamFirst, streamLast, durables] = [undefined, undefined, undefined];
  const nats = { servers, silent, streamFirst, streamLast, durables, problem, access: new Map() };
  return { dataPlane: { nats, sidecars: undefined }, unreadableAnswers: undefined };
}

/** What an error says that was to be expected. @throws the error itself where it is a bug */
function problemOf(error: unknown): string {
  rethrowBug(error);
  return messageOf(error);
}

/**
 * Errors of a server that is down, or of a spec that is wrong, are to be expected here.
 *
 * @throws any other: it is a bug
 */
function rethrowBug(error: unknown): void {
  if (!(error instanceof TransientError) && !(error instanceof InvalidInputError)) throw error;
}

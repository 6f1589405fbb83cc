import type { ConditionDraft } from '../../api/conditions.ts';
import { PEER_LIMITS } from '../nats/peer-limits.ts';
import type { KnownAccess } from '../nats/probes.ts';
import {
  durableNamed,
  isThere,
  type ObservedDurable,
  type ObservedNats,
  type PeerObject,
} from '../observed/observed.ts';
import { peerDurable, peerSpec } from '../observed/spec.ts';
import { statusTime } from '../observed/times.ts';
import { peerKeys } from '../peers/admission.ts';
import { expiresSoon, expiryOf, type Fetched } from './fetched.ts';
import { lastPullBefore } from './last-seen.ts';
import { no, ok, type Progress, STANDSTILL_MS, since, unknown } from './verdict.ts';

export interface SendInputs {
  readonly peer: PeerObject;
  readonly conflict: string | undefined;
  /** Whether the peer's client can receive from a node that is set up as this one is. */
  readonly clientSupported: boolean;
  readonly nats: ObservedNats | undefined;
  /** Whether every nats-server that peers are led to runs a configuration with this peer in it. */
  readonly configLive: boolean;
  /** Whether a nats-server may let the peer in although it is not to be let in. */
  readonly mayHaveAccess: boolean;
  /** What the peer finds when it signs in; undefined until its account was probed. */
  readonly access: KnownAccess | undefined;
  readonly sent: Progress | undefined;
  readonly fetched?: Fetched | undefined;
  readonly now: number;
}

type Verdict = Omit<ConditionDraft<'SendReady'>, 'type'>;

/** Whether the peer can fetch what this node takes in, and does. */
export function sendReady(inputs: SendInputs): ConditionDraft<'SendReady'> {
  return {
    type: 'SendReady',
    ...(withoutAsking(inputs) ?? withKeyProblem(tooMuch(inputs.access) ?? asked(inputs), inputs.peer)),
  };
}

/** What can be said without asking JetStream. */
function withoutAsking(inputs: SendInputs): Verdict | undefined {
  const verdict = notToBeLetIn(inputs);
  if (verdict) return inputs.mayHaveAccess ? stillLetIn(verdict) : verdict;
  if (inputs.configLive) return undefined;
  return no('ConfigNotLive', 'not every nats-server of this node lets the peer in; see the LfhSyncNode');
}

/** Why the peer is not to be let in. */
function notToBeLetIn({ peer, conflict, clientSupported }: SendInputs): Verdict | undefined {
  const { publicKeys, send } = peerSpec(peer);
  if (publicKeys.length === 0) return ok('NotRequested', 'spec.publicKeys is empty: the peer may not receive from us');
  if (conflict !== undefined) return no('Conflict', conflict);
  if (!clientSupported) return no('ClientNotSupported', CLIENT_NOT_SUPPORTED);
  if (send.paused) return ok('Paused', 'paused by spec.send.paused');
  const { usable, problems } = peerKeys(peer);
  const [problem] = problems;
  return problem && usable.length === 0 ? no(problem.reason, problem.message) : undefined;
}

/** That access has ended is true only where it was seen. */
function stillLetIn(verdict: Verdict): Verdict {
  const message = `${verdict.message}; ${MAY_HAVE_ACCESS}`;
  return verdict.status === 'True' ? no('ConfigNotLive', message) : { ...verdict, message };
}

const MAY_HAVE_ACCESS =
  'it may still have access: not every nats-server was seen to run the configuration without it yet; see NatsConfigLive of the LfhSyncNode';

/** Adds the problem with a key that does not count to the message, although the peer has another key. */
function withKeyProblem(verdict: Verdict, peer: PeerObject): Verdict {
  const [problem] = peerKeys(peer).problems;
  return problem ? { ...verdict, message: `${verdict.message}; ${problem.message}` } : verdict;
}

function asked(inputs: SendInputs): Verdict {
  const { peer, nats } = inputs;
  if (!nats?.durables) return unknown('NatsUnreachable', nats?.problem ?? "this node's JetStream was not asked yet");
  if (nats.streamFirst === undefined)
    return no('StreamMissing', 'there is no stream EVENTS; connect makes it when it starts');
  const durable = durableOf(peer, nats);
  if ('reason' in durable) return durable;
  // JetStream stopped answering in the middle: whether the stream still has what the peer has read is not known.
  if (nats.problem !== undefined && nats.streamLast === undefined) return unknown('NatsUnreachable', nats.problem);
  return lost(durable, nats) ?? notSeen(inputs) ?? withExpiry(served(inputs, durable), inputs);
}

function served(inputs: SendInputs, durable: ObservedDurable): Verdict {
  return inputs.access?.access.served ? pulled(inputs, durable) : no('ConfigNotLive', NOT_SERVED);
}

/** Whether the peer uses more of our nats-server than one that replays ever needs. */
function tooMuch(known: KnownAccess | undefined): Verdict | undefined {
  const { maxConnections, messagesPerSecond: bound } = PEER_LIMITS;
  const rate = known?.messagesPerSecond ?? 0;
  if (rate > bound) {
    return no(
      'Flooding',
      `the peer sent ${Math.round(rate)} requests a second lately, and a sidecar needs tens: ${WHAT_TO_DO}`,
    );
  }
  if (!known?.access.full) return undefined;
  return no('ConnectionsUsedUp', `the peer has all ${maxConnections} connections that it may have here: ${WHAT_TO_DO}`);
}

/** Many times as long as it takes until a peer is looked at again. */
const NOT_SEEN_MS = 300_000;

function notSeen({ access, now }: SendInputs): Verdict | undefined {
  if (!access || Math.abs(now - access.at) <= NOT_SEEN_MS) return undefined;
  const message = `what the peer finds when it signs in could not be seen since ${statusTime(access.at)}: is there room for a connection?`;
  return unknown('NatsUnreachable', message);
}

const WHAT_TO_DO = 'ask its administrator; spec.send.paused takes its access away meanwhile';

/** The peer's durable, or why it has none. */
function durableOf(peer: PeerObject, { durables, durableAttempts, problem }: ObservedNats): ObservedDurable | Verdict {
  const name = peerDurable(peer);
  const refusal = durableAttempts?.get(name)?.refusal;
  if (refusal?.lasting) return no('ConsumerRefused', refusal.message);
  const durable = durableNamed(name, durables);
  if (durable) return durable;
  return no('ConsumerMissing', refusal?.message ?? problem ?? "the peer's durable consumer is being made");
}

/** What the peer has read, compared with what the stream holds. */
function lost({ ackFloor }: ObservedDurable, { streamFirst = 0, streamLast }: ObservedNats): Verdict | undefined {
  if (streamLast !== undefined && ackFloor > streamLast) {
    const message = `the peer has acknowledged ${ackFloor}, and the stream EVENTS ends at ${streamLast}; see docs/operations.md`;
    return no('StreamBehindPeer', message);
  }
  if (ackFloor === 0 || ackFloor + 1 >= streamFirst) return undefined;
  return no('MessagesExpired', `the stream begins at ${streamFirst}, and the peer had read up to ${ackFloor}`);
}

/** Adds when the first message expires that the peer may lack, where most of the time until then is over. */
function withExpiry(verdict: Verdict, { fetched, nats, now }: SendInputs): Verdict {
  const expiry = expiryOf(fetched, nats?.streamMaxAge);
  if (expiry === undefined || !expiresSoon(fetched, nats?.streamMaxAge, now)) return verdict;
  const message = `${verdict.message}; the stream may drop messages that it has not fetched from ${statusTime(expiry)} on`;
  return { ...verdict, message };
}

function pulled({ peer, sent, now }: SendInputs, durable: ObservedDurable): Verdict {
  const says = SAYS[peerSpec(peer).send.client];
  const { pending } = durable;
  const stands = since(sent, now) > STANDSTILL_MS;
  if (!isThere(durable)) {
    const everPulled = durable.lastActive !== undefined || lastPullBefore(peer) !== undefined;
    if (!everPulled) return no('AwaitingPeer', says.never);
    if (stands) return no(says.gone, says.since(time(sent)));
  }
  if (pending > 0 && stands)
    return no('Lagging', `${pending} messages wait, and none was acknowledged since ${time(sent)}`);
  return ok(says.well, pending === 0 ? 'the peer has everything' : says.pending(pending));
}

function time(progress: Progress | undefined): string {
  return progress ? new Date(progress.since).toISOString() : 'it was last looked at';
}

const CLIENT_NOT_SUPPORTED =
  'spec.send.client: connect itself can receive only where each peer has an account of its own; set spec.nats.isolation of the ' +
  'LfhSyncNode to Accounts, or run lfh-sync at the peer';

/** What is said of each client. */
const SAYS = {
  Sidecar: {
    never: 'the peer has never asked for a message; it needs our invitation',
    gone: 'NoPull',
    since: (when: string) => `the peer has not asked for messages since ${when}`,
    well: 'Pulling',
    pending: (count: number) => `the peer is fetching ${count} messages`,
  },
  Connect: {
    never:
      'connect at the peer has never subscribed; it needs our servers in its NATS_SYNC_SUBSCRIBERS, our CA, and the seed of one of ' +
      'spec.publicKeys, and must be started after that (docs/upstream-sites.md)',
    gone: 'NotSubscribed',
    since: (when: string) => `connect at the peer has not been subscribed since ${when}; it must be started again`,
    well: 'Delivering',
    pending: (count: number) => `${count} messages are on their way to the peer`,
  },
} as const;

const NOT_SERVED =
  'the peer is let in, but its requests do not reach its durable consumer yet: nats-server connects the imports of a ' +
  'new account only at a second reload; if this lasts, was it reloaded twice, and is the stream in the account of spec.nats.account?';

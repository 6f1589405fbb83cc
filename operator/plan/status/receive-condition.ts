import type { Reason } from '../../../common/contract/reasons.ts';
import type { PeerStatus, SidecarStatus } from '../../../common/contract/status.ts';
import type { ConditionDraft } from '../../api/conditions.ts';
import { type PeerObject, reportOf } from '../observed/observed.ts';
import { peerSpec } from '../observed/spec.ts';
import { parseTime, statusTime } from '../observed/times.ts';
import type { PlannedPeer } from '../peers/peers.ts';
import { caRemarks } from '../trust/ca-source.ts';
import { expiryRemarks } from '../trust/expiry.ts';
import { rejected } from './rejected.ts';
import { isLate, isStale } from './settings-live.ts';
import { no, ok, type Progress, STANDSTILL_MS, since, unknown } from './verdict.ts';

export interface ReceiveInputs {
  readonly planned: Pick<PlannedPeer, 'peer' | 'conflict' | 'ca' | 'invalid' | 'digest'>;
  readonly sidecars: readonly SidecarStatus[] | undefined;
  readonly received: Progress | undefined;
  /** Since when it was seen to be replayed by other settings than those that are planned. */
  readonly staleSince: number | undefined;
  readonly now: number;
}

type Verdict = Omit<ConditionDraft<'ReceiveReady'>, 'type'>;

/** Whether what the peer takes in arrives here. Only the sidecar that replays the peer can say that it does. */
export function receiveReady(inputs: ReceiveInputs): ConditionDraft<'ReceiveReady'> {
  return { type: 'ReceiveReady', ...(withoutAsking(inputs) ?? asked(inputs)) };
}

/** What can be said without a sidecar that replays the peer. That nothing is to be replayed is true only if none does so still. */
function withoutAsking(inputs: ReceiveInputs): Verdict | undefined {
  const { peer, conflict, ca, invalid } = inputs.planned;
  const { servers, receive } = peerSpec(peer);
  if (servers.length === 0) return stale(inputs) ?? ok('NotRequested', 'spec.servers is empty: nothing is received');
  if (conflict !== undefined) return no('Conflict', conflict);
  if (receive.paused) return stale(inputs) ?? ok('Paused', 'paused by spec.receive.paused');
  if (invalid !== undefined) return no('InvalidSpec', invalid);
  const problems = ca?.problems ?? [];
  const [first] = problems;
  if (!first || ca?.authorities.length !== 0) return undefined;
  return no(first.reason, problems.map(({ message }) => message).join('; '));
}

/**
 * What is said while the sidecar that has the peer's replay runs with other settings of this peer than those that are planned:
 * whatever it reports is about those.
 */
function stale({ planned, sidecars, staleSince, now }: ReceiveInputs): Verdict | undefined {
  const report = sidecars && reportOf(planned.peer, sidecars);
  if (!report || !isStale(planned, report)) return undefined;
  const first = staleSince === undefined ? '' : `, as was first seen at ${statusTime(staleSince)}`;
  const message =
    `the sidecar does not run with the newest settings of this peer yet${first}, and may replay it by the earlier ones. ` +
    'They mostly arrive within a minute';
  if (!isLate(staleSince, now)) return unknown('SettingsNotLive', message);
  const late = `${message}. These have not: SidecarReady or NatsConfigLive of the node says why`;
  return { ...unknown('SettingsNotLive', late), endedBy: 'we' };
}

/**
 * Adds the problems with the peer's CA to the message: an authority that does not count any more is often the cause. And adds which
 * certificate will be the next cause.
 */
function asked(inputs: ReceiveInputs): Verdict {
  const { planned, sidecars = [], now } = inputs;
  const { peer, ca } = planned;
  const verdict = answered(inputs);
  const expires = parseTime(reportOf(peer, sidecars)?.certificateExpires);
  const problems = [
    ...caRemarks(ca, 'spec.ca', now),
    ...expiryRemarks("the certificate of the peer's server, or one above it,", expires, now),
  ];
  // A message that is kept from the last status has them already.
  const added = problems.filter((problem) => !verdict.message.includes(problem));
  return { ...verdict, message: [verdict.message, ...added].join('; ') };
}

function answered(inputs: ReceiveInputs): Verdict {
  const { planned, sidecars = [] } = inputs;
  if (sidecars.length === 0) return unknown('NoReport', 'no sidecar of this node reports');
  const report = reportOf(planned.peer, sidecars);
  if (!report) return unknown('NoReport', 'no sidecar has taken up this peer yet');
  return stale(inputs) ?? reported(inputs, report);
}

function reported({ planned: { peer }, received, now }: ReceiveInputs, report: PeerStatus): Verdict {
  const { reason, message, lag } = report;
  if (reason === 'Replaying') {
    const rejection = rejected(peer, report);
    if (rejection) return rejection;
    const behind = (lag ?? 0) > 0 && since(received, now) > STANDSTILL_MS;
    return behind ? no('Lagging', `${lag} messages wait at the peer, and none is replayed`) : ok('Replaying', message);
  }
  if (reason === 'NotOwned')
    return unknown('NoReport', 'no sidecar replays this peer now; one takes it over within seconds');
  if (reason === 'Paused')
    return unknown('NoReport', 'the sidecar does not know yet that this peer is not paused any more');
  if (!AWAITED.has(reason)) return no(reason, message);
  const { manual } = peerSpec(peer).receive;
  const what = manual ? `${message}; ${BY_HAND}` : message;
  if (!neverReplayed(peer, report)) return no(reason, what);
  const first = manual
    ? 'the other side has not given us access yet'
    : "the other side has not applied this node's invitation yet";
  return no('AwaitingPeer', `${first}: ${what}`);
}

const BY_HAND =
  'status.receive.manual has what to hand to its administrator: user, a line for the users in its nats-server.conf, after which it ' +
  'must be reloaded, and subject and durable of the request that makes our durable';

/** The reasons that a peer gives while it has not applied our invitation yet. */
const AWAITED: ReadonlySet<Reason> = new Set(['KeyRefused', 'ConsumerMissing', 'PermissionDenied']);

function neverReplayed(peer: PeerObject, { position }: PeerStatus): boolean {
  return position === null && (peer.status?.receive?.position ?? 0) === 0;
}

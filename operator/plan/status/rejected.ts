import { REJECT_REASONS, type RejectReason } from '../../../common/contract/reasons.ts';
import type { PeerStatus, RejectedRun } from '../../../common/contract/status.ts';
import type { ConditionDraft } from '../../api/conditions.ts';
import type { PeerObject } from '../observed/observed.ts';

type Verdict = Omit<ConditionDraft<'ReceiveReady'>, 'type'>;

/**
 * So many messages in a row must be rejected, with none replayed since. One or two are an oddity, such as a test message, which the
 * metric and its alert show. Three with nothing replayed between them mean that the peer's messages are not taken in, and a site
 * that sends little must not wait for a hundred of them to be told so.
 */
const RUN_LENGTH = 3;

/** The reasons that a setting of ours, or our Kafka's, can end. For every other one the peer sends what connect would not. */
const OURS: ReadonlySet<RejectReason> = new Set(['TooLarge', 'ForeignOrigin', 'FormatNotAllowed', 'TopicRefused']);

/**
 * What ReceiveReady says of a peer that is connected and has only sent messages lately that were rejected: with nothing but that
 * connection looked at, every message could end in LFH_EXCEPTION while all seems well.
 *
 * The sidecar counts since it was started. After its restart the verdict stays as the status has it, until a message is replayed.
 *
 * @returns undefined where the newest messages were not all rejected
 */
export function rejected(peer: PeerObject, { rejectedRun, replayed }: PeerStatus): Verdict | undefined {
  if (rejectedRun && rejectedRun.count >= RUN_LENGTH) return verdictOf(peer, rejectedRun);
  if (replayed > 0) return undefined;
  const before = peer.status?.conditions?.find(({ type }) => type === 'ReceiveReady');
  if (before?.reason !== 'MessagesRejected') return undefined;
  const isOurs = peer.status?.conditions?.some(
    ({ type, reason }) => type === 'Stalled' && reason === 'MessagesRejected',
  );
  return { status: 'False', reason: 'MessagesRejected', message: before.message, endedBy: isOurs ? 'we' : 'peer' };
}

function verdictOf({ spec }: PeerObject, { count, reason, origin }: RejectedRun): Verdict {
  const advice = reason === 'ForeignOrigin' ? foreignAdvice(spec.lfhId, origin) : REJECT_REASONS[reason];
  return {
    status: 'False',
    reason: 'MessagesRejected',
    message: `the last ${count} messages were rejected and are in LFH_EXCEPTION, and none was replayed since; mostly ${reason}: ${advice}`,
    endedBy: OURS.has(reason) ? 'we' : 'peer',
  };
}

/** A stock connect calls itself by its pod's name, which is another one after each restart. */
function foreignAdvice(lfhId: string, origin: string | null): string {
  return (
    `their lfh_id is ${origin ?? 'another one'} instead of ${lfhId}. If they are the peer's own, its administrator sets CONNECT_LFH_ID=${lfhId} for connect there. If the ` +
    'peer passes on what another node took in, add that id to spec.receive.allowOrigins'
  );
}

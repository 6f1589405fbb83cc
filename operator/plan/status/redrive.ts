import type { PeerStatus } from '../../../common/contract/status.ts';
import type { LfhSyncPeer } from '../../api/types.ts';
import type { PeerObject } from '../observed/observed.ts';
import { peerSpec } from '../observed/spec.ts';

type PeerStatusOf = NonNullable<LfhSyncPeer['status']>;

/**
 * What has become of the redrive that the spec asks for. It is Unknown while no sidecar reports on it, unless it was seen to be
 * done, which does not change any more.
 */
export function redriveStatus(peer: PeerObject, report: PeerStatus | undefined): Pick<PeerStatusOf, 'redrive'> {
  const { servers, receive } = peerSpec(peer);
  if (receive.redrive === undefined || servers.length === 0) return {};
  const { id, dryRun } = receive.redrive;
  const isThis = (of: { readonly id?: string; readonly dryRun?: boolean }): boolean =>
    of.id === id && of.dryRun === dryRun;
  const reported = report?.redrive;
  if (reported && isThis(reported)) {
    const { startedAt, finishedAt, message, ...others } = reported;
    const redrive = {
      ...others,
      message: reported.state === 'Done' ? resultText(reported) : message,
      startTime: startedAt,
    };
    return { redrive: finishedAt === null ? redrive : { ...redrive, completionTime: finishedAt } };
  }
  const before = peer.status?.redrive;
  const known = before && isThis(before) ? before : { id, dryRun };
  if (known.state === 'Done') return { redrive: known };
  const message =
    'no sidecar reports on it: it has not begun, or the peer is not being replayed, which ReceiveReady explains';
  return { redrive: { ...known, state: 'Unknown', message } };
}

function resultText({
  dryRun,
  found,
  replayed,
  rejected,
  missing,
}: Pick<NonNullable<PeerStatus['redrive']>, 'dryRun' | 'found' | 'replayed' | 'rejected' | 'missing'>): string {
  return [
    `${replayed} of ${found} messages ${dryRun ? 'would be' : 'were'} replayed`,
    ...(rejected > 0 ? [`${rejected} are rejected by today's settings as well`] : []),
    ...(missing > 0 ? [`${missing} are in LFH_EXCEPTION only in part, and not in the peer's stream any more`] : []),
  ].join('; ');
}

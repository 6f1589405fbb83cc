import { IMPOSSIBLE_PULL, pullSubject } from '../../common/contract/durable.ts';
import { TransientError } from '../../common/errors.ts';
import type { PeerConnected } from './connect-peer.ts';
import { consumerMissing, translate } from './errors.ts';
import type { PullStatus } from './pull-status.ts';
import { askPeer } from './request.ts';

/** One durable consumer of a peer's stream. */
export interface DurableName {
  readonly stream: string;
  readonly durable: string;
}

/** While a server starts or stops it has connections but, for a moment, no streams; so a durable is looked for twice. */
const SECOND_LOOK_MS = 500;

/**
 * Throws `ConsumerMissing` unless the durable is there.
 *
 * The question goes to the pull subject, since only that one gives an answer: a server says at once that nothing listens
 * there, but it never answers a reset of a durable that is missing.
 */
export async function demandDurable(connected: PeerConnected, of: DurableName): Promise<void> {
  if (await askPeer(connected, pullSubject(of.stream, of.durable), IMPOSSIBLE_PULL)) return;
  await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS));
  if (await askPeer(connected, pullSubject(of.stream, of.durable), IMPOSSIBLE_PULL)) return;
  throw consumerMissing(connected.remote, `has no durable consumer ${of.durable} on stream ${of.stream}`);
}

/**
 * Explains the end of a pull loop as an error for a person.
 *
 * @param why what ended it; undefined when the server fell silent
 */
export async function explainEnd(
  why: PullStatus | undefined,
  connected: PeerConnected,
  of: DurableName,
): Promise<TransientError> {
  const { remote } = connected;
  const unreachable = (what: string): TransientError => new TransientError('Unreachable', `${remote.server} ${what}`);
  if (why === undefined) return unreachable('has fallen silent: no heartbeats');
  switch (why.kind) {
    case 'missing':
      return consumerMissing(remote, why.what);
    case 'exceeded':
      return new TransientError(
        'PermissionDenied',
        `${remote.server} ${why.what}: ` +
          (remote.manual
            ? `the administrator of ${remote.owner} must make it anew, as docs/upstream-sites.md says`
            : 'is a newer or older lfh-sync running there?'),
      );
    case 'unanswered':
      return demandDurable(connected, of).then(
        () => unreachable('lost a pull of ours'),
        (error: unknown) => translate(error, remote),
      );
    case 'gone':
      return unreachable(why.what);
    default:
      return unreachable('ended the pulls');
  }
}

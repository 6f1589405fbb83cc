import { NatsError } from 'nats';
import { TransientError } from '../../common/errors.ts';
import type { Connected } from './connection.ts';
import { consumerMissing, translate } from './errors.ts';
import type { PullStatus } from './pull-status.ts';
import { ask } from './request.ts';

/** One durable consumer of a peer's stream. */
export interface Durable {
  readonly stream: string;
  readonly durable: string;
}

/**
 * A pull that is refused by its form, so that no durable ever delivers anything for it: a heartbeat must fit twice into
 * the time that a pull waits.
 */
const IMPOSSIBLE_PULL = JSON.stringify({ batch: 1, expires: 1, idle_heartbeat: 1 });
/** A server that starts or stops has connections before, or after, it has its streams. */
const SECOND_LOOK_MS = 500;

export function pullSubject({ stream, durable }: Durable): string {
  return `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`;
}

/**
 * Throws `ConsumerMissing` unless the durable is there.
 *
 * Asked by its pull subject, the only one that tells: a server says at once that nobody answers there, while a reset for a
 * durable that is missing is never answered at all.
 */
export async function demandDurable(connected: Connected, of: Durable): Promise<void> {
  if (await ask(connected, pullSubject(of), IMPOSSIBLE_PULL)) return;
  await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS));
  if (await ask(connected, pullSubject(of), IMPOSSIBLE_PULL)) return;
  throw consumerMissing(connected.remote, `has no durable consumer ${of.durable} on stream ${of.stream}`);
}

/** Tells what the end of a pull loop means. @param why undefined for silence */
export async function explainEnd(
  why: PullStatus | NatsError | undefined,
  connected: Connected,
  of: Durable,
): Promise<TransientError> {
  const { remote } = connected;
  const unreachable = (what: string): TransientError => new TransientError('Unreachable', `${remote.server} ${what}`);
  if (why === undefined) return unreachable('has fallen silent: no heartbeats');
  if (why instanceof NatsError) return translate(why, remote);
  switch (why.kind) {
    case 'missing':
      return consumerMissing(remote, why.what);
    case 'exceeded':
      return new TransientError(
        'PermissionDenied',
        `${remote.server} ${why.what}: is a newer or older lfh-sync running there?`,
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

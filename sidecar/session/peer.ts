import { delay, patientDelay, sleep } from '../../common/backoff.ts';
import { syncName } from '../../common/contract/names.ts';
import type { LoadedPeer } from '../../common/contract/peers.ts';
import { describeUnforeseen, FencedError, messageOf, ReportedError } from '../../common/errors.ts';
import type { OwnersPort, PeerStream } from '../ports.ts';
import { AnotherStreamError } from '../replay/another-stream.ts';
import { type Chain, ChainBrokenError } from '../replay/chain.ts';
import { startTime } from '../replay/resume.ts';
import { ThrottledError } from './allowance.ts';
import type { SessionContext } from './pipeline.ts';
import { sweep } from './sweep.ts';
import { positionLost, takeOver } from './take-over.ts';
import { type RedriveMemory, runWithRedrive } from './with-redrive.ts';

/** One peer, and everything that its replay needs. */
export interface PeerReplay extends SessionContext {
  readonly settings: LoadedPeer;
  readonly owners: OwnersPort;
  /** Connects to one of the peer's servers. */
  readonly openStream: (server: string) => Promise<PeerStream>;
}

/** What one session leaves behind for the next. */
interface Memory extends RedriveMemory {
  /** For a server that cannot reset, and does not let us look into its stream. */
  anotherStream: boolean;
  /** Whether a take-over found the peer's stream to be a new one, which is not reported yet. */
  recreated: boolean;
  /** For a server that cannot reset: what its next deliveries must be, as the last sweep found out. */
  swept: Chain | undefined;
  /**
   * The consumer sequence that was last seen when the chain broke on such a server. A sweep follows: it looks at what the durable
   * has handed out and nobody has acknowledged, and replays nothing; see {@link sweep}.
   */
  sweepFrom: number | undefined;
}

/**
 * A session that lasted this long was a working one, and so was one that moved the position so far: the next failure counts as
 * the first, and is retried soon. A stream of a peer may hold many messages that break a session, but each session takes at
 * least so many one by one (`PullPace`).
 */
const STABLE_MS = 30_000;
const STABLE_MESSAGES = 32;
/** The same after an error that nobody foresaw, so that one that comes back every minute is not retried every minute. */
const STABLE_AFTER_BUG_MS = 600_000;

/**
 * Replays one peer until `signal`, through every failure: after any of them the peer is taken over again. Failures are
 * retried with a backoff, on the peer's next server, and stay in the report until a session replays again. A session that
 * ended to move to the current key is not a failure, and the same server is connected to at once.
 *
 * What is not a {@link ReportedError} is a bug, and yet it is this peer's alone: what the peer or its server sent may have
 * provoked it, and no peer may stop another. It is retried with patience. That is safe, because the position in Kafka knows
 * of everything that was committed, and the session's writer and stream are closed before.
 */
export async function replayPeer(replay: PeerReplay, signal: AbortSignal): Promise<void> {
  const memory: Memory = { anotherStream: false, recreated: false, swept: undefined, sweepFrom: undefined, wanted: [] };
  const failures = new Failures();
  let attempts = 0;
  while (!signal.aborted) {
    const started = performance.now();
    const before = replay.report.status.position?.sequence ?? 0;
    try {
      const server = replay.settings.servers[attempts % replay.settings.servers.length] as string;
      await runOnce(replay, server, memory, signal);
    } catch (error) {
      if (signal.aborted && error instanceof ReportedError) return;
      const session = {
        lastedMs: performance.now() - started,
        moved: (replay.report.status.position?.sequence ?? 0) - before,
      };
      if (error instanceof ThrottledError) {
        // The peer has brought what it may, and its server has done nothing wrong: the same one is asked again.
        report(replay, error);
        await sleep(error.until - Date.now(), signal);
        continue;
      }
      attempts += 1;
      if (error instanceof AnotherStreamError) memory.anotherStream = true;
      const retryMs = failures.retryAfter(error, session);
      if (error instanceof ReportedError) report(replay, error);
      else reportUnforeseen(replay, error, retryMs);
      await sleep(retryMs, signal);
    }
  }
}

/** Counts a peer's failures in a row, those that nobody foresaw apart from the others. */
class Failures {
  #reported = 0;
  #unforeseen = 0;

  /**
   * @param session the one that ended with this error: how long it lasted, and by how many messages it moved the position
   * @returns how long to wait before the next one, in milliseconds
   */
  retryAfter(error: unknown, { lastedMs, moved }: { readonly lastedMs: number; readonly moved: number }): number {
    if (!(error instanceof ReportedError)) {
      if (lastedMs > STABLE_AFTER_BUG_MS) this.#unforeseen = 0;
      this.#unforeseen += 1;
      return patientDelay(this.#unforeseen);
    }
    if (moved >= STABLE_MESSAGES || lastedMs > STABLE_MS) this.#reported = 0;
    this.#reported += 1;
    // A broken chain is mended by asking again, so that is done at once; but not for ever, as a server may break it on purpose.
    return error instanceof ChainBrokenError && this.#reported <= 3 ? 0 : delay(this.#reported, Math.random());
  }
}

async function runOnce(replay: PeerReplay, server: string, memory: Memory, signal: AbortSignal): Promise<void> {
  // A sidecar that slept through a rebalance would fence the rightful owner, so the group must confirm first.
  await replay.owners.confirmed(signal);
  if (signal.aborted) return;
  const stream = await replay.openStream(server);
  try {
    replay.report.connected(stream);
    if (memory.sweepFrom !== undefined) {
      replay.report.state('ChainBroken', 'waiting until nothing that others were handed is outstanding any more');
      memory.swept = await sweep(stream, memory.sweepFrom, signal);
      memory.sweepFrom = undefined;
      return;
    }
    await replayOver(replay, stream, memory, signal);
  } finally {
    replay.report.disconnected();
    await stream.close();
  }
}

async function replayOver(replay: PeerReplay, stream: PeerStream, memory: Memory, signal: AbortSignal): Promise<void> {
  const { settings, log, report } = replay;
  const { wanted } = memory;
  // Once: where they cannot be fetched, the live replay must not wait for them again and again.
  memory.wanted = [];
  // A server can keep a look at its stream from ending. It must not keep us from stopping.
  const stop = (): void => void stream.close();
  signal.addEventListener('abort', stop, { once: true });
  const taken = await takeOver(replay.kafka, stream, {
    peer: syncName(settings.lfhId),
    stream: settings.stream,
    from: startTime(settings.startFrom, Date.now()),
    restart: settings.restart,
    anotherStream: memory.anotherStream,
    swept: memory.swept,
    wanted,
    maxMessageBytes: replay.rules.maxMessageBytes,
    stored: (position) => report.position(position),
    recreated: () => (memory.recreated = true),
  }).finally(() => signal.removeEventListener('abort', stop));
  const { recreated } = memory;
  memory.anotherStream = false;
  memory.recreated = false;
  memory.swept = undefined;
  try {
    report.takenOver(taken.position, recreated);
    report.state('Replaying', `replaying from ${stream.server}`);
    log.info({ server: stream.server, sequence: taken.position.sequence, recreated }, 'replaying');
    // A session that is superseded ends like any other: what it committed is acknowledged, and the rest is delivered again.
    await runWithRedrive(replay, stream, taken, memory, AbortSignal.any([signal, stream.superseded]));
    if (stream.superseded.aborted && !signal.aborted)
      log.info({ server: stream.server }, 'the current key is accepted now; connecting again with it');
  } catch (error) {
    if (!(error instanceof ChainBrokenError) || taken.canReset) throw error;
    // Without a reset, and before anything was ever committed, a jump shows that the durable was used before us.
    if (!taken.stored && !taken.chain.begun) throw positionLost('its durable has delivered messages before');
    memory.sweepFrom = taken.chain.last;
    throw error;
  } finally {
    await taken.writer.close();
  }
}

function report(replay: PeerReplay, error: ReportedError): void {
  const { reason } = error;
  if (error instanceof ChainBrokenError) replay.report.chainBroken();
  replay.report.state(reason, messageOf(error));
  const level = error instanceof FencedError || error instanceof ChainBrokenError ? 'info' : 'warn';
  replay.log[level](
    { reason, problem: messageOf(error) },
    'the replay of this peer stopped; it will be taken over again',
  );
}

function reportUnforeseen(replay: PeerReplay, error: unknown, retryMs: number): void {
  const unforeseen = describeUnforeseen(error);
  const retrySeconds = retryMs / 1000;
  replay.report.internalError(
    `an error that nobody foresaw (${unforeseen.name}) stopped the replay of this peer alone; it is tried again in ` +
      `${retrySeconds} s. The log of the container lfh-sync has its stack: please report it`,
  );
  replay.log.error({ error: unforeseen, retrySeconds }, 'an error that nobody foresaw stopped the replay of this peer');
}

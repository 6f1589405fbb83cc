import { delay, sleep } from '../../common/backoff.ts';
import { syncName } from '../../common/contract/names.ts';
import type { LoadedPeer } from '../../common/contract/peers.ts';
import type { Reason } from '../../common/contract/reasons.ts';
import { FencedError, messageOf } from '../../common/errors.ts';
import type { OwnersPort, PeerStream } from '../ports.ts';
import type { Chain } from '../replay/chain.ts';
import { startTime } from '../replay/resume.ts';
import { AnotherStreamError, ChainBrokenError, runSession, type SessionContext } from './pipeline.ts';
import { sweep } from './sweep.ts';
import { positionLost, takeOver } from './take-over.ts';

export interface PeerReplay extends SessionContext {
  readonly settings: LoadedPeer;
  readonly owners: OwnersPort;
  /** Connects to one of the peer's servers. */
  readonly openStream: (server: string) => Promise<PeerStream>;
  /** The durable's `ack_wait`, in milliseconds; matters only for servers that cannot reset. */
  readonly ackWaitMs: number;
}

/** What one session leaves behind for the next. */
interface Memory {
  anotherStream: boolean;
  /** On a server that cannot reset: what its next deliveries must be. */
  swept: Chain | undefined;
  /** Consumer sequence last seen when the chain broke on such a server: find out what is outstanding. */
  sweepFrom: number | undefined;
}

/** A session that lasted this long was a working one: the next failure is a new one, and is retried soon. */
const STABLE_MS = 30_000;

/**
 * Replays one peer until `signal`, through every failure: whatever goes wrong, the peer is taken over anew. Failures
 * are retried with a backoff, on the peer's next server, and told in the report until a session replays again. A session
 * that ended to move to the current key is no failure: the same server is connected to at once.
 */
export async function replayPeer(replay: PeerReplay, signal: AbortSignal): Promise<void> {
  const memory: Memory = { anotherStream: false, swept: undefined, sweepFrom: undefined };
  let failures = 0;
  let attempts = 0;
  while (!signal.aborted) {
    const started = performance.now();
    try {
      const server = replay.settings.servers[attempts % replay.settings.servers.length] as string;
      await runOnce(replay, server, memory, signal);
    } catch (error) {
      if (performance.now() - started > STABLE_MS) failures = 0;
      failures += 1;
      attempts += 1;
      report(replay, error);
      remember(memory, error);
      await sleep(patience(error, failures), signal);
    }
  }
}

/** A broken chain is mended by asking again, at once; a server that breaks it on purpose is not asked so often. */
function patience(error: unknown, failures: number): number {
  return error instanceof ChainBrokenError && failures <= 3 ? 0 : delay(failures, Math.random());
}

async function runOnce(replay: PeerReplay, server: string, memory: Memory, signal: AbortSignal): Promise<void> {
  // One that slept through a rebalance would fence the rightful owner: the group has the word.
  await replay.owners.confirmed(signal);
  if (signal.aborted) return;
  const stream = await replay.openStream(server);
  try {
    replay.report.connected(stream.server, stream.key);
    if (memory.sweepFrom !== undefined) {
      replay.report.state('ChainBroken', 'waiting until nothing that others were handed is outstanding any more');
      memory.swept = await sweep(stream, memory.sweepFrom, replay.ackWaitMs, signal);
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
  const taken = await takeOver(replay.kafka, stream, {
    peer: syncName(settings.lfhId),
    stream: settings.stream,
    from: startTime(settings.startFrom, Date.now()),
    anotherStream: memory.anotherStream,
    swept: memory.swept,
  });
  memory.anotherStream = false;
  memory.swept = undefined;
  try {
    report.takenOver(taken.position, taken.recreated);
    report.state('Replaying', `replaying from ${stream.server}`);
    log.info({ server: stream.server, sequence: taken.position.sequence, recreated: taken.recreated }, 'replaying');
    // What is committed is acknowledged and the rest comes again, as after any other end: nothing is lost or repeated.
    await runSession(replay, { stream, ...taken }, AbortSignal.any([signal, stream.superseded]));
    if (!signal.aborted)
      log.info({ server: stream.server }, 'the current key is accepted now; connecting anew with it');
  } catch (error) {
    if (!(error instanceof ChainBrokenError) || taken.canReset) throw error;
    // Without a reset, and before anything was ever committed, a jump says that somebody was here before us.
    if (!taken.stored && !taken.chain.begun) throw positionLost('its durable has delivered messages before');
    memory.sweepFrom = taken.chain.last;
    throw error;
  } finally {
    await taken.writer.close();
  }
}

function remember(memory: Memory, error: unknown): void {
  if (error instanceof AnotherStreamError) memory.anotherStream = true;
}

function report(replay: PeerReplay, error: unknown): void {
  const reason = reasonOf(error);
  if (error instanceof ChainBrokenError) replay.report.chainBroken();
  replay.report.state(reason, messageOf(error));
  const level = error instanceof FencedError || error instanceof ChainBrokenError ? 'info' : 'warn';
  replay.log[level]({ reason, problem: messageOf(error) }, 'the replay of this peer stopped; it is taken over anew');
}

/** @throws the error itself where it is none of ours: a bug, which must end the process and not be retried for ever */
function reasonOf(error: unknown): Reason {
  if (error instanceof Error && 'reason' in error) return error.reason as Reason;
  throw error;
}

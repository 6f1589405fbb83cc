import type { LoadedPeer } from '../../common/contract/peers.ts';
import type { PeerStream } from '../ports.ts';
import type { CutMessage } from './fetch-cut.ts';
import { runSession, type SessionContext } from './pipeline.ts';
import { runRedrive } from './redrive.ts';
import type { TakenOver } from './take-over.ts';

/** What a redrive leaves behind for the next session. */
export interface RedriveMemory {
  /** To be fetched by the next take-over. */
  wanted: readonly CutMessage[];
}

/** A session with the settings that it was begun for. */
export interface SessionWithSettings extends SessionContext {
  readonly settings: LoadedPeer;
}

/**
 * Runs a session, and beside it the redrive that the settings ask for. The session ends when the redrive needs messages of the
 * peer's stream: they can be fetched only where nothing else is pulled.
 */
export async function runWithRedrive(
  context: SessionWithSettings,
  stream: PeerStream,
  taken: TakenOver,
  memory: RedriveMemory,
  signal: AbortSignal,
): Promise<void> {
  const { lfhId, redrive } = context.settings;
  if (redrive === undefined) {
    context.report.redrive(null);
    return runSession(context, { stream, ...taken }, signal);
  }
  const { position, fetched, canReset: canFetch } = taken;
  const over = new AbortController();
  const ended = AbortSignal.any([signal, over.signal]);
  const beside = runRedrive({ context, lfhId, redrive, position, fetched, canFetch }, ended).then((wanted) => {
    memory.wanted = wanted;
    if (wanted.length > 0) over.abort();
  });
  // It reports its failures itself. What it throws all the same is thrown below.
  beside.catch(() => over.abort());
  try {
    await runSession(context, { stream, ...taken }, ended);
  } finally {
    over.abort();
    await beside.catch(() => undefined);
  }
  await beside;
}

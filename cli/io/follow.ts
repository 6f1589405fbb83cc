import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 1_000;

interface Followed<Value> {
  readonly look: () => Promise<Value>;
  /** Called with each look and the one before. */
  readonly tell: (now: Value, before: Value | undefined) => void;
  readonly isDone: (now: Value) => boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Looks once a second, until it is done, nobody wants it any more, or the time is over.
 *
 * @returns the last look, and whether it is done
 */
export async function follow<Value>({
  look,
  tell,
  isDone,
  timeoutMs,
  signal,
}: Followed<Value>): Promise<{ readonly last: Value; readonly done: boolean }> {
  const until = Date.now() + timeoutMs;
  let before: Value | undefined;
  for (;;) {
    const last = await look();
    tell(last, before);
    if (isDone(last)) return { last, done: true };
    if (signal.aborted || Date.now() + POLL_MS > until) return { last, done: false };
    before = last;
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

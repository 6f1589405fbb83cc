import { readFile } from 'node:fs/promises';
import type { Logger } from '../../common/log.ts';

/** After this time a server that has not taken up its configuration is told once more, and then after twice as long each time. */
const AGAIN_MS = 15_000;
const LONGEST_MS = 300_000;
/** The name of the program, of which the kernel keeps 15 characters. */
const NATS_SERVER = 'nats-server';

/**
 * Makes a nats-server reload by a signal, where a pid file says which process it is. That it did is seen later, by signing in. Without
 * a pid file something else reloads it, such as the reloader beside it.
 */
export class NatsReloader {
  readonly #pidFiles: ReadonlyMap<string, string>;
  readonly #log: Logger;
  readonly #told = new Map<string, { readonly at: number; readonly waitMs: number }>();

  /** @param pidFiles by the node's name; the one for the name '' is that of every other node */
  constructor(pidFiles: ReadonlyMap<string, string>, log: Logger) {
    this.#pidFiles = pidFiles;
    this.#log = log;
  }

  /** What the server includes has changed. */
  async reload(node: string): Promise<void> {
    this.#told.set(node, { at: performance.now(), waitMs: AGAIN_MS });
    await this.#signal(node);
  }

  /** The server is seen to run something else: a signal may have come while it was starting. */
  async reloadAgain(node: string): Promise<void> {
    const { at, waitMs } = this.#told.get(node) ?? { at: Number.NEGATIVE_INFINITY, waitMs: AGAIN_MS / 2 };
    if (performance.now() - at < waitMs) return;
    this.#told.set(node, { at: performance.now(), waitMs: Math.min(2 * waitMs, LONGEST_MS) });
    await this.#signal(node);
  }

  async #signal(node: string): Promise<void> {
    const file = this.#pidFiles.get(node) ?? this.#pidFiles.get('');
    if (file === undefined) return;
    const pid = Number((await readFile(file, 'utf8').catch(() => '')).trim());
    try {
      if (!Number.isSafeInteger(pid) || pid <= 1)
        throw new Error('it names no process: is nats-server running, with pid_file?');
      // A server that was killed leaves its file behind, and the number may by now be that of another program, which the signal would end.
      const program = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => undefined);
      if (program !== undefined && !program.startsWith(NATS_SERVER)) throw new Error('that process is no nats-server');
      process.kill(pid, 'SIGHUP');
      this.#log.info({ node, pid }, 'nats-server was told to reload');
    } catch (error) {
      const problem = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      this.#log.warn({ node, pidFile: file, problem }, 'nats-server cannot be told to reload');
    }
  }
}

import { join } from 'node:path';
import { freePort, ServerProcess } from './process.ts';

const MAIN = [join(import.meta.dirname, '..', '..', '..', 'cli', 'main.ts'), 'run'];

export interface DirectoryProcessOptions {
  readonly directory: string;
  readonly logFile: string;
  readonly natsPidFile?: string;
}

/** `lfh-sync run DIRECTORY` as a process of its own. */
export class DirectoryProcess {
  readonly #options: DirectoryProcessOptions;
  readonly #port: number;
  #process: ServerProcess | undefined;

  private constructor(options: DirectoryProcessOptions, port: number) {
    this.#options = options;
    this.#port = port;
  }

  static async start(options: DirectoryProcessOptions): Promise<DirectoryProcess> {
    const started = new DirectoryProcess(options, await freePort());
    await started.start();
    return started;
  }

  get process(): ServerProcess {
    if (!this.#process) throw new Error('it was never started');
    return this.#process;
  }

  async start(): Promise<void> {
    const { directory, logFile, natsPidFile } = this.#options;
    const more = natsPidFile === undefined ? [] : ['--nats-pid-file', natsPidFile];
    const address = `127.0.0.1:${this.#port}`;
    const command = [process.execPath, ...MAIN, directory, '--http-address', address, '--log-level', 'debug', ...more];
    this.#process = new ServerProcess('lfh-sync run', command, logFile);
    await this.#process.ready(async () => (await this.get('/healthz')).ok, 60_000);
  }

  stop(): Promise<void> {
    return this.process.stop(60_000);
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  get(path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#port}${path}`, { signal: AbortSignal.timeout(10_000) });
  }
}

/** Runs `lfh-sync run` to its end, for what ends by itself. @returns what it printed, and its exit code */
export async function runDirectoryOnce(
  args: readonly string[],
  logFile: string,
): Promise<{ readonly output: string; readonly code: number | null }> {
  const once = new ServerProcess('lfh-sync run', [process.execPath, ...MAIN, ...args], logFile);
  const code = await once.exited();
  return { output: once.output(), code };
}

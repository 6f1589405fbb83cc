import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A child process whose output goes to a file. It ends when this process ends. */
export class ServerProcess {
  readonly name: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  /** How long the log was before this process was started. */
  readonly #logStart: number;

  /** @param logFile is appended to, so that it holds the output of every start */
  constructor(name: string, command: readonly string[], logFile: string, env: NodeJS.ProcessEnv = {}) {
    this.name = name;
    this.logFile = logFile;
    const log = openSync(logFile, 'a');
    this.#logStart = fstatSync(log).size;
    const [program, ...args] = dyingWithUs(command);
    this.#child = spawn(program as string, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } });
    closeSync(log);
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => resolve(code));
      this.#child.once('error', () => resolve(null));
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} was not started: is the program there?`);
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves with the exit code, null after a signal. */
  exited(): Promise<number | null> {
    return this.#exited;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) process.kill(this.pid, signal);
  }

  /**
   * Lets it stand still until {@link resume}, as a machine does that is out of breath. Resolves when it does: the signal
   * reaches one thread after the other, and on a busy machine a server goes on answering for a while.
   */
  async pause(): Promise<void> {
    this.signal('SIGSTOP');
    await until(`${this.name} stands still`, () => !this.running || threadStates(this.pid).every(isStopped), 30_000, 1);
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** Sends SIGTERM, and SIGKILL when it has not ended after `graceMs`. */
  async stop(graceMs = 10_000): Promise<void> {
    this.resume();
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#exited;
  }

  /** All that this process has printed, without the output of earlier ones in the same file. */
  output(): string {
    return readFileSync(this.logFile).subarray(this.#logStart).toString('utf8');
  }

  /** The last lines of its log, for an error message. */
  tail(lines = 15): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Waits until `ready` returns true. @throws with the end of its log when it ends first, or after `timeoutMs` */
  async ready(ready: () => Promise<boolean> | boolean, timeoutMs: number): Promise<this> {
    try {
      await until(`${this.name} is ready`, async () => !this.running || (await ready()), timeoutMs);
    } catch (error) {
      await this.kill();
      throw new Error(`${(error as Error).message}; it said:\n${this.tail()}`, { cause: error });
    }
    if (!this.running) throw new Error(`${this.name} ended instead of starting; it said:\n${this.tail()}`);
    return this;
  }
}

/**
 * Prefixes a command so that the kernel kills it when this process ends, even when this process is killed and cannot clean up.
 * `setpriv` is util-linux's and is on every Debian. The kernel watches the *thread* that started the child: here the main
 * one, which lives as long as the process. Started from a worker thread, a server would end with the worker.
 */
function dyingWithUs(command: readonly string[]): readonly string[] {
  return existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', ...command] : command;
}

/** One letter for each thread, as proc(5) has them; none where there is no such file system. */
function threadStates(pid: number): string[] {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return [];
  // What comes before may hold anything, also a parenthesis.
  return readdirSync(tasks).map((task) =>
    readFileSync(`${tasks}/${task}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .charAt(0),
  );
}

function isStopped(state: string): boolean {
  return state === 'T';
}

/**
 * Waits for a condition. `what` names the condition, so that the failure says what did not happen.
 *
 * @throws when it is not met within `timeoutMs`, with the last error `condition` threw as cause
 */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  timeoutMs = 60_000,
  pollMs = 25,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  do {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    await sleep(pollMs);
  } while (performance.now() < deadline);
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}`, { cause: last });
}

/**
 * Resolves as `work` does, when that is sooner than a timer of `ms` that starts now. Both share the event loop of this process, so
 * that a busy machine delays the timer too: unlike a measured duration, this fails only where `work` waits for something longer.
 *
 * @throws what `work` throws; or, when the timer ends first, that it did
 */
export async function soonerThan<Result>(ms: number, what: string, work: Promise<Result>): Promise<Result> {
  const over = new AbortController();
  const late = sleep(ms, undefined, { signal: over.signal }).then((): never => {
    throw new Error(`not sooner than in ${ms / 1000} s: ${what}`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    over.abort();
  }
}

const taken = new Set<number>();
/** Tests run in several processes at a time (test/run.ts), each with ports of its own. */
const FIRST_PORT = 10_000 + 5_000 * (Number(process.env.LFH_SYNC_TEST_JOB ?? 0) % 4);

/**
 * A port on 127.0.0.1 that is free now; below the kernel's own range, so that no outgoing connection takes it, also
 * while its server is stopped. Never the same one twice: it may have been given to a server that has yet to start.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * 5_000);
    if (taken.has(port)) continue;
    taken.add(port);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

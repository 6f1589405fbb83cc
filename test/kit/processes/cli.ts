import { execFile } from 'node:child_process';
import { join } from 'node:path';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'cli', 'main.ts');
const MOST_OUTPUT = 16e6;

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a process, in no terminal, with a kubeconfig alone: nothing of a person's home directory counts. */
export function runCli(kubeconfig: string, args: readonly string[], input = ''): Promise<Said> {
  return new Promise((resolve) => {
    const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: '/nonexistent' };
    const child = execFile(process.execPath, [MAIN, ...args], { env, maxBuffer: MOST_OUTPUT }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
    child.stdin?.on('error', () => undefined).end(input);
  });
}

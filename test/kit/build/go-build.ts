import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../../../image/cache.ts';

/**
 * The command and environment of every build with Go. It is niced, because a build takes minutes of every core, and a person may be
 * working on this machine. It is without C, as the programs' makers build them: an image that holds nothing else needs a static program,
 * and the standard library is compiled once for all of them.
 */

/**
 * Builds in a copy, so that Go touches nothing in the tree. With `-mod=readonly` it builds exactly what go.sum says.
 *
 * @param args further arguments of `go build`, among them what to build
 */
export async function goBuild(module: string, into: string, args: readonly string[]): Promise<void> {
  const copy = join(into, 'module');
  await cp(module, copy, { recursive: true });
  await go(['build', '-mod=readonly', '-buildvcs=false', ...args], { cwd: copy });
  await rm(copy, { recursive: true });
}

/** @param program a package with its version, as `example.org/cmd/x@v1.2.3`: its own go.mod names its dependencies */
export async function goInstall(program: string, into: string, args: readonly string[] = []): Promise<void> {
  await go(['install', ...args, program], { env: { GOBIN: into, GOFLAGS: '-buildvcs=false' } });
}

async function go(args: readonly string[], { cwd, env }: { cwd?: string; env?: NodeJS.ProcessEnv }): Promise<void> {
  await execute('nice', ['-n', '19', 'go', ...args], {
    cwd,
    env: { ...process.env, CGO_ENABLED: '0', ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
}

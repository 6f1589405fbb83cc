import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../../../image/cache.ts';

/**
 * How programs are built with Go here. Niced: a build takes minutes of every core, and somebody may be working on this machine.
 * Without C, as their makers build them: static, as an image that holds nothing else needs them, and the standard library is
 * compiled once for all of them.
 */

/**
 * On a copy, so that nothing that Go does touches the tree; `-mod=readonly` makes what is built what go.sum says.
 *
 * @param args more of `go build`'s, with what to build
 */
export async function goBuild(module: string, into: string, args: readonly string[]): Promise<void> {
  const copy = join(into, 'module');
  await cp(module, copy, { recursive: true });
  await go(['build', '-mod=readonly', '-buildvcs=false', ...args], { cwd: copy });
  await rm(copy, { recursive: true });
}

/** @param program a package with its version, as `example.org/cmd/x@v1.2.3`: its own go.mod says what it is built from */
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

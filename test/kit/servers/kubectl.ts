import { execute } from '../../../image/cache.ts';

/**
 * Runs kubectl with a kubeconfig file, or as `args` say; never with what a person keeps in their home directory.
 *
 * @param cwd the directory in which it finds the files that `args` name
 * @throws with what it says on stderr
 */
export async function runKubectl(
  program: string,
  kubeconfig: string,
  args: readonly string[],
  input = '',
  cwd = process.cwd(),
): Promise<{ stdout: string; stderr: string }> {
  // No cache of what the API serves: it would not know of a CRD that has just been installed.
  const own = ['--kubeconfig', kubeconfig, '--cache-dir', '/dev/null/none'];
  const env = { ...process.env, KUBERC: 'off' };
  const command = execute(program, [...own, ...args], { maxBuffer: 16e6, env, cwd });
  // It may end without having read: what it has to say then is on its stderr.
  command.child.stdin?.on('error', () => undefined).end(input);
  try {
    return await command;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || message}`, { cause: error });
  }
}

/**
 * Server-side apply, by the field manager `test`.
 *
 * @param kubectl runs it against the cluster that is meant
 * @param what YAML, or objects
 */
export async function applyTo(
  kubectl: (args: readonly string[], input: string) => Promise<unknown>,
  what: string | readonly object[],
  namespace: string | undefined,
): Promise<void> {
  const text = typeof what === 'string' ? what : what.map((object) => JSON.stringify(object)).join('\n---\n');
  const where = namespace === undefined ? [] : ['-n', namespace];
  await kubectl(['apply', '--server-side', '--field-manager=test', ...where, '-f', '-'], text);
}

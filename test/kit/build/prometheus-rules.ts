import { join } from 'node:path';
import { cached, execute } from '../../../image/cache.ts';
import { goBuild } from './go-build.ts';

/** This is the version in prometheus/go.mod. */
const VERSION = 'v0.305.0';

/** Builds once a program that reads rules as Prometheus does. @returns its path */
export async function rulesProgram(): Promise<string> {
  const place = await cached(
    `prometheus-rules-${VERSION}`,
    `Prometheus's reader of rules with Go, about 30 s`,
    (into) => goBuild(join(import.meta.dirname, 'prometheus'), into, ['-o', join(into, 'check-rules'), '.']),
  );
  return join(place, 'check-rules');
}

/** @throws with what Prometheus says about each expression, label or template that it refuses */
export async function checkRules(rules: readonly object[]): Promise<void> {
  const command = execute(await rulesProgram(), []);
  command.child.stdin?.end(JSON.stringify({ groups: [{ name: 'checked', rules }] }));
  try {
    await command;
  } catch (error) {
    throw new Error(`Prometheus: ${(error as { stderr?: string }).stderr?.trim()}`, { cause: error });
  }
}

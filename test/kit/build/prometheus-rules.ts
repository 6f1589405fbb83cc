import { join } from 'node:path';
import { cached, execute } from '../../../image/cache.ts';
import { goBuild } from './go-build.ts';

/** This is the version in prometheus/go.mod. */
const VERSION = 'v0.305.0';

/** Builds once a program that reads rules as Prometheus does, and evaluates them. @returns its path */
export async function rulesProgram(): Promise<string> {
  const place = await cached(
    `prometheus-rules-2-${VERSION}`,
    `Prometheus's engine for rules with Go, about a minute`,
    (into) => goBuild(join(import.meta.dirname, 'prometheus'), into, ['-o', join(into, 'check-rules'), '.']),
  );
  return join(place, 'check-rules');
}

/** @throws with what Prometheus says about each expression, label or template that it refuses */
export async function checkRules(rules: readonly object[]): Promise<void> {
  await run(rules);
}

export interface Firing {
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Evaluates alerts every minute, over series that begin in 1970 with one sample a minute, as `promtool test rules` does.
 *
 * @param series each with its values, as `lfh_sync_lag{peer="b"} 0+10x60`
 * @param minutes after which it is looked at
 * @returns the alerts that fire then
 * @throws with what Prometheus says about rules or series that it refuses
 */
export async function firingAlerts(
  rules: readonly object[],
  series: readonly string[],
  minutes: number,
): Promise<readonly Firing[]> {
  const load = ['load 1m', ...series.map((each) => `  ${each}`)].join('\n');
  return JSON.parse(await run(rules, JSON.stringify({ load, minutes }))) as Firing[];
}

async function run(rules: readonly object[], ...args: readonly string[]): Promise<string> {
  const command = execute(await rulesProgram(), args);
  command.child.stdin?.end(JSON.stringify({ groups: [{ name: 'checked', rules }] }));
  try {
    return (await command).stdout;
  } catch (error) {
    throw new Error(`Prometheus: ${(error as { stderr?: string }).stderr?.trim()}`, { cause: error });
  }
}

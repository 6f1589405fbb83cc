import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createLogger } from '../../common/log.ts';
import { type ConfigMap, KINDS, type KubeObject } from '../api/objects.ts';
import { keyOf as nodeKey } from '../cluster/formats.ts';
import { previewNode } from '../controller/preview.ts';
import { Watches } from '../controller/watches.ts';
import { accessChanges } from '../plan/nats/access-changes.ts';
import { accessIn } from '../plan/nats/files.ts';
import { NAMES } from '../plan/observed/names.ts';
import type { Plan } from '../plan/plan.ts';
import { lineDiff } from './diff.ts';
import { DirectoryCluster } from './directory-cluster.ts';
import { readSettled } from './documents.ts';
import { takeUp } from './folder.ts';
import { decide, keyOf, type Refusal } from './input.ts';
import { type Layout, layoutOf, NAMESPACE } from './layout.ts';
import { belowState, invitationsOf, outputsOf } from './outputs.ts';
import { demandDirectory } from './run.ts';
import { NO_STORE, readStore } from './store.ts';

/**
 * Says what `lfh-sync run` would write for the files of a directory, and changes nothing: no file, nothing at a nats-server, and no lock
 * is taken, so that it can be asked beside the one that runs.
 *
 * @param print gets one line after the other
 * @returns whether everything in the files can be taken up
 * @throws InvalidInputError for a directory that cannot be used
 */
export async function dryRunDirectory(directory: string, print: (line: string) => void): Promise<boolean> {
  const layout = layoutOf(resolve(directory));
  await demandDirectory(layout.input);
  const log = createLogger({ name: 'lfh-sync', level: 'fatal' });
  const cluster = new DirectoryCluster(NO_STORE, await readStore(layout.objects));
  const read = await readSettled(layout.input);
  if (!read) throw new Error('somebody is still writing to the directory');
  const known = cluster.all();
  const decision = decide(read.files, known);
  await takeUp(decision, cluster, log);
  for (const refusal of decision.refusals) print(refusalText(refusal));
  for (const object of decision.deletes) print(`${keyOf(object)}: is in no file any more, and would be deleted`);
  const problems = await planAll(cluster, known, print);
  await printOutputs(layout, cluster.all(), print);
  return decision.refusals.length === 0 && problems === 0;
}

/** A refusal as one line, with what to do. */
export function refusalText({ file, object, field, problem, inForce }: Refusal): string {
  const where = [file, object, field].filter((part) => part !== undefined).join(': ');
  return `refused: ${where}: ${problem}${inForce === 'nothing' ? '' : ' (it stays as it was)'}`;
}

/** Plans every node, and makes the objects in memory what they would be. @returns how many nodes cannot be planned */
async function planAll(
  cluster: DirectoryCluster,
  known: readonly KubeObject[],
  print: (line: string) => void,
): Promise<number> {
  const stop = new AbortController();
  const log = createLogger({ name: 'lfh-sync', level: 'fatal' });
  const watches = new Watches(cluster, [NAMESPACE], log);
  const watching = watches.run(() => undefined, stop.signal);
  await watches.listed();
  let problems = 0;
  for (const { metadata } of watches.watched.nodes.all()) {
    const { name } = metadata;
    if (!known.some((object) => keyOf(object) === `Secret ${NAMES.key(name)}`)) {
      print(`LfhSyncNode ${name}: a key would be made for it; the keys below are only examples`);
    }
    const plan = await previewNode(cluster, watches.watched, nodeKey(NAMESPACE, name), log);
    if (!plan) continue;
    if (plan.problem) {
      problems += 1;
      print(`LfhSyncNode ${name}: ${plan.problem.reason}: ${plan.problem.message}`);
    }
    printAccess(name, plan, known, print);
    for (const object of plan.objects) await cluster.apply(object);
  }
  stop.abort();
  await watching;
  return problems;
}

/** Who would be let in, and who no more. */
function printAccess(node: string, plan: Plan, known: readonly KubeObject[], print: (line: string) => void): void {
  const dataOf = (objects: readonly KubeObject[]): ConfigMap['data'] => {
    const found: ConfigMap | undefined = objects.find((object) => keyOf(object) === `ConfigMap ${NAMES.nats(node)}`);
    return found?.data;
  };
  const after = dataOf(plan.objects);
  if (!after) return;
  for (const { reason, account, key } of accessChanges(accessIn(dataOf(known)), accessIn(after))) {
    const what = reason === 'AccessGranted' ? 'would be let in' : 'would not be let in any more';
    print(`LfhSyncNode ${node}: ${account} ${what} with the key ${key}`);
  }
}

async function printOutputs(
  layout: Layout,
  objects: readonly KubeObject[],
  print: (line: string) => void,
): Promise<void> {
  const files = outputsOf(layout, objects).flatMap(({ path, files: content }) =>
    [...(content ?? [])].map(([file, bytes]) => ({ path: join(path, file), text: bytes.toString('utf8') })),
  );
  const invitations = invitationsOf(layout, objects).flatMap(({ path, text }) =>
    text === undefined ? [] : [{ path, text }],
  );
  let changes = 0;
  for (const { path, text } of [...files, ...invitations]) {
    const before = await readFile(path, 'utf8').catch(() => undefined);
    if (before === text) continue;
    changes += 1;
    const name = belowState(layout, path);
    print(`${name}: would be ${before === undefined ? 'written' : 'changed'}`);
    // Nobody has a secret on their screen.
    if (path.includes('/secrets/')) continue;
    for (const line of lineDiff(before ?? '', text)) print(`  ${line}`);
  }
  if (changes === 0) print(`nothing would be written: ${KINDS.node.kind}s and peers are as they were`);
}

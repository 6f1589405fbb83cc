import { readFile } from 'node:fs/promises';
import { sleep } from '../../common/backoff.ts';
import { InvalidInputError } from '../../common/errors.ts';
import { KINDS } from '../../operator/api/objects.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { StoredNode } from '../../operator/plan/observed/observed.ts';
import { checkAfter } from './after.ts';
import { checkBefore } from './before.ts';
import { exitCodeOf, type Finding } from './judge/finding.ts';
import { unlessMissing } from './looking.ts';
import { readWanted, type Wanted } from './values.ts';

export interface CheckOptions {
  readonly namespace: string;
  /** Look at what an installation needs, and not at what is installed. */
  readonly pre: boolean;
  /** The values of the chart, or a manifest with an LfhSyncNode; `-` for what is piped in. Only with {@link pre}. */
  readonly file: string | undefined;
  readonly node: string | undefined;
  readonly operatorNamespace: string | undefined;
  /** How long to look again until all is well, in milliseconds. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

const AGAIN_MS = 2_000;

/**
 * Looks at everything, again and again until all is well or the time is over.
 *
 * @param input reads what is piped in
 * @param tell is told before each further look what is not well yet
 * @throws InvalidInputError where there is no LfhSyncNode to look at, or the file is none
 * @throws KubeError where the API server does not answer, or does not let one read the nodes
 */
export async function check(
  api: KubeClient,
  options: CheckOptions,
  input: () => Promise<string>,
  tell: (findings: readonly Finding[]) => void,
): Promise<Finding[]> {
  const { pre, namespace, signal, waitMs } = options;
  const wanted = pre ? await wantedOf(api, options, input) : undefined;
  const deadline = performance.now() + waitMs;
  for (;;) {
    const findings = wanted ? await checkBefore(api, namespace, wanted) : await checkAfter(api, options);
    if (exitCodeOf(findings) === 0 || signal.aborted || performance.now() + AGAIN_MS > deadline) return findings;
    tell(findings);
    await sleep(AGAIN_MS, signal);
  }
}

async function wantedOf(
  api: KubeClient,
  { file, namespace, node: name }: CheckOptions,
  input: () => Promise<string>,
): Promise<Wanted> {
  if (file !== undefined) return readWanted(file === '-' ? await input() : await read(file), file);
  const items = (await unlessMissing(api.list<StoredNode>(KINDS.node, namespace)))?.items ?? [];
  const [node, ...others] = items.filter(({ metadata }) => name === undefined || metadata.name === name);
  if (!node) {
    const what = `there is no LfhSyncNode ${name ?? ''} in the namespace ${namespace}`;
    throw new InvalidInputError(`${what}: name the values of the chart or a manifest with -f`);
  }
  if (others.length > 0)
    throw new InvalidInputError(`the namespace ${namespace} has several LfhSyncNodes: choose one with --node`);
  return { node };
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new InvalidInputError(`${file} cannot be read`, { cause });
  }
}

import { messageOf } from '../../common/errors.ts';
import { type ConfigMap, KINDS, type Secret, WORKLOADS, type Workload } from '../../operator/api/objects.ts';
import { KubeError } from '../../operator/cluster/errors.ts';
import { secretTexts } from '../../operator/cluster/formats.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { Texts } from '../../operator/plan/observed/observed.ts';
import type { WorkloadRef } from '../../operator/plan/observed/workload-ref.ts';
import type { Contents, Looked } from './judge/looked.ts';

/** Looks at things of a cluster; what one may not look at is told, and never taken for what is not there. */

export async function lookAt<Value>(asking: Promise<Value | undefined>): Promise<Looked<Value>> {
  try {
    return { value: await asking };
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    return { why: error.isMissingRight ? 'you have no right to read it' : messageOf(error) };
  }
}

/** undefined where it is not there, or its kind is not served. @throws any other KubeError */
export async function unlessMissing<Value>(asking: Promise<Value>): Promise<Value | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof KubeError && error.isNotFound) return undefined;
    throw error;
  }
}

export async function lookAtWorkload(
  api: KubeClient,
  namespace: string,
  ref: WorkloadRef | undefined,
): Promise<Looked<Workload>> {
  if (!ref) return { value: undefined };
  return lookAt(api.get<Workload>(WORKLOADS[ref.kind], namespace, ref.name));
}

/** The names of ConfigMaps and Secrets. */
export interface Names {
  readonly configMaps: readonly string[];
  readonly secrets: readonly string[];
}

/** Reads ConfigMaps and Secrets, each once. What was not named is told as not looked at. */
export async function readContents(api: KubeClient, namespace: string, names: Names): Promise<Contents> {
  const configMaps = await each(
    names.configMaps,
    async (name) => (await api.get<ConfigMap>(KINDS.configMap, namespace, name))?.data,
  );
  const secrets = await each(names.secrets, async (name) =>
    secretTexts(await api.get<Secret>(KINDS.secret, namespace, name)),
  );
  return {
    configMap: (name) => configMaps.get(name) ?? NOT_READ,
    secret: (name) => secrets.get(name) ?? NOT_READ,
  };
}

const NOT_READ: Looked<Texts> = { why: 'it was not read' };

async function each(
  names: readonly string[],
  read: (name: string) => Promise<Texts | undefined>,
): Promise<Map<string, Looked<Texts>>> {
  const once = [...new Set(names)];
  return new Map(await Promise.all(once.map(async (name) => [name, await lookAt(read(name))] as const)));
}

/** What the API server says of itself, and its clock. @throws KubeError where it does not answer */
export async function askVersion(api: KubeClient): Promise<{ readonly version: string; readonly at: number }> {
  const { text, at } = await api.text('/version');
  const { gitVersion = '' } = JSON.parse(text) as { gitVersion?: string };
  return { version: gitVersion, at };
}

import { InvalidInputError, messageOf } from '../../common/errors.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { CannotAskError } from './errors.ts';

/** The cluster that a command asks, and the namespace that is meant there. */
export interface Cluster {
  readonly api: KubeClient;
  readonly namespace: string;
}

export interface ClusterOptions {
  readonly namespace: string | undefined;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
}

/**
 * Finds the cluster as kubectl does. Nothing is asked yet.
 *
 * @param dryRun whether everything that is written is only judged by the API server
 * @throws CannotAskError where there is none
 */
export async function findCluster(
  { namespace, context, kubeconfig }: ClusterOptions,
  env: NodeJS.ProcessEnv,
  dryRun = false,
): Promise<Cluster> {
  // The library takes longer to load than everything else, and most commands can say what is wrong without it.
  const [{ KubeClient }, { loadPersonsKubeConfig }] = await Promise.all([
    import('../../operator/kube/client.ts'),
    import('../../operator/kube/config.ts'),
  ]);
  try {
    const config = loadPersonsKubeConfig(env, { file: kubeconfig, context });
    return {
      api: new KubeClient(config.kubeConfig, undefined, true, dryRun),
      namespace: namespace ?? config.namespace,
    };
  } catch (error) {
    if (error instanceof InvalidInputError) throw new CannotAskError(messageOf(error), { cause: error });
    throw error;
  }
}

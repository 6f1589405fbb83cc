import { existsSync } from 'node:fs';
import { findHomeDir, KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { InvalidInputError, messageOf } from '../../common/errors.ts';

/**
 * Reads where the API server is and how to sign in there: from the file that KUBECONFIG names where that is set, else
 * from the pod's service account.
 *
 * @throws InvalidInputError where there is neither
 */
export function loadKubeConfig(env: NodeJS.ProcessEnv): KubeConfig {
  const config = new KubeConfig();
  const { KUBECONFIG, KUBERNETES_SERVICE_HOST } = env;
  if (KUBECONFIG !== undefined) {
    config.loadFromFile(KUBECONFIG);
    return config;
  }
  if (KUBERNETES_SERVICE_HOST === undefined) {
    throw new InvalidInputError('not in a pod, and KUBECONFIG is not set: there is no API server to talk to');
  }
  config.loadFromCluster();
  return config;
}

/** What a person says of the cluster that is meant, as with kubectl's options of these names. */
export interface PersonsChoice {
  readonly file: string | undefined;
  readonly context: string | undefined;
}

/**
 * Finds the cluster that a person means, as kubectl does: in the file that is named, in those of KUBECONFIG, in `~/.kube/config`, and
 * in a pod by its service account.
 *
 * @returns also the namespace of the context, or of the pod
 * @throws InvalidInputError where there is no cluster, no such context, or a file that cannot be read
 */
export function loadPersonsKubeConfig(
  env: NodeJS.ProcessEnv,
  { file, context }: PersonsChoice,
): { readonly kubeConfig: KubeConfig; readonly namespace: string } {
  const kubeConfig = new KubeConfig();
  try {
    if (file !== undefined) kubeConfig.loadFromFile(file);
    else if (hasKubeconfig(env)) kubeConfig.loadFromDefault();
    else if (env.KUBERNETES_SERVICE_HOST !== undefined) kubeConfig.loadFromCluster();
    else throw new InvalidInputError('there is no kubeconfig: name one in KUBECONFIG or with --kubeconfig');
  } catch (error) {
    if (error instanceof InvalidInputError) throw error;
    throw new InvalidInputError(`the kubeconfig cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (context !== undefined) chooseContext(kubeConfig, context);
  if (!kubeConfig.getCurrentCluster()) {
    throw new InvalidInputError('the kubeconfig has no current context: choose one with --context');
  }
  const { namespace = '' } = kubeConfig.getContextObject(kubeConfig.getCurrentContext()) ?? {};
  return { kubeConfig, namespace: namespace || 'default' };
}

function chooseContext(kubeConfig: KubeConfig, context: string): void {
  if (!kubeConfig.getContextObject(context)) {
    const names = kubeConfig.getContexts().map(({ name }) => name);
    throw new InvalidInputError(`the kubeconfig has no context ${context}; it has ${names.join(', ') || 'none'}`);
  }
  kubeConfig.setCurrentContext(context);
}

function hasKubeconfig({ KUBECONFIG = '' }: NodeJS.ProcessEnv): boolean {
  const home = findHomeDir();
  return KUBECONFIG !== '' || (home !== null && existsSync(`${home}/.kube/config`));
}

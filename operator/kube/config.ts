import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { InvalidInputError } from '../../common/errors.ts';

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

import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { InvalidInputError } from '../../common/errors.ts';

/**
 * Where the API server is, and as whom: KUBECONFIG where that is set, else the pod's service account.
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

import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { GROUP, KINDS, type KubeObject, mountsConfigMap, WORKLOADS, type Workload } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import type { ConfigRollout } from '../plan/nats/config-rollout.ts';
import { workloadText } from '../plan/observed/workload-ref.ts';

/**
 * Annotation with the hash of what was rolled out last: on the pod template with `Restart`, on each pod with
 * `NudgeKubelet`.
 */
const ROLLOUT = `${GROUP}/config`;

/**
 * Makes a workload's pods take up what was written for them. That they did is seen later, by signing in to NATS and
 * asking the sidecars.
 *
 * @returns whether there is such a workload, which mounts what it should; undefined where the API server refused
 *   something or did not answer. That is only logged: the pods take everything up all the same, but later.
 */
export async function rolloutConfig(
  api: Cluster,
  namespace: string,
  rollout: ConfigRollout,
  log: Logger,
): Promise<boolean | undefined> {
  try {
    return await rollOut(api, namespace, rollout, log);
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    const workload = workloadText(rollout.workload);
    log.warn(
      { workload, namespace, problem: messageOf(error) },
      'cannot make its pods take up the new configuration now',
    );
    return undefined;
  }
}

async function rollOut(api: Cluster, namespace: string, rollout: ConfigRollout, log: Logger): Promise<boolean> {
  const { workload: ref, hash, how, mounting } = rollout;
  const kind = WORKLOADS[ref.kind];
  const workload = await api.get<Workload>(kind, namespace, ref.name);
  if (!workload || (mounting !== undefined && !mountsConfigMap(workload.spec.template.spec.volumes ?? [], mounting)))
    return false;
  if (how === 'NudgeKubelet') await nudgePods(api, workload, hash, log);
  else if (workload.spec.template.metadata?.annotations?.[ROLLOUT] !== hash) {
    const { apiVersion, kind: name, metadata } = workload;
    const template = { metadata: { annotations: { [ROLLOUT]: hash } } };
    await api.apply({ apiVersion, kind: name, metadata: identityOf(metadata), spec: { template } });
    log.info({ workload: workloadText(ref), namespace }, 'restarting, so that it reads its configuration');
  }
  return true;
}

/** A pod that is replaced meanwhile does not matter: the kubelet of the new one reads the newest content anyway. */
async function nudgePods(api: Cluster, workload: Workload, hash: string, log: Logger): Promise<void> {
  const { namespace } = workload.metadata;
  const { matchLabels = {} } = workload.spec.selector;
  const selector = Object.entries(matchLabels).map(([label, value]) => `${label}=${value}`);
  // An empty selector would select every pod of the namespace.
  if (selector.length === 0) return;
  const { items } = await api.list<KubeObject>(KINDS.pod, namespace, selector.join(','));
  for (const { metadata } of items) {
    if (metadata.deletionTimestamp !== undefined || metadata.annotations?.[ROLLOUT] === hash) continue;
    const { apiVersion, kind } = KINDS.pod;
    const pod = { apiVersion, kind, metadata: { ...identityOf(metadata), annotations: { [ROLLOUT]: hash } } };
    try {
      await api.apply(pod);
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      log.debug(
        { pod: metadata.name, problem: messageOf(error) },
        'a pod was not annotated; was it deleted meanwhile?',
      );
    }
  }
}

/** With the uid, so that an apply never creates an object that was deleted meanwhile. */
function identityOf({ name, namespace = '', uid = '' }: KubeObject['metadata']): KubeObject['metadata'] {
  return { name, namespace, uid };
}

import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { GROUP, KINDS, type KubeObject, mountsConfigMap, type Workload } from '../api/objects.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import type { ConfigRollout } from '../plan/nats/config-rollout.ts';

/** Kinds of workloads that a spec may name. */
export const WORKLOADS = {
  DaemonSet: KINDS.daemonSet,
  Deployment: KINDS.deployment,
  StatefulSet: KINDS.statefulSet,
} as const;

/** On a pod template with `Restart`, on each pod with `NudgeKubelet`: what was written for it last. */
const ROLLOUT = `${GROUP}/config`;

/**
 * Sees to it that a workload's pods take up what was written for them.
 *
 * @returns false where there is no such workload, or not one that mounts what it should
 * @throws KubeError
 */
export async function rolloutConfig(
  api: KubeClient,
  namespace: string,
  rollout: ConfigRollout,
  log: Logger,
): Promise<boolean> {
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
    log.info({ workload: `${ref.kind}/${ref.name}`, namespace }, 'restarting, so that it reads its configuration');
  }
  return true;
}

/** One after the other ends is no matter: the kubelet of a new pod reads what is newest anyway. */
async function nudgePods(api: KubeClient, workload: Workload, hash: string, log: Logger): Promise<void> {
  const { namespace } = workload.metadata;
  const { matchLabels = {} } = workload.spec.selector;
  const selector = Object.entries(matchLabels).map(([label, value]) => `${label}=${value}`);
  // An empty selector would be every pod there is.
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
      log.debug({ pod: metadata.name, problem: messageOf(error) }, 'a pod was not annotated: it went meanwhile?');
    }
  }
}

/** With its uid, so that an apply never makes what is gone. */
function identityOf({ name, namespace = '', uid = '' }: KubeObject['metadata']): KubeObject['metadata'] {
  return { name, namespace, uid };
}

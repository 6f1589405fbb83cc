import type { Logger } from '../../common/log.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { splitKey } from '../cluster/formats.ts';
import { cachingCertificateReader } from '../plan/observed/certificate.ts';
import { NO_REFERENCES } from '../plan/observed/observed.ts';
import { type Plan, planNode } from '../plan/plan.ts';
import { KeyDerivation, reconcileKey } from './key.ts';
import { emptyMemory } from './memory.ts';
import { observedFrom, takeSnapshot } from './snapshot.ts';
import type { Watched } from './watches.ts';

/** nats-server needs two reloads for new accounts (ADR 5), and what it runs in the end is wanted. */
const MOST_PHASES = 3;

/**
 * Plans a node as a reconcile does, and does nothing else: no ConfigMap is written, no server is asked, and no workload is looked at. A
 * key that is missing is made, so give it a cluster that keeps nothing.
 *
 * @param nodeKey `namespace/name`
 * @returns what would be written in the end; undefined where there is no such node
 * @throws KubeError
 */
export async function previewNode(
  cluster: Cluster,
  watched: Watched,
  nodeKey: string,
  log: Logger,
): Promise<Plan | undefined> {
  const { namespace, name } = splitKey(nodeKey);
  const snapshot = await takeSnapshot(watched, namespace, name, () => Promise.resolve({ environment: NO_REFERENCES }));
  if (!snapshot) return undefined;
  const now = Date.now();
  const key = await reconcileKey(cluster, snapshot, log, now);
  const derived = new KeyDerivation().from(key);
  const certificates = cachingCertificateReader();
  let { configMaps } = snapshot;
  let memory = emptyMemory(now);
  for (let phase = 1; ; phase += 1) {
    const observed = observedFrom(snapshot, key.observed, configMaps, memory, certificates);
    const plan = planNode(observed, key.publicKeys, derived, now);
    if (plan.files?.phase !== 'first' || phase === MOST_PHASES) return plan;
    configMaps = new Map(plan.objects.map((object) => [object.metadata.name, object]));
    memory = { ...memory, liveHash: plan.files.hash };
  }
}

import { VERSION } from '../../common/version.ts';
import { KINDS, type KubeObject } from '../../operator/api/objects.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { nodeNameOf, type PeerObject, type StoredNode } from '../../operator/plan/observed/observed.ts';
import { workloadRef } from '../../operator/plan/observed/workload-ref.ts';
import { afterFindings } from './judge/after.ts';
import type { Finding } from './judge/finding.ts';
import type { Looked } from './judge/looked.ts';
import type { LeaseSeen } from './judge/operator.ts';
import { watchLease } from './lease.ts';
import { askVersion, lookAt, lookAtWorkload, unlessMissing } from './looking.ts';

export interface AfterOptions {
  readonly namespace: string;
  /** Only this LfhSyncNode, and its peers. */
  readonly node: string | undefined;
  /** The operator's own namespace; absent: it is looked for. */
  readonly operatorNamespace: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * `lfh-sync check`: looks at what the operator says of its nodes and peers, and at the operator itself. It reads no Secret.
 *
 * @throws KubeError where the API server does not answer, or does not let one read the nodes
 */
export async function checkAfter(api: KubeClient, options: AfterOptions): Promise<Finding[]> {
  const { namespace, node: only } = options;
  const { at } = await askVersion(api);
  const ahead = Date.now() - at;
  const all = await unlessMissing(api.list<StoredNode>(KINDS.node, namespace));
  const nodes = all?.items.filter(({ metadata }) => only === undefined || metadata.name === only);
  const peers = (await unlessMissing(api.list<PeerObject>(KINDS.peer, namespace)))?.items ?? [];
  const lease = await watchLease(api, namespace, options.operatorNamespace, options.signal);
  const ref = nodes?.[0]?.spec.connect?.workloadRef;
  const operator = {
    lease,
    ahead,
    image: await operatorImage(api, lease),
    connect: ref && (await lookAtWorkload(api, namespace, workloadRef(ref, 'Deployment'))),
    version: VERSION,
  };
  const theirs = peers.filter((peer) => only === undefined || nodeNameOf(peer) === only);
  return afterFindings({ operator, namespace, nodes, peers: theirs, now: at });
}

interface Pod extends KubeObject {
  readonly spec: { readonly containers: readonly { readonly image?: string }[] };
}

/** An operator calls itself in the Lease by the name of its pod. */
async function operatorImage(api: KubeClient, lease: Looked<LeaseSeen>): Promise<Looked<string>> {
  const seen = lease.why === undefined ? lease.value : undefined;
  const holder = seen?.lease.spec?.holderIdentity ?? '';
  if (!seen || holder === '') return { value: undefined };
  return lookAt(api.get<Pod>(KINDS.pod, seen.namespace, holder).then((pod) => pod?.spec.containers[0]?.image));
}

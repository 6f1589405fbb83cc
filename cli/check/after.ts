import { sleep } from '../../common/backoff.ts';
import { VERSION } from '../../common/version.ts';
import { KINDS, type KubeObject, type Lease, pathOf } from '../../operator/api/objects.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { nodeNameOf, type PeerObject, type StoredNode } from '../../operator/plan/observed/observed.ts';
import { workloadRef } from '../../operator/plan/observed/workload-ref.ts';
import { afterFindings } from './judge/after.ts';
import type { Finding } from './judge/finding.ts';
import type { Looked } from './judge/looked.ts';
import type { LeaseSeen } from './judge/operator.ts';
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
  const lease = await watchLease(api, options);
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

const LEASE = 'lfh-sync-operator';
/** After this time without a renewal another operator may lead; client-go's default. */
const LEASE_MS = 15_000;
const LOOK_MS = 500;

/** Looks at the Lease until it changes, or has run out. */
async function watchLease(
  api: KubeClient,
  { namespace, operatorNamespace, signal }: AfterOptions,
): Promise<Looked<LeaseSeen>> {
  const where = operatorNamespace === undefined ? await leaseNamespace(api, namespace) : { value: operatorNamespace };
  if (where.why !== undefined) return where;
  const { value: found } = where;
  if (found === undefined) return { value: undefined };
  return lookAt(untilChanged(api, found, signal));
}

async function untilChanged(api: KubeClient, namespace: string, signal: AbortSignal): Promise<LeaseSeen | undefined> {
  const deadline = performance.now() + LEASE_MS;
  const first = await getLease(api, namespace);
  let seen = first;
  while (seen && isHeld(seen) && !signal.aborted && performance.now() < deadline) {
    if (versionOf(seen) !== versionOf(first)) return { ...seen, namespace, changed: true };
    await sleep(LOOK_MS, signal);
    seen = await getLease(api, namespace);
  }
  return seen && { ...seen, namespace, changed: false };
}

/** A Lease, with the API server's clock when it answered. */
type TimedLease = Pick<LeaseSeen, 'lease' | 'at'>;

function getLease(api: KubeClient, namespace: string): Promise<TimedLease | undefined> {
  const asking = api.text(pathOf(KINDS.lease, namespace, LEASE));
  return unlessMissing(asking.then(({ text, at }) => ({ lease: JSON.parse(text) as Lease, at })));
}

function isHeld({ lease }: TimedLease): boolean {
  return (lease.spec?.holderIdentity ?? '') !== '';
}

function versionOf(seen: TimedLease | undefined): string | undefined {
  return seen?.lease.metadata.resourceVersion;
}

/** The namespace of the operator: that of the node, or else any in which there is such a Lease. */
async function leaseNamespace(api: KubeClient, namespace: string): Promise<Looked<string>> {
  const here = await lookAt(api.get<Lease>(KINDS.lease, namespace, LEASE));
  if (here.why === undefined && here.value) return { value: namespace };
  const all = await lookAt(leasesOf(api));
  if (all.why !== undefined) {
    return {
      why: `there is none in the namespace ${namespace}, and elsewhere you may not look: name its namespace with --operator-namespace`,
    };
  }
  const renewed = ({ spec }: Lease): string => spec?.renewTime ?? '';
  const newest = [...(all.value ?? [])].sort((a, b) => (renewed(a) < renewed(b) ? 1 : -1))[0];
  return { value: newest?.metadata.namespace };
}

async function leasesOf(api: KubeClient): Promise<Lease[]> {
  const found: Lease[] = [];
  const selection = { fieldSelector: `metadata.name=${LEASE}` };
  for await (const { items } of api.pages<Lease>(KINDS.lease, undefined, selection)) found.push(...items);
  return found;
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

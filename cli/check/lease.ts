import { sleep } from '../../common/backoff.ts';
import { KINDS, type Lease, pathOf } from '../../operator/api/objects.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { Looked } from './judge/looked.ts';
import type { LeaseSeen } from './judge/operator.ts';
import { lookAt, unlessMissing } from './looking.ts';

/** The Lease of the operator: where it is, and whether it is renewed. */

const LEASE = 'lfh-sync-operator';
/** After this time without a renewal another operator may lead; client-go's default. */
const LEASE_MS = 15_000;
const LOOK_MS = 500;

/**
 * Looks at the Lease until it changes, or has run out.
 *
 * @param operatorNamespace undefined where it has to be looked for
 */
export async function watchLease(
  api: KubeClient,
  namespace: string,
  operatorNamespace: string | undefined,
  signal: AbortSignal,
): Promise<Looked<LeaseSeen>> {
  const where = await leaseNamespace(api, namespace, operatorNamespace);
  if (where.why !== undefined) return where;
  const { value: found } = where;
  return found === undefined ? { value: undefined } : lookAt(untilChanged(api, found, signal));
}

/** The Lease as it is; see {@link watchLease}. */
export async function operatorLease(
  api: KubeClient,
  namespace: string,
  operatorNamespace: string | undefined,
): Promise<Looked<Lease>> {
  const where = await leaseNamespace(api, namespace, operatorNamespace);
  if (where.why !== undefined) return where;
  const { value: found } = where;
  return found === undefined ? { value: undefined } : lookAt(api.get<Lease>(KINDS.lease, found, LEASE));
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

/** The namespace of the operator: that which is said, or that of the node, or else any in which there is such a Lease. */
async function leaseNamespace(api: KubeClient, namespace: string, said: string | undefined): Promise<Looked<string>> {
  if (said !== undefined) return { value: said };
  const here = await lookAt(api.get<Lease>(KINDS.lease, namespace, LEASE));
  if (here.why === undefined && here.value) return { value: namespace };
  const all = await lookAt(leasesOf(api));
  if (all.why !== undefined) {
    const inHere = here.why === undefined ? 'it is not' : 'you may not look';
    return {
      why: `in the namespace ${namespace} ${inHere}, and elsewhere you may not look: name its namespace with --operator-namespace`,
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

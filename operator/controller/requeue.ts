import type { DataPlane } from '../plan/observed/observed.ts';
import { allLive, servingServers } from '../plan/observed/servers.ts';
import type { Plan } from '../plan/plan.ts';
import type { Statuses } from '../plan/status/status.ts';
import type { NodeMemory } from './memory.ts';

/** When a node is reconciled next, where nothing in the cluster changes before. Pure: the time is given. */

/** Until the next reconcile while something is on its way, such as a sidecar that starts. */
const SOON_MS = 2_000;
/** Until the next one otherwise: nothing in the data plane notifies us by itself. */
const HEARTBEAT_MS = 10_000;
/** What is on its way arrives within this time after the last change, or not by itself. */
const ACTIVE_MS = 120_000;
/** A nats-server reloads within moments, and a peer is let in after two reloads. */
const RELOAD_MS = 200;
/** A reload that has not come yet is looked for again after this part of the time that was waited already. */
const WAITED_PART = 1 / 4;

/**
 * Soon while something is on its way, or was changed lately; what a new sidecar reports first would else be seen late.
 *
 * While a reload is awaited, sooner at first: a server mostly reloads at once, and where the kubelet is late with its files, looking
 * more often would only fill its log with canaries that it refuses. They are some 15 refusals more for each change.
 *
 * @param now in milliseconds since 1970
 * @returns in milliseconds
 */
export function requeueAfterMs(
  statuses: Statuses,
  plan: Plan,
  dataPlane: DataPlane,
  { activeAt, writtenAt }: Pick<NodeMemory, 'activeAt' | 'writtenAt'>,
  now: number,
): number {
  if (isSettled(statuses, plan, dataPlane) || now - activeAt >= ACTIVE_MS) return HEARTBEAT_MS;
  if (isFirstLive(plan, dataPlane)) return 0;
  if (!awaitsReload(plan, dataPlane)) return SOON_MS;
  return Math.min(SOON_MS, Math.max(RELOAD_MS, (now - writtenAt) * WAITED_PART));
}

/** Whether every server that is waited for has taken up the first of two texts, so that the second is to be written. */
function isFirstLive({ files }: Plan, { nats }: DataPlane): boolean {
  return files?.phase === 'first' && allLive(servingServers(nats?.servers ?? []));
}

/** Whether a server that is waited for has not taken up what was written for it. */
function awaitsReload({ files }: Plan, { nats }: DataPlane): boolean {
  return files !== undefined && servingServers(nats?.servers ?? []).some(({ outcome }) => outcome === 'ConfigNotLive');
}

/** Whether nothing is on its way, neither at the node nor at one of its peers. */
function isSettled({ node, peers }: Statuses, { files }: Plan, { nats }: DataPlane): boolean {
  const isReady = ({ conditions = [] }: Pick<Statuses['node'], 'conditions'>): boolean =>
    conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  return [node, ...peers].every(isReady) && files?.phase === 'final' && nats !== undefined;
}

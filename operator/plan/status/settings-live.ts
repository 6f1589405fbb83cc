import { settingsDigest } from '../../../common/contract/settings-digest.ts';
import { SETTINGS_MAC } from '../../../common/contract/settings-mac.ts';
import type { PeerStatus, SidecarStatus } from '../../../common/contract/status.ts';
import type { PlannedPeer } from '../peers/peers.ts';
import type { Plan } from '../plan.ts';
import { MOUNTED_AFTER_MS } from './verdict.ts';

/**
 * Whether the sidecars run with what was written for them. Having written it does not show that: a kubelet can be down, or stay with
 * a ConfigMap that was immutable. So each sidecar reports digests of what it has in force (ADR 37).
 *
 * A sidecar of an older version reports none. It is judged by everything else that it says, as it was before: otherwise no peer
 * would be ready from an update of the operator until the last pod has the new sidecar, which with `OnDelete` may be never.
 */

/** Whether a sidecar says that it runs with other settings of a peer than those that are planned. */
export function isStale({ digest: planned }: Pick<PlannedPeer, 'digest'>, { digest }: PeerStatus): boolean {
  return digest !== null && digest !== planned;
}

/** What a sidecar reports that runs with the settings that are planned; undefined where none can be written. */
export function plannedSettings({ objects }: Pick<Plan, 'objects'>): string | undefined {
  const [mac] = objects.flatMap(({ data }) => data?.[SETTINGS_MAC] ?? []);
  return mac === undefined ? undefined : settingsDigest(mac);
}

/**
 * Since when sidecars have been seen with settings that are not those that are planned, in milliseconds since 1970, by the digest of
 * the settings. A sidecar that follows one change after another never stays with the same ones, so it is never late.
 */
export type StaleSettings = ReadonlyMap<string, number>;

/** @param sidecars undefined where they could not be asked, which changes nothing */
export function advanceStale(
  before: StaleSettings,
  plan: Pick<Plan, 'objects'>,
  sidecars: readonly SidecarStatus[] | undefined,
  now: number,
): StaleSettings {
  const planned = plannedSettings(plan);
  if (!sidecars || planned === undefined) return before;
  const others = sidecars.flatMap(({ settings: { digest } }) =>
    digest === null || digest === planned ? [] : [digest],
  );
  return new Map(others.map((digest) => [digest, before.get(digest) ?? now]));
}

/** Whether what is not live since then should have become so by itself. */
export function isLate(staleSince: number | undefined, now: number): boolean {
  return staleSince !== undefined && now - staleSince > MOUNTED_AFTER_MS;
}

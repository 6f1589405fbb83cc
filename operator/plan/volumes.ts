import type { Volume } from '../kube/objects.ts';

/** Whether a ConfigMap is in one of these volumes. */
export function holds(volumes: readonly Volume[], configMap: string): boolean {
  return volumes.some((volume) =>
    [volume, ...(volume.projected?.sources ?? [])].some((source) => source.configMap?.name === configMap),
  );
}

import assert from 'node:assert/strict';
import { KINDS, type Kind } from '../../../operator/api/objects.ts';
import type { VolumeSource } from '../processes/kubelet-stand-in.ts';

/** What the containers of a workload are given by its pod template, for tests that run in place of its pods. */

export interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
  readonly hostPath?: { readonly path: string };
  readonly projected?: { readonly sources: readonly ProjectedSource[] };
}

interface ProjectedSource {
  readonly configMap?: { readonly name: string; readonly optional?: boolean };
  readonly secret?: {
    readonly name: string;
    readonly optional?: boolean;
    readonly items?: readonly { readonly key: string; readonly path: string }[];
  };
}

export interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly subPath?: string }[];
}

/** What a workload's pods are made from. */
export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes: readonly Volume[];
}

/** @throws where there is none of that name */
export function containerNamed(containers: readonly Container[], name: string): Container {
  const found = containers.find((container) => container.name === name);
  assert.ok(found, `there is no container ${name}`);
  return found;
}

/** A source of a projected volume, as the stand-in for the kubelet takes it. */
export function sourceOf({ configMap, secret }: ProjectedSource): VolumeSource {
  if (configMap) return { configMap: configMap.name, optional: configMap.optional ?? false };
  const { name = '', items = [], optional = false } = secret ?? {};
  return { secret: name, items, optional };
}

/** Where a container finds what is at a path: the entry of a ConfigMap or of a Secret. @throws where none is mounted there */
export function entryAt(
  { volumes }: PodSpec,
  { volumeMounts = [] }: Container,
  path: string,
): { readonly kind: Kind; readonly name: string; readonly entry: string } {
  const mount = volumeMounts.find(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
  const entry = (mount?.subPath ?? path.slice((mount?.mountPath.length ?? 0) + 1)).replace(/^\.\//, '');
  const { configMap, secret } = volumes.find(({ name }) => name === mount?.name) ?? {};
  if (configMap) return { kind: KINDS.configMap, name: configMap.name, entry };
  assert.ok(secret, `neither a ConfigMap nor a Secret is mounted at ${path}`);
  return { kind: KINDS.secret, name: secret.secretName, entry };
}

import type { KubeObject, Secret } from '../api/objects.ts';

/** Texts as Kubernetes and its tools write them. */

/** The key of an object within its kind, `namespace/name`, as work queues and caches use it. */
export function objectKey({ metadata: { namespace = '', name } }: KubeObject): string {
  return keyOf(namespace, name);
}

/** `namespace/name` */
export function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** Takes `namespace/name` apart. Neither part can have a slash in it. */
export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}

/** The time as a MicroTime field of the API has it: with microseconds, of which a Date knows the first three digits. */
export function microTime(time = new Date()): string {
  return time.toISOString().replace('Z', '000Z');
}

/** The entries of a Secret as texts, by their keys; undefined for one that is not there. */
export function secretTexts(secret: Secret | undefined): Readonly<Record<string, string>> | undefined {
  if (!secret) return undefined;
  const entries = Object.entries(secret.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

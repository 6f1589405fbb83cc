import { parseServerUrl } from '../../../common/server-url.ts';
import type { EndpointSlice, Service } from '../../api/objects.ts';

/** Where one nats-server listens. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * Host and port of a server's URL, written in one way only: DNS knows neither upper case nor the dot at the end.
 *
 * @returns undefined where it is none. The API server lets through what no URL can be, such as a port of 99999, and one such
 *   node must not stop the others.
 */
export function listensAt(server: string): { readonly host: string; readonly port: number } | undefined {
  const address = parseServerUrl(server);
  return address && { host: address.host.toLowerCase().replace(/\.$/, ''), port: address.port };
}

/**
 * The Service of a namespace that a server's URL names: `name`, `name.namespace` or `name.namespace.svc…`.
 *
 * @returns undefined for an address, for a pod's own name, and for anything outside of the namespace: nothing may be read there
 */
export function serviceNamed(server: string, namespace: string): string | undefined {
  const [name = '', where = namespace, kind = 'svc'] = listensAt(server)?.host.split('.') ?? [];
  return /^[a-z0-9-]+$/.test(name) && where === namespace && kind === 'svc' ? name : undefined;
}

/**
 * Every pod behind a Service, where DNS may tell one address for all of them: a server that was not asked is a server
 * of which nothing is known. Those that are not ready are left out: they read their configuration when they start.
 *
 * @param port as clients know it
 * @returns undefined where this is no Service, or it has no endpoints that Kubernetes knows of
 */
export function endpointsBehind(
  service: Service | undefined,
  slices: readonly EndpointSlice[],
  port: number,
): readonly Endpoint[] | undefined {
  const servicePort = service?.spec?.ports?.find((each) => each.port === port);
  if (!servicePort) return undefined;
  const found = slices.flatMap((slice) => {
    const { port: target } = slice.ports?.find(({ name = '' }) => (name ?? '') === (servicePort.name ?? '')) ?? {};
    if (target === undefined) return [];
    const ready = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    return ready.flatMap(({ addresses }) => addresses.map((address) => ({ address, port: target })));
  });
  const once = new Map(found.map((endpoint) => [`${endpoint.address} ${endpoint.port}`, endpoint]));
  return once.size === 0 ? undefined : [...once.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

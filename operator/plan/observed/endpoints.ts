import { parseServerUrl } from '../../../common/server-url.ts';
import type { EndpointSlice, Service } from '../../api/objects.ts';

/** Where one nats-server listens. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * Host and port of a server's URL, always written in the same way: DNS ignores upper case and a dot at the end.
 *
 * @returns undefined where the text is not such a URL. The API server lets some of these through, such as a port of 99999, and
 *   one such node must not stop the others.
 */
export function listensAt(server: string): { readonly host: string; readonly port: number } | undefined {
  const address = parseServerUrl(server);
  return address && { host: address.host.toLowerCase().replace(/\.$/, ''), port: address.port };
}

/**
 * The Service of a namespace that a server's URL names: `name`, `name.namespace` or `name.namespace.svc…`.
 *
 * @returns undefined for an address, for a pod's own name, and for anything outside of the namespace, where nothing may be read
 */
export function serviceNamed(server: string, namespace: string): string | undefined {
  const [name = '', where = namespace, kind = 'svc'] = listensAt(server)?.host.split('.') ?? [];
  return /^[a-z0-9-]+$/.test(name) && where === namespace && kind === 'svc' ? name : undefined;
}

/**
 * The slices of the Service's first IP family. With both families each pod is in a slice of each, and one pod must not count as
 * two servers: a nats-server may listen at its address of one family only. Clients come by the first family, too.
 */
function ofOneFamily({ spec }: Service, slices: readonly EndpointSlice[]): readonly EndpointSlice[] {
  const families = [...(spec?.ipFamilies ?? []), 'IPv4', 'IPv6'];
  const bySlices = families.map((family) => slices.filter(({ addressType }) => addressType === family));
  return bySlices.find((found) => found.some(({ endpoints }) => endpoints?.length)) ?? [];
}

/**
 * Every ready pod behind a Service, at one address. DNS may give one address for all of them, and each server must be asked by itself. Pods that
 * are not ready are left out: they read their configuration when they start.
 *
 * @param port of the Service
 * @returns undefined where there is no such Service, it has no such port, or Kubernetes knows no endpoints of it
 */
export function endpointsBehind(
  service: Service | undefined,
  slices: readonly EndpointSlice[],
  port: number,
): readonly Endpoint[] | undefined {
  const servicePort = service?.spec?.ports?.find((each) => each.port === port);
  if (!service || !servicePort) return undefined;
  const found = ofOneFamily(service, slices).flatMap((slice) => {
    const { port: target } = slice.ports?.find(({ name = '' }) => (name ?? '') === (servicePort.name ?? '')) ?? {};
    if (target === undefined) return [];
    const ready = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    // What further addresses of an endpoint would mean is not defined.
    return ready.flatMap(({ addresses }) => addresses.slice(0, 1).map((address) => ({ address, port: target })));
  });
  const once = new Map(found.map((endpoint) => [`${endpoint.address} ${endpoint.port}`, endpoint]));
  return once.size === 0 ? undefined : [...once.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

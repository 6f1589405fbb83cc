import { hostAndPort, parseServerUrl } from '../../../common/server-url.ts';
import type { EndpointSlice, Service } from '../../api/objects.ts';

/** Where one nats-server listens. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /**
   * Set where Kubernetes calls its pod not ready. It may be starting, or have ended. It may also run on as it was, where its machine
   * has lost its kubelet: then it never gets a new configuration, and lets in whoever had access before.
   */
  readonly notReady?: true;
}

/** As reports name the server. */
export function serverAt({ address, port }: Endpoint): string {
  return hostAndPort({ host: address, port });
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
 * Every pod behind a Service, at one address. DNS may give one address for all of them, and each server must be asked by itself.
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
    return (slice.endpoints ?? []).flatMap(({ addresses, conditions }): Endpoint[] => {
      const state = conditions?.ready === false ? { notReady: true as const } : {};
      // What further addresses of an endpoint would mean is not defined.
      return addresses.slice(0, 1).map((address) => ({ address, port: target, ...state }));
    });
  });
  // While an endpoint moves to another slice it is in both. The one that is ready counts.
  const readyLast = found.sort((a, b) => Number(b.notReady ?? false) - Number(a.notReady ?? false));
  const once = new Map(readyLast.map((endpoint) => [`${endpoint.address} ${endpoint.port}`, endpoint]));
  return once.size === 0 ? undefined : [...once.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

/** Each attempt at a machine that is gone takes seconds, and the whole reconcile waits for it. */
const ASK_SILENT_AGAIN_MS = 60_000;
/** A Service has a few nats-servers. Whoever writes a slice with hundreds must not have us knock at all of them. */
const MOST_NOT_READY = 16;

/**
 * Those to ask now: all that are ready, and of the others those that answered the last time, or that were silent and were not asked
 * for a while; the ones that were asked longest ago come first.
 *
 * @param silentSince when each server that is not ready and did not answer was last asked, in milliseconds since 1970
 * @param now in milliseconds since 1970
 */
export function endpointsToAsk(
  endpoints: readonly Endpoint[],
  silentSince: ReadonlyMap<string, number>,
  now: number,
): ReadonlySet<Endpoint> {
  const askedAt = (endpoint: Endpoint): number => silentSince.get(serverAt(endpoint)) ?? 0;
  const others = endpoints
    .filter(({ notReady }) => notReady)
    // Absolute, because the clock may have been set back since.
    .filter((endpoint) => Math.abs(now - askedAt(endpoint)) >= ASK_SILENT_AGAIN_MS)
    .sort((a, b) => askedAt(a) - askedAt(b))
    .slice(0, MOST_NOT_READY);
  return new Set([...endpoints.filter(({ notReady }) => !notReady), ...others]);
}

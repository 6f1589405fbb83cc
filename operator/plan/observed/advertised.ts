import type { Service } from '../../api/objects.ts';
import type { StoredNode } from './observed.ts';
import { nodeSpec } from './spec.ts';

/** Where the peers of a node reach its NATS. */
export interface Advertised {
  /** As `tls://host:port`; none where the node advertises nothing, or a {@link problem} keeps it from knowing. */
  readonly servers: readonly string[];
  /** Why `spec.nats.advertiseFrom` gives no address. */
  readonly problem?: AddressProblem;
}

export interface AddressProblem {
  /** `AddressPending` ends by itself, when a load balancer gets its address; the other takes a person. */
  readonly reason: 'AddressPending' | 'AddressMissing';
  readonly message: string;
}

const FIELD = 'spec.nats.advertiseFrom';

/**
 * What `spec.nats.advertise` says, or the Service that `spec.nats.advertiseFrom` names: the address of its load balancer, its
 * external addresses, or its node port at the `host` that the spec names, since a Service does not say where the machines of a
 * cluster are reached.
 *
 * @param serviceOf reads a Service of the node's namespace
 */
export function advertisedBy(node: StoredNode, serviceOf: (name: string) => Service | undefined): Advertised {
  const from = node.spec.nats.advertiseFrom;
  if (!from) return { servers: nodeSpec(node).advertise };
  const { name, port: wanted } = from.serviceRef;
  const missing = (what: string): Advertised => problem('AddressMissing', what);
  const service = serviceOf(name);
  if (!service) return missing(`there is no Service ${name} in this namespace`);
  const ports = service.spec?.ports ?? [];
  const port = wanted === undefined && ports.length === 1 ? ports[0] : ports.find((each) => each.port === wanted);
  if (!port) {
    const has = ports.map((each) => each.port).join(', ');
    return missing(
      wanted === undefined
        ? `the Service ${name} has the ports ${has}: set serviceRef.port to that of NATS's clients`
        : `the Service ${name} has no port ${wanted}, but ${has || 'none'}`,
    );
  }
  const at = (hosts: readonly string[], number: number): Advertised => ({
    servers: hosts.map((host) => `tls://${host.includes(':') ? `[${host}]` : host}:${number}`),
  });
  const { host } = from;
  const { type = 'ClusterIP', externalIPs = [] } = service.spec ?? {};
  if (type === 'NodePort') {
    if (host === undefined) {
      return missing(
        `the Service ${name} is a NodePort: set host to the name or address at which a machine is reached`,
      );
    }
    return port.nodePort === undefined
      ? problem('AddressPending', `the Service ${name} has no node port yet`)
      : at([host], port.nodePort);
  }
  if (type === 'LoadBalancer') {
    const ingress = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ hostname, ip }) => hostname ?? ip ?? []);
    // Also where the host is known: before that, nobody is reached there.
    if (ingress.length === 0) {
      return problem('AddressPending', `the load balancer of the Service ${name} has no address yet`);
    }
    return at(host === undefined ? ingress : [host], port.port);
  }
  if (externalIPs.length > 0) return at(host === undefined ? externalIPs : [host], port.port);
  return missing(`the Service ${name} is a ${type}, which nobody outside of the cluster reaches`);
}

function problem(reason: AddressProblem['reason'], what: string): Advertised {
  return { servers: [], problem: { reason, message: `${FIELD}: ${what}; the invitation stays as it is` } };
}

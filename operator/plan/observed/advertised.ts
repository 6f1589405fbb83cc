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

type AdvertiseFrom = NonNullable<StoredNode['spec']['nats']['advertiseFrom']>;
type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number];

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
  const service = serviceOf(name);
  if (!service) return missing(`there is no Service ${name} in this namespace`);
  const ports = service.spec?.ports ?? [];
  const port = wanted === undefined && ports.length === 1 ? ports[0] : ports.find((each) => each.port === wanted);
  return port ? advertisedAt(port, service, from) : missing(whyNoPort(from, ports));
}

function whyNoPort({ serviceRef: { name, port } }: AdvertiseFrom, ports: readonly ServicePort[]): string {
  const has = ports.map((each) => each.port).join(', ') || 'none';
  return port === undefined
    ? `the Service ${name} has the ports ${has}: set serviceRef.port to that of NATS's clients`
    : `the Service ${name} has no port ${port}, but ${has}`;
}

function advertisedAt(port: ServicePort, { spec = {}, status }: Service, from: AdvertiseFrom): Advertised {
  const { name } = from.serviceRef;
  const { type = 'ClusterIP', externalIPs = [] } = spec;
  if (type === 'NodePort') return atNodePort(port, from);
  if (type === 'LoadBalancer') {
    const ingress = (status?.loadBalancer?.ingress ?? []).flatMap(({ hostname, ip }) => hostname ?? ip ?? []);
    // Also where the host is known: before that, nobody is reached there.
    if (ingress.length === 0) return pending(`the load balancer of the Service ${name} has no address yet`);
    return serversAt(from.host, ingress, port.port);
  }
  if (externalIPs.length > 0) return serversAt(from.host, externalIPs, port.port);
  return missing(`the Service ${name} is a ${type}, which nobody outside of the cluster reaches`);
}

function atNodePort({ nodePort }: ServicePort, { serviceRef: { name }, host }: AdvertiseFrom): Advertised {
  if (host === undefined) {
    return missing(`the Service ${name} is a NodePort: set host to the name or address at which a machine is reached`);
  }
  return nodePort === undefined ? pending(`the Service ${name} has no node port yet`) : serversAt(host, [], nodePort);
}

/** @param host stands for all the others, where there is one */
function serversAt(host: string | undefined, others: readonly string[], port: number): Advertised {
  const hosts = host === undefined ? others : [host];
  return { servers: hosts.map((each) => `tls://${each.includes(':') ? `[${each}]` : each}:${port}`) };
}

function missing(what: string): Advertised {
  return problem('AddressMissing', what);
}

function pending(what: string): Advertised {
  return problem('AddressPending', what);
}

function problem(reason: AddressProblem['reason'], what: string): Advertised {
  return {
    servers: [],
    problem: { reason, message: `spec.nats.advertiseFrom: ${what}; the invitation stays as it is` },
  };
}

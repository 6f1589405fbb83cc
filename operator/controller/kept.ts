import type { EndpointSlice, Metadata, Service } from '../api/objects.ts';
import type { PeerObject, StoredNode } from '../plan/observed/observed.ts';
import { SERVICE_LABEL } from './concerns.ts';

/**
 * What the operator keeps in memory of each object that it watches: no more than is used. Anyone who may write to a watched
 * namespace chooses how many objects there are and what is in the rest of them, such as 256 KiB of annotations, and one operator
 * works for all of these namespaces.
 */

export function keptNode({ apiVersion, kind, metadata, spec, status }: StoredNode): StoredNode {
  return { apiVersion, kind, metadata: identity(metadata), spec, ...(status && { status }) };
}

export function keptPeer({ apiVersion, kind, metadata, spec, status }: PeerObject): PeerObject {
  return { apiVersion, kind, metadata: identity(metadata), spec, ...(status && { status }) };
}

export function keptService({ apiVersion, kind, metadata, spec = {}, status }: Service): Service {
  const { type, externalIPs } = spec;
  const ports = (spec.ports ?? []).map(
    ({ name, port, nodePort }) => known({ name, port, nodePort }) as { port: number },
  );
  const ingress = status?.loadBalancer?.ingress
    ?.slice(0, MOST_BALANCERS)
    .map(({ ip, hostname }) => known({ ip, hostname }));
  return {
    apiVersion,
    kind,
    metadata: identity(metadata),
    spec: { ...known({ type, externalIPs: externalIPs?.slice(0, MOST_BALANCERS) }), ports },
    ...(ingress && { status: { loadBalancer: { ingress } } }),
  };
}

/** As many servers as an invitation may name. */
const MOST_BALANCERS = 16;

/** As many as Kubernetes itself puts into one slice. There are few nats-servers behind a Service. */
const MOST_ADDRESSES = 100;

/** One of no Service is kept without its endpoints, which nobody looks for. */
export function keptSlice(slice: EndpointSlice): EndpointSlice {
  const { apiVersion, kind, metadata } = slice;
  const service = metadata.labels?.[SERVICE_LABEL];
  if (service === undefined) return { apiVersion, kind, metadata: identity(metadata) };
  let room = MOST_ADDRESSES;
  const endpoints = (slice.endpoints ?? []).flatMap(({ addresses, conditions }) => {
    const kept = addresses.slice(0, room);
    room -= kept.length;
    const ready = conditions?.ready;
    return kept.length === 0 ? [] : [{ addresses: kept, ...(ready !== undefined && { conditions: { ready } }) }];
  });
  const ports = (slice.ports ?? []).map(({ name, port }) => ({
    ...(name !== undefined && { name }),
    ...(port !== undefined && { port }),
  }));
  return {
    apiVersion,
    kind,
    metadata: { ...identity(metadata), labels: { [SERVICE_LABEL]: service } },
    ports,
    endpoints,
  };
}

function identity(metadata: Metadata): Metadata {
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp } = metadata;
  return known({ name, namespace, uid, resourceVersion, generation, creationTimestamp, deletionTimestamp }) as Metadata;
}

/** The fields that are there. */
function known<Fields extends object>(fields: Fields): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
  const found = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(found) as { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };
}

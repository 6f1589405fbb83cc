import type { ObservedNats, ServerReport } from './observed.ts';

/** What the reports of a node's nats-servers come to together. */

/**
 * The servers that what is planned waits for: those that are ready, or, where none is, all that answer. Kubernetes leads no peer to
 * one that is not ready, and such a server may answer for hours with files that nobody renews, where its machine has lost its
 * kubelet. Waiting for it would keep every new peer out.
 */
export function servingServers(servers: readonly ServerReport[]): readonly ServerReport[] {
  const ready = servers.filter(({ notReady }) => !notReady);
  return ready.length > 0 ? ready : servers;
}

/** Whether each of these servers runs the configuration that they were asked about, and there is one. */
export function allLive(servers: readonly ServerReport[]): boolean {
  return servers.length > 0 && servers.every(({ outcome }) => outcome === 'Live');
}

/**
 * Whether no server is left that could run another configuration, so that access which is not in this one has ended. One that is not
 * ready counts as well, and so does one that does not answer, whatever Kubernetes says of its pod: whoever knows its address may still
 * be let in there.
 */
export function isLiveEverywhere({ servers, silent }: Pick<ObservedNats, 'servers' | 'silent'>): boolean {
  return silent.length === 0 && allLive(servers);
}

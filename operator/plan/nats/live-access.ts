import type { ObservedNats, Texts } from '../observed/observed.ts';
import { allLive, isLiveEverywhere, servingServers } from '../observed/servers.ts';
import { type Access, accessIn } from './files.ts';

/** Whom a node's nats-servers let in, as far as signing in there has shown it. */
export interface LiveAccess {
  /**
   * Whom every server was last seen to let in, also those that are not ready. Before that was seen it is who was let in by what was
   * written before the operator's start: what has become of it meanwhile nobody has seen, and no event must tell it as news.
   */
  readonly everywhere: Access;
  /** The same of the servers that peers are led to. One that is not ready for hours must not keep it as it was. */
  readonly serving: Access;
  /**
   * Whom some server may let in: whoever is in {@link everywhere}, or was let in by anything that was written since. undefined: since
   * the operator's start not every server was seen to run what is planned, so it may be anybody.
   */
  readonly possible: Access | undefined;
}

/**
 * What is known before a reconcile.
 *
 * @param known undefined before the first one after the operator's start
 * @param written the files as they were before the reconcile
 */
export function accessBefore(known: LiveAccess | undefined, written: Texts | undefined): LiveAccess {
  if (known) return known;
  const assumed = accessIn(written);
  return { everywhere: assumed, serving: assumed, possible: undefined };
}

/**
 * What is known after a reconcile.
 *
 * @param planned the files that the servers were asked about; undefined where none are planned
 * @param written the files as they were before the reconcile: a server may have taken them up since the one before
 */
export function advanceAccess(
  known: LiveAccess | undefined,
  planned: Texts | undefined,
  written: Texts | undefined,
  nats: ObservedNats | undefined,
): LiveAccess {
  const before = accessBefore(known, written);
  const possible = before.possible && union(before.possible, accessIn(written));
  if (!planned || !nats || !allLive(servingServers(nats.servers))) return { ...before, possible };
  const access = accessIn(planned);
  if (isLiveEverywhere(nats)) return { everywhere: access, serving: access, possible: access };
  return { ...before, serving: access, possible };
}

function union(one: Access, other: Access): Access {
  const keys = (account: string): ReadonlySet<string> =>
    new Set([...(one.get(account) ?? []), ...(other.get(account) ?? [])]);
  return new Map([...one.keys(), ...other.keys()].map((account) => [account, keys(account)]));
}

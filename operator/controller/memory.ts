import { hashOf } from '../plan/nats/files.ts';
import { advanceAccess, type LiveAccess } from '../plan/nats/live-access.ts';
import { type Accesses, advanceAccesses, leavesOut } from '../plan/nats/probes.ts';
import type { DataPlane, DurableAttempts, Texts } from '../plan/observed/observed.ts';
import { allLive, servingServers } from '../plan/observed/servers.ts';
import type { Plan } from '../plan/plan.ts';
import { advanceProgress, type Progresses } from '../plan/status/progress.ts';
import { advanceStale, type StaleSettings } from '../plan/status/settings-live.ts';

/**
 * What the operator remembers of a node from one reconcile to the next. Pure: the time is given, in milliseconds since
 * 1970.
 */

/**
 * A server that runs our configuration is tried with a stranger's key once in this time, since it logs each attempt as
 * an error.
 */
const STRANGER_MS = 60_000;

/** It begins empty with each start of the operator; nothing in it is a secret. */
export interface NodeMemory {
  /** The hash of the configuration that every server that answered was last seen to run, of those that peers are led to. */
  readonly liveHash: string | undefined;
  /** Whom the servers let in; undefined before the first reconcile. */
  readonly liveAccess: LiveAccess | undefined;
  /** Whether a peer has not been served for a while although that configuration lets it in. */
  readonly leavesOut: boolean;
  /** The hash of the configuration that was planned last. */
  readonly plannedHash: string | undefined;
  /** When that configuration was planned first. */
  readonly writtenAt: number;
  /**
   * The hash of what was last rolled out to each workload, by `kind/name`. It is undefined for a workload that the spec
   * names and that does not exist.
   */
  readonly rolledOut: RolledOut;
  /** How far each direction of each peer had got when it last moved. */
  readonly progress: Progresses;
  readonly staleSettings: StaleSettings;
  /** What was last seen of each peer's account. */
  readonly accesses: Accesses;
  /** When each server that runs our configuration was last seen to refuse a stranger's key. */
  readonly refusals: ReadonlyMap<string, number>;
  /** When each server that is not ready and did not answer was last asked. */
  readonly silentSince: ReadonlyMap<string, number>;
  /** The durables that JetStream does not have as they should be, though it was asked. */
  readonly durableAttempts: DurableAttempts;
  /** How many answers on the sidecars' subject could not be read, when they were last asked. */
  readonly unreadableAnswers: number;
  /** When something last changed: what the operator wrote, or a condition. */
  readonly activeAt: number;
}

/** See {@link NodeMemory.rolledOut}. */
export type RolledOut = ReadonlyMap<string, string | undefined>;

/** What a reconcile has found out. */
export interface Findings {
  readonly plan: Plan;
  /** The files for NATS as they were before this reconcile. */
  readonly written: Texts | undefined;
  readonly rolledOut: RolledOut;
  readonly dataPlane: DataPlane;
  /** undefined: the sidecars could not be asked. */
  readonly unreadableAnswers: number | undefined;
}

export function emptyMemory(now: number): NodeMemory {
  return {
    liveHash: undefined,
    liveAccess: undefined,
    leavesOut: false,
    plannedHash: undefined,
    writtenAt: now,
    rolledOut: new Map(),
    progress: new Map(),
    staleSettings: new Map(),
    accesses: new Map(),
    refusals: new Map(),
    silentSince: new Map(),
    durableAttempts: new Map(),
    unreadableAnswers: 0,
    activeAt: now,
  };
}

/** What is remembered after a reconcile. */
export function nextMemory(before: NodeMemory, findings: Findings, now: number): NodeMemory {
  const { plan, written, rolledOut, dataPlane, unreadableAnswers = before.unreadableAnswers } = findings;
  const plannedHash = plan.files?.hash;
  const liveHash = liveHashOf(plan, dataPlane) ?? before.liveHash;
  const writtenAt = plannedHash === before.plannedHash ? before.writtenAt : now;
  const accesses = advanceAccesses(before.accesses, plan.granted, dataPlane, now);
  const isLive = liveHash !== undefined && liveHash === plannedHash;
  return {
    liveHash,
    liveAccess: advanceAccess(before.liveAccess, plan.files?.files, written, dataPlane.nats),
    leavesOut: isLive && canServe(dataPlane) && leavesOut(accesses, writtenAt, now),
    plannedHash,
    writtenAt,
    rolledOut,
    progress: advanceProgress(before.progress, plan.peers, dataPlane, now),
    staleSettings: advanceStale(before.staleSettings, plan, dataPlane.sidecars, now),
    accesses,
    refusals: nextRefusals(before.refusals, dataPlane, now),
    silentSince: silentSinceOf(dataPlane) ?? before.silentSince,
    durableAttempts: dataPlane.nats?.durableAttempts ?? before.durableAttempts,
    unreadableAnswers,
    activeAt: before.activeAt,
  };
}

/** The servers that were seen to refuse a stranger's key a moment ago, and need not be tried with one now. */
export function refusingStrangers({ refusals }: NodeMemory, now: number): ReadonlySet<string> {
  return new Set([...refusals].flatMap(([server, at]) => (Math.abs(now - at) < STRANGER_MS ? [server] : [])));
}

/** The workloads that the spec names and that do not exist, as `kind/name`. */
export function missingWorkloads(rolledOut: RolledOut): ReadonlySet<string> {
  return new Set([...rolledOut].flatMap(([workload, hash]) => (hash === undefined ? [workload] : [])));
}

/** Only a server that runs our configuration is remembered: whenever that changes, its hash changes too. */
function nextRefusals(before: NodeMemory['refusals'], { nats }: DataPlane, now: number): NodeMemory['refusals'] {
  const refusals = new Map(before);
  for (const { server, outcome } of nats?.servers ?? []) {
    if (outcome !== 'Live') refusals.delete(server);
    else if (Math.abs(now - (refusals.get(server) ?? 0)) >= STRANGER_MS) refusals.set(server, now);
  }
  return refusals;
}

/** undefined: no server was asked. */
function silentSinceOf({ nats }: DataPlane): NodeMemory['silentSince'] | undefined {
  return (
    nats && new Map(nats.silent.flatMap(({ server, askedAt }) => (askedAt === undefined ? [] : [[server, askedAt]])))
  );
}

/** The outcomes of a server that was asked; any other is a reason why it could not be. */
const ASKED: ReadonlySet<string> = new Set(['Live', 'NoAuthorization', 'ConfigNotLive', 'IncludeMissing']);

/** Without a stream no peer can be served. */
function canServe({ nats }: DataPlane): boolean {
  return nats?.streamFirst !== undefined && nats.problem === undefined;
}

/**
 * The planned hash where every server that answers runs it, of those that peers are led to. A server that does not answer reads its
 * files when it starts, and one that is not ready may never get them.
 */
function liveHashOf({ files }: Plan, { nats }: DataPlane): string | undefined {
  const answering = servingServers(nats?.servers ?? []).filter(({ outcome }) => ASKED.has(outcome));
  return allLive(answering) && files ? hashOf(files.files) : undefined;
}

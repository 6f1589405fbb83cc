import { randomUUID } from 'node:crypto';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerStatus } from '../../../common/contract/status.ts';
import type { TransmitStatus } from '../../../common/contract/transmit-status.ts';
import { until } from '../../kit/processes/process.ts';
import { processStatus } from '../../kit/processes/process-status.ts';
import {
  checkAnnounced,
  checkReceiver,
  checkTransmitted,
  describe,
  type Finding,
  notStored,
  payloadsInLogs,
  takenAgain,
} from './checks.ts';
import { type Revoked, traces } from './compare.ts';
import { LeftOutError, perform, type Stage } from './faults.ts';
import { Origin } from './origin.ts';
import {
  castOf,
  type Fault,
  type FaultName,
  isAboutFhir,
  MOST_AT_ONCE,
  originOf,
  randomNumbers,
  receiverOf,
  SITES,
  type SiteName,
  schedule,
  siteOf,
  TRANSMITTING,
  usedBy,
  WAYS,
  waysHitBy,
} from './schedule.ts';
import { StormSite } from './storm-site.ts';
import { Turns } from './turns.ts';

const START_MS = 120_000;
/** A way that has not caught up so long after a fault is said not to; whether its messages arrive is found out at the end. */
const CAUGHT_UP_MS = 180_000;
const SETTLED_MS = 300_000;
const SAMPLE_MS = 500;
/** How often it is said what the end is still waiting for. */
const SAY_MS = 30_000;
/** What is still missing when nothing has arrived for so long does not arrive. */
const STILL_MS = 120_000;
/** A fault that is later than this is left out: the storm has to end. */
const MOST_LATE_MS = 60_000;

export interface StormOptions {
  readonly seed: number;
  readonly minutes: number;
  /** Messages a second from each site to each of the others. */
  readonly perSecond: number;
  readonly say: (text: string) => void;
}

/** What became of one fault. */
export interface Done {
  readonly fault: FaultName;
  readonly where: string;
  /** Until all was replayed that had been sent when the fault was over, in ms; the longest of the ways; absent where never. */
  readonly recovered?: number;
  /** Why it was not caused. */
  readonly leftOut?: string;
  /** What has kept it from being mended. */
  readonly failed?: string;
}

export interface Outcome {
  readonly done: readonly Done[];
  readonly sent: number;
  readonly findings: readonly Finding[];
  readonly announced: readonly Finding[];
  readonly transmitted: readonly Finding[];
  /** How often a FHIR server was sent what it had taken before. */
  readonly transmittedAgain: number;
  /** The most memory that each sidecar has had, in MB. */
  readonly memory: ReadonlyMap<string, number>;
  /** All that is wrong, for a person. */
  readonly wrong: readonly string[];
}

/** Three sites in full mesh under load, what happens to them by the schedule of a seed, and what became of every message. */
export async function storm(options: StormOptions): Promise<Outcome> {
  const { seed, minutes, say } = options;
  const marker = `storm-payload-${randomUUID()}`;
  const sites = new Map<SiteName, StormSite>();
  const cast = castOf(seed);
  try {
    // One after the other: on two cores five JVMs that start together can be late for their time limits.
    for (const name of SITES) sites.set(name, await StormSite.start(name, cast));
    const stage = await makeStage(sites, options, marker);
    const memory = new Memory(stage.all);
    const old = cast.oldNats ? `, and the nats-server of ${cast.oldNats} is an old one` : '';
    say(`the sites are up, and all ${WAYS.length} ways are replayed`);
    say(`the peers of ${cast.sharedAccount} share an account there${old}`);
    for (const name of SITES) stage.origin(name).begin();
    const done = await play(schedule(seed, minutes), stage, say);
    await sleep(1_000);
    for (const name of SITES) await stage.origin(name).end();
    const stuck = await settle(stage, say);
    memory.end();
    const outcome = await check(stage, marker, say);
    const wrong = done.flatMap(({ fault, where, failed }) => (failed ? [`${fault} at ${where}: ${failed}`] : []));
    const all = { ...outcome, done, memory: memory.peaks, wrong: [...wrong, ...stuck, ...outcome.wrong] };
    if (all.wrong.length > 0) for (const { site } of stage.all) site.keepLogs();
    return all;
  } finally {
    await Promise.all([...sites.values()].map((site) => site.stop()));
  }
}

interface WholeStage extends Stage {
  readonly origins: ReadonlyMap<SiteName, Origin>;
}

async function makeStage(
  sites: ReadonlyMap<SiteName, StormSite>,
  { seed, perSecond }: StormOptions,
  marker: string,
): Promise<WholeStage> {
  const all = [...sites.values()];
  const origins = new Map<SiteName, Origin>();
  for (const [nth, { name, site }] of all.entries()) {
    origins.set(name, await Origin.start(name, site, { marker, perSecond, random: randomNumbers(seed * 31 + nth) }));
  }
  for (const receiver of all) {
    await receiver.site.setSidecarKeys(receiver.keys);
    for (const origin of all.filter((site) => site !== receiver)) await origin.grant(receiver);
  }
  await Promise.all(all.map((site) => site.startSidecars(all.filter((other) => other !== site))));
  // Only what is replayed from then on is transmitted.
  await sites.get(TRANSMITTING)?.waitForTransmission('has begun', ({ lag }) => lag !== null, START_MS);
  const stage = { site: ofName(sites), origin: ofName(origins), all, revoked: [] as Revoked[], origins };
  await Promise.all(
    WAYS.map((way) =>
      stage
        .site(receiverOf(way))
        .waitForPeer(originOf(way), 'is replayed', ({ reason }) => reason === 'Replaying', START_MS),
    ),
  );
  return stage;
}

function ofName<Value>(values: ReadonlyMap<SiteName, Value>): (name: SiteName) => Value {
  return (name) => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`there is no site ${name}`);
    return value;
  };
}

/**
 * Causes each fault at its time, or later, when what it uses is free again and fewer than the most are under way: on a busy
 * machine it takes longer to mend them. Waits until all of them are over.
 */
async function play(faults: readonly Fault[], stage: Stage, say: (text: string) => void): Promise<Done[]> {
  const began = performance.now();
  const turn = new Turns(MOST_AT_ONCE);
  const running = faults.map(async (fault) => {
    await sleep(fault.at);
    const { failed, leftOut } = await turn.take(usedBy(fault), async () => {
      const late = performance.now() - began - fault.at;
      if (late < MOST_LATE_MS) return cause(fault, stage);
      return {
        leftOut: `the machine was busy with the former ones, and its turn came ${Math.round(late / 1000)} s late`,
      };
    });
    const recovered = (failed ?? leftOut) ? undefined : await caughtUp(fault, stage);
    const result: Done = {
      fault: fault.fault,
      where: fault.where,
      ...(recovered !== undefined && { recovered }),
      ...(failed !== undefined && { failed }),
      ...(leftOut !== undefined && { leftOut }),
    };
    const at = ((performance.now() - began) / 1000).toFixed(1);
    say(`${at} s: ${fault.fault} at ${fault.where} for ${fault.for / 1000} s: ${textOf(result)}`);
    return result;
  });
  return Promise.all(running);
}

async function cause(fault: Fault, stage: Stage): Promise<Pick<Done, 'failed' | 'leftOut'>> {
  try {
    await perform(stage, fault);
    return {};
  } catch (error) {
    const { message, cause: why } = error as Error;
    if (error instanceof LeftOutError) return { leftOut: message };
    return { failed: why instanceof Error ? `${message} (${why.message})` : message };
  }
}

/** Waits until what a fault has held up is where it was going. @returns how long, if ever */
async function caughtUp(fault: Fault, stage: Stage): Promise<number | undefined> {
  const began = performance.now();
  try {
    await Promise.all(waysHitBy(fault).map((way) => replayedAll(stage, way)));
    if (isAboutFhir(fault)) {
      const nothingWaits = ({ lag, pending }: TransmitStatus): boolean => lag !== null && pending === 0;
      await stage.site(siteOf(fault.where)).waitForTransmission('has caught up', nothingWaits, CAUGHT_UP_MS);
    }
    return performance.now() - began;
  } catch {
    return undefined;
  }
}

/** Waits until what was sent before now has been replayed. */
async function replayedAll(stage: Stage, way: string): Promise<void> {
  const origin = stage.origin(originOf(way));
  const last = await origin.lastSequence();
  const all = async (): Promise<boolean> => {
    const { ack_floor, num_pending, num_ack_pending } = await origin.durable(receiverOf(way));
    return ack_floor.stream_seq >= last || num_pending + num_ack_pending === 0;
  };
  await until(`${way} has caught up`, all, CAUGHT_UP_MS, 200);
}

function textOf({ recovered, failed, leftOut }: Done): string {
  if (failed !== undefined) return `FAILED: ${failed}`;
  if (leftOut !== undefined) return `left out: ${leftOut}`;
  return recovered === undefined ? 'has not caught up' : `caught up after ${(recovered / 1000).toFixed(1)} s`;
}

/** Waits until everything is replayed and acknowledged, and then until it is announced and transmitted. @returns what is not */
async function settle(stage: WholeStage, say: (text: string) => void): Promise<string[]> {
  const began = performance.now();
  // On a busy machine it takes longer, and is no fault.
  const patience = SETTLED_MS * Math.max(1, (loadavg()[0] ?? 0) / 4);
  const outcomes = await Promise.allSettled(
    WAYS.map((way) => stage.origin(originOf(way)).drained(receiverOf(way), patience)),
  );
  say(`the replay took ${seconds(began)} s to settle`);
  // What was forgotten is allowed from now on. What earlier redrives have replayed is not replayed again.
  for (const site of stage.all) await site.askForRedrive('last');
  const redriven = await Promise.allSettled(WAYS.map((way) => redrivenAll(stage, way, patience)));
  say(`with what was redriven it took ${seconds(began)} s`);
  // The sidecars are asked first: to look at all that has arrived takes this process seconds, and the FHIR server is in it. What
  // is not transmitted by then is named by the check.
  const nothingLeft = ({ lag, pending }: TransmitStatus): boolean => lag === 0 && pending === 0;
  await stage
    .site(TRANSMITTING)
    .waitForTransmission('has nothing left', nothingLeft, patience)
    .catch(() => undefined);
  // Each stream is asked, and not the sidecars: what a sidecar says of its lag is as old as its last look at Kafka.
  let lastSaid = performance.now();
  let missing = { count: Number.POSITIVE_INFINITY, since: performance.now() };
  const hasArrived = async (): Promise<boolean> => {
    for (const name of SITES) await stage.origin(name).readStored();
    const late = checkBehind(stage).filter(({ difference: { lost } }) => lost.length > 0);
    const count = late.reduce((sum, { difference: { lost } }) => sum + lost.length, 0);
    if (count < missing.count) missing = { count, since: performance.now() };
    if (count > 0 && performance.now() - lastSaid > SAY_MS) {
      lastSaid = performance.now();
      for (const { place, difference } of late) say(`${difference.lost.length} have not arrived yet in ${place}`);
    }
    return count === 0 || performance.now() - missing.since > STILL_MS;
  };
  // What has not arrived by then is named by the check.
  await until('everything is announced and transmitted', hasArrived, patience, 500).catch(() => undefined);
  say(`everything took ${seconds(began)} s to settle`);
  return [...outcomes, ...redriven].flatMap((outcome) =>
    outcome.status === 'rejected' ? [(outcome.reason as Error).message] : [],
  );
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}

/** Checks what comes behind the replay. */
function checkBehind({ origins, site }: WholeStage): Finding[] {
  return [...SITES.flatMap((name) => checkAnnounced(name, origins)), ...checkTransmitted(site(TRANSMITTING), origins)];
}

async function redrivenAll(stage: Stage, way: string, patience: number): Promise<void> {
  const isDone = ({ redrive }: PeerStatus): boolean => redrive?.id === 'last' && redrive.state === 'Done';
  await stage.site(receiverOf(way)).waitForPeer(originOf(way), 'is redriven', isDone, patience);
}

async function check(
  stage: WholeStage,
  marker: string,
  say: (text: string) => void,
): Promise<Omit<Outcome, 'done' | 'memory'>> {
  await Promise.all(stage.all.map((site) => site.stopSidecars()));
  for (const name of SITES) await stage.origin(name).readStored();
  const findings: Finding[] = [];
  for (const site of stage.all) {
    say(`reading the Kafka of ${site.name} with the Java consumer`);
    findings.push(...(await checkReceiver(site, stage.origins, stage.revoked)));
  }
  const announced = SITES.flatMap((name) => checkAnnounced(name, stage.origins));
  const transmitting = stage.site(TRANSMITTING);
  const transmitted = checkTransmitted(transmitting, stage.origins);
  const logged = await payloadsInLogs(
    stage.all.flatMap(({ logFiles }) => logFiles),
    traces(marker),
  );
  const forgotten = SITES.flatMap((name) => notStored(stage.origin(name)).map((id) => `${name} forgot ${id}`));
  // An announcement may come again later than the stream looks for repeats.
  const once = announced.map((each) => ({ ...each, difference: { ...each.difference, twice: [], outOfOrder: [] } }));
  const wrong = [
    ...[...findings, ...once, ...transmitted].flatMap(describe),
    ...logged.map((text) => `a payload in a log: ${text}`),
    ...forgotten.map((text) => `NATS confirmed a message and lost it: ${text}`),
  ];
  const sent = SITES.reduce((sum, name) => sum + stage.origin(name).stored.length, 0);
  return { sent, findings, announced, transmitted, transmittedAgain: takenAgain(transmitting), wrong };
}

/** Looks all the time how much memory each sidecar has had at most, since a process that is killed tells it no more. */
class Memory {
  readonly peaks = new Map<string, number>();
  readonly #clock: NodeJS.Timeout;

  constructor(sites: readonly StormSite[]) {
    this.#clock = setInterval(() => {
      for (const { sidecars } of sites) {
        for (const [place, sidecar] of sidecars) {
          if (!sidecar.process.running) continue;
          const [, kilobytes = 0] = /^VmHWM:\s+(\d+)/m.exec(processStatus(sidecar.process.pid)) ?? [];
          this.peaks.set(place, Math.max(this.peaks.get(place) ?? 0, Math.round(Number(kilobytes) / 1000)));
        }
      }
    }, SAMPLE_MS);
  }

  end(): void {
    clearInterval(this.#clock);
  }
}

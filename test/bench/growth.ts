import { partitionOf, SYNC_TOPIC, syncName } from '../../common/contract/names.ts';
import { until } from '../kit/processes/process.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import type { ConnectMessage } from '../kit/sites/connect-message.ts';
import { Site } from '../kit/sites/site.ts';
import { AS_IN_KUBERNETES, SIDECAR } from './contenders.ts';
import { steadily } from './latency.ts';
import { cpuSeconds, peakMemory, untilQuiet } from './machine.ts';
import { messagesOf, uuidsIn } from './stage.ts';

/** How the sidecar does with many peers, and several sidecars with a few. */
export interface Growth {
  readonly peers: number;
  readonly sidecars: number;
  /** All messages of all peers, a second, from the first that is acknowledged. */
  readonly perSecond: number;
  /** For 10,000 messages, in seconds, of all sidecars. */
  readonly cpu: number;
  /** Of the largest sidecar, in MB. */
  readonly memory: number;
}

const SETTINGS = { LFH_SYNC_ANNOUNCE: 'false', LFH_SYNC_LOG_LEVEL: 'info' };

/** @param messages in all, divided among the peers */
export async function growth(peers: number, sidecars: number, messages: number, bytes: number): Promise<Growth> {
  const mesh = await Mesh.start(peers, sidecars);
  try {
    // Once through, so that what is measured is warm.
    await mesh.bring(Math.ceil(messages / 5 / peers), bytes);
    await untilQuiet();
    const before = mesh.cpu;
    const perSecond = await mesh.bring(Math.ceil(messages / peers), bytes);
    const done = Math.ceil(messages / peers) * peers;
    const measured = { peers, sidecars, perSecond, cpu: ((mesh.cpu - before) * 10_000) / done, memory: mesh.memory };
    await mesh.verify();
    return measured;
  } finally {
    await mesh.stop();
  }
}

/** The latencies of one quiet peer, in milliseconds, while others have all that the sidecar can take. */
export async function quietPeer(
  busy: number,
  messages: number,
  bytes: number,
): Promise<{ readonly alone: readonly number[]; readonly beside: readonly number[] }> {
  const mesh = await Mesh.start(busy + 1, 1);
  try {
    // Once through, so that what is measured is warm.
    await mesh.bring(2_000, bytes);
    await mesh.latenciesOfLast(400, bytes);
    await untilQuiet();
    const alone = await mesh.latenciesOfLast(400, bytes);
    await mesh.hold(true);
    await mesh.publish(Math.ceil(messages / busy), bytes, busy);
    await mesh.hold(false);
    const beside = await mesh.latenciesOfLast(400, bytes);
    await mesh.verify();
    return { alone, beside };
  } finally {
    await mesh.stop();
  }
}

const QUIET_PER_SECOND = 50;
/**
 * A reader of committed records sees nothing of a partition behind a transaction that is still open there. So that this is not what
 * is measured, the quiet peer has a partition that no other one has.
 */
const PARTITIONS = 48;

class Mesh {
  readonly #receiver: Site;
  readonly #origins: readonly Site[];
  readonly #sidecars: readonly SidecarProcess[];
  /** The uuid of every message in the stream of each origin, in its order. */
  readonly #sent = new Map<Site, string[]>();

  private constructor(receiver: Site, origins: readonly Site[], sidecars: readonly SidecarProcess[]) {
    this.#receiver = receiver;
    this.#origins = origins;
    this.#sidecars = sidecars;
  }

  static async start(peers: number, sidecars: number): Promise<Mesh> {
    const receiver = await Site.start('receiver', { kafkaProperties: { 'num.partitions': String(PARTITIONS) } });
    const origins: Site[] = [];
    for (const lfhId of namesOf(peers)) {
      const origin = await Site.start(lfhId, { kafka: false });
      await origin.grantAccess(receiver);
      origins.push(origin);
    }
    const started: SidecarProcess[] = [];
    for (let n = 0; n < sidecars; n += 1) {
      const peerSites = origins.map((site) => ({ site }));
      const options = { peers: peerSites, settings: SETTINGS, main: SIDECAR, env: AS_IN_KUBERNETES };
      started.push(await SidecarProcess.start(receiver, options));
    }
    for (const origin of origins) {
      const replayed = async (): Promise<boolean> => {
        const seen = await Promise.all(started.map((sidecar) => sidecar.peer(origin)));
        return seen.some(({ reason }) => reason === 'Replaying');
      };
      await until(`${origin.lfhId} is replayed`, replayed, 120_000, 50);
    }
    return new Mesh(receiver, origins, started);
  }

  get cpu(): number {
    return this.#sidecars.reduce((sum, { process }) => sum + cpuSeconds(process.pid), 0);
  }

  get memory(): number {
    return Math.max(...this.#sidecars.map(({ process }) => peakMemory(process.pid)));
  }

  /** Lets so many messages of each peer wait, then go. Resolves with how many came through in a second. */
  async bring(each: number, bytes: number): Promise<number> {
    await this.hold(true);
    await this.publish(each, bytes, this.#origins.length);
    const started = performance.now();
    await this.hold(false);
    await this.#acknowledged();
    return (each * this.#origins.length * 1000) / (performance.now() - started);
  }

  async hold(isHeld: boolean): Promise<void> {
    await Promise.all(this.#origins.map((origin) => origin.pauseDurable(this.#receiver.lfhId, isHeld)));
  }

  async publish(each: number, bytes: number, peers: number): Promise<void> {
    for (const origin of this.#origins.slice(0, peers)) {
      const batch = messagesOf(origin.lfhId, each, bytes);
      this.#note(origin, batch);
      await origin.announce(batch.map(({ payload }) => payload));
    }
  }

  /** What is taken in at the last peer, at a steady rate, until it can be read, in milliseconds. */
  async latenciesOfLast(count: number, bytes: number): Promise<readonly number[]> {
    const origin = this.#origins.at(-1) as Site;
    const place = { topic: SYNC_TOPIC, partition: partitionOf(syncName(origin.lfhId), PARTITIONS) };
    const batch = messagesOf(origin.lfhId, count, bytes);
    this.#note(origin, batch);
    return steadily(origin, this.#receiver, place, batch, QUIET_PER_SECOND);
  }

  /**
   * Waits until everything is replayed. A figure counts only if the work was done.
   *
   * @throws when a message is missing, is there twice, or is not in its order
   */
  async verify(): Promise<void> {
    await this.#acknowledged();
    const origins = new Map([...this.#sent].flatMap(([origin, uuids]) => uuids.map((uuid) => [uuid, origin] as const)));
    const found = new Map(this.#origins.map((origin) => [origin, [] as string[]]));
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      for await (const uuid of uuidsIn(this.#receiver, SYNC_TOPIC, partition)) {
        const origin = origins.get(uuid);
        if (origin === undefined) throw new Error(`${SYNC_TOPIC} has a message that nobody sent`);
        found.get(origin)?.push(uuid);
      }
    }
    for (const [origin, uuids] of found) {
      const sent = this.#sent.get(origin) ?? [];
      if (uuids.length === sent.length && uuids.every((uuid, index) => uuid === sent[index])) continue;
      throw new Error(
        `${SYNC_TOPIC} has ${uuids.length} of ${sent.length} messages of ${origin.lfhId} (${new Set(uuids).size} different ` +
          'ones), or has them in another order',
      );
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sidecars.map((sidecar) => sidecar.stop()));
    await Promise.all([this.#receiver, ...this.#origins].map((site) => site.stop()));
  }

  #note(origin: Site, batch: readonly ConnectMessage[]): void {
    this.#sent.set(origin, [...(this.#sent.get(origin) ?? []), ...batch.map(({ uuid }) => uuid)]);
  }

  async #acknowledged(): Promise<void> {
    for (const origin of this.#origins) {
      const done = async (): Promise<boolean> => {
        const { num_pending, num_ack_pending } = await origin.durableInfo(this.#receiver.lfhId);
        return num_pending === 0 && num_ack_pending === 0;
      };
      await until(`${origin.lfhId} is replayed`, done, 300_000, 20);
    }
  }
}

/** The last one has a partition of its own. */
function namesOf(count: number): string[] {
  const partition = (lfhId: string): number => partitionOf(syncName(lfhId), PARTITIONS);
  const quiet = 'origin-quiet';
  const busy: string[] = [];
  for (let n = 1; busy.length < count - 1; n += 1) {
    if (partition(`origin-${n}`) !== partition(quiet)) busy.push(`origin-${n}`);
  }
  return [...busy, quiet];
}

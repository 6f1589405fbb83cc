import assert from 'node:assert/strict';
import { SYNC_TOPIC } from '../../common/contract/names.ts';
import type { ClusterSite } from '../cluster/cluster-site.ts';
import { until } from '../kit/processes/process.ts';
import { readTopic } from '../kit/servers/topic-reader.ts';
import { PATIENCE_MS } from './hospital.ts';

const TOPIC = 'FHIR-R4';

/** A hospital, with lfh-sync or without. */
export interface Party {
  readonly lfhId: string;
  readonly site: ClusterSite;
}

export interface Message {
  readonly uuid: string;
  readonly lfh_id: string;
}

/** Compares what each hospital took in with what is in the Kafka of those that run lfh-sync. */
export class HospitalLedger {
  readonly #senders = new Map<Party, Party[]>();
  readonly #taken = new Map<Party, string[]>();
  readonly #refused = new Map<Party, number>();

  /** From now on everything from `from` has to be at `to`, which runs lfh-sync. */
  link(from: Party, to: Party): void {
    this.#senders.set(to, [...(this.#senders.get(to) ?? []), from]);
  }

  /** The uuids of what a hospital took in, in that order. */
  taken(at: Party): readonly string[] {
    return this.#of(at);
  }

  /**
   * POSTs FHIR messages to connect, one after the other. Where it does not answer, because its pod or its NATS is on its way out,
   * another one is sent: what became of the first nobody knows.
   */
  async takeIn(at: Party, count: number): Promise<void> {
    const taken = this.#of(at);
    const wanted = taken.length + count;
    const another = async (): Promise<boolean> => {
      try {
        const { uuid } = await at.site.takeIn('/fhir/Patient', {
          resourceType: 'Patient',
          id: `${at.lfhId}-${taken.length}`,
        });
        return taken.push(uuid) >= wanted;
      } catch (error) {
        this.#refused.set(at, (this.#refused.get(at) ?? 0) + 1);
        throw error;
      }
    };
    while (taken.length < wanted) await until(`connect of ${at.lfhId} takes a message in`, another, PATIENCE_MS, 100);
  }

  /**
   * Waits until all has arrived; then demands that each message is there once, in the order in which it was taken in, as it is and
   * as connect's own record, and that nothing has come back to where it is from.
   *
   * @returns the figures, for a person
   */
  async balance(timeoutMs = PATIENCE_MS): Promise<string> {
    const figures = await Promise.all([...this.#senders].map(([to, from]) => this.#arrived(from, to, timeoutMs)));
    return figures.flat().join('\n');
  }

  async #arrived(senders: readonly Party[], to: Party, timeoutMs: number): Promise<string[]> {
    let found: Message[] = [];
    for (const from of senders) {
      const all = async (): Promise<boolean> => {
        found = await messages(to, SYNC_TOPIC);
        const uuids = new Set(found.map(({ uuid }) => uuid));
        return this.#of(from).every((uuid) => uuids.has(uuid));
      };
      const what = `${this.#of(from).length} messages of ${from.lfhId} are in Kafka of ${to.lfhId}`;
      await until(what, all, timeoutMs, 100);
    }
    const ids = senders.map(({ lfhId }) => lfhId);
    assert.deepEqual(
      found.filter(({ lfh_id }) => !ids.includes(lfh_id)),
      [],
      `${to.lfhId} replayed what is not from ${ids.join(' or ')}`,
    );
    const records = await messages(to, TOPIC);
    assert.deepEqual(await messages(to, 'LFH_EXCEPTION'), []);
    return senders.map((from) => this.#compare(from, to, found, records));
  }

  #compare(from: Party, to: Party, synced: readonly Message[], records: readonly Message[]): string {
    const taken = this.#of(from);
    const own = new Set(taken);
    const isFrom = ({ lfh_id }: Message): boolean => lfh_id === from.lfhId;
    // Stored and announced by a connect that was ended before it could answer.
    const unanswered = synced.filter(isFrom).filter(({ uuid }) => !own.has(uuid));
    assert.ok(unanswered.length <= (this.#refused.get(from) ?? 0), `${to.lfhId} has messages that nobody sent`);
    for (const [topic, of] of [[SYNC_TOPIC, synced] as const, [TOPIC, records] as const]) {
      const uuids = of.filter(isFrom).map(({ uuid }) => uuid);
      assert.equal(new Set(uuids).size, uuids.length, `${topic} of ${to.lfhId} has repeats`);
      assert.deepEqual(
        uuids.filter((uuid) => own.has(uuid)),
        taken,
        `${topic} of ${to.lfhId} does not have what ${from.lfhId} took in, in that order`,
      );
    }
    const more = unanswered.length > 0 ? `, and ${unanswered.length} that connect was ended over` : '';
    return `${from.lfhId} took in ${taken.length}; ${to.lfhId} has each of them once${more}`;
  }

  #of(hospital: Party): string[] {
    const taken = this.#taken.get(hospital) ?? [];
    this.#taken.set(hospital, taken);
    return taken;
  }
}

/** What a topic of a hospital's Kafka holds, in its order. */
export async function messages(at: Party, topic: string): Promise<Message[]> {
  const records = await readTopic(await at.site.kafka(), topic);
  return records.map(({ value }) => JSON.parse(value.toString('utf8')) as Message);
}

import assert from 'node:assert/strict';
import { SYNC_TOPIC } from '../../common/contract/names.ts';
import { until } from '../kit/processes/process.ts';
import { readTopic } from '../kit/servers/topic-reader.ts';
import { type Hospital, PATIENCE_MS } from './hospital.ts';

const TOPIC = 'FHIR-R4';

interface Message {
  readonly uuid: string;
  readonly lfh_id: string;
}

/** Compares what each hospital took in with what is in the other's Kafka. */
export class HospitalLedger {
  readonly #hospitals: readonly [Hospital, Hospital];
  readonly #taken = new Map<Hospital, string[]>();
  readonly #refused = new Map<Hospital, number>();

  constructor(hospitals: readonly [Hospital, Hospital]) {
    this.#hospitals = hospitals;
  }

  /**
   * POSTs FHIR messages to connect, one after the other. Where it does not answer, because its pod or its NATS is on its way out,
   * another one is sent: what became of the first nobody knows.
   */
  async takeIn(at: Hospital, count: number): Promise<void> {
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
    const [a, b] = this.#hospitals;
    return [await this.#arrived(a, b, timeoutMs), await this.#arrived(b, a, timeoutMs)].join('\n');
  }

  async #arrived(from: Hospital, to: Hospital, timeoutMs: number): Promise<string> {
    const taken = this.#of(from);
    let found: Message[] = [];
    const all = async (): Promise<boolean> => {
      found = await messages(to, SYNC_TOPIC);
      const uuids = new Set(found.map(({ uuid }) => uuid));
      return taken.every((uuid) => uuids.has(uuid));
    };
    await until(`${taken.length} messages of ${from.lfhId} are in Kafka of ${to.lfhId}`, all, timeoutMs, 100);
    assert.deepEqual(
      found.filter(({ lfh_id }) => lfh_id !== from.lfhId),
      [],
      `${to.lfhId} replayed what is not from ${from.lfhId}`,
    );
    const own = new Set(taken);
    // Stored and announced by a connect that was ended before it could answer.
    const unanswered = found.filter(({ uuid }) => !own.has(uuid));
    assert.ok(unanswered.length <= (this.#refused.get(from) ?? 0), `${to.lfhId} has messages that nobody sent`);
    const records = (await messages(to, TOPIC)).filter(({ lfh_id }) => lfh_id === from.lfhId);
    for (const [topic, of] of [[SYNC_TOPIC, found] as const, [TOPIC, records] as const]) {
      const uuids = of.map(({ uuid }) => uuid);
      assert.equal(new Set(uuids).size, uuids.length, `${topic} of ${to.lfhId} has repeats`);
      assert.deepEqual(
        uuids.filter((uuid) => own.has(uuid)),
        taken,
        `${topic} of ${to.lfhId} does not have what ${from.lfhId} took in, in that order`,
      );
    }
    assert.deepEqual(await messages(to, 'LFH_EXCEPTION'), []);
    const more = unanswered.length > 0 ? `, and ${unanswered.length} that connect was ended over` : '';
    return `${from.lfhId} took in ${taken.length}; ${to.lfhId} has each of them once${more}`;
  }

  #of(hospital: Hospital): string[] {
    const taken = this.#taken.get(hospital) ?? [];
    this.#taken.set(hospital, taken);
    return taken;
  }
}

async function messages(at: Hospital, topic: string): Promise<Message[]> {
  const records = await readTopic(await at.site.kafka(), topic);
  return records.map(({ value }) => JSON.parse(value.toString('utf8')) as Message);
}

import assert from 'node:assert/strict';
import { connectName } from '../../common/contract/names.ts';
import { cutOff } from '../cluster/cut-off.ts';
import { killPods } from '../cluster/kill-pods.ts';
import { step } from '../cluster/steps.ts';
import { until } from '../kit/processes/process.ts';
import type { FhirServer } from '../kit/servers/fhir-server.ts';
import { type Hospital, PATIENCE_MS } from './hospital.ts';
import type { HospitalByHand } from './hospital-by-hand.ts';
import { type HospitalLedger, type Message, messages } from './hospital-ledger.ts';
import { say } from './story.ts';

/**
 * hospital-c, which has connect and NATS as upstream ships them and no lfh-sync, linked with hospital-a in both directions.
 *
 * At hospital-a, which receives with lfh-sync, each message of hospital-c has to be in Kafka once and in order (HospitalLedger), and at
 * its FHIR server once. At hospital-c connect receives, which acknowledges before it stores, so what it stores while it is
 * disturbed is not ours to promise. We promise that nothing is lost on our side: hospital-c has been handed all of our stream and
 * has acknowledged all of it, by one durable that was never made anew. What arrives while nothing is disturbed has to be in its Kafka,
 * once.
 */
export class ThirdHospital {
  readonly #a: Hospital;
  readonly #c: HospitalByHand;
  readonly #ledger: HospitalLedger;
  readonly #fhir: FhirServer;
  /** When the durable was made, as the first look at it has told. */
  #created: string | undefined;

  constructor(a: Hospital, c: HospitalByHand, ledger: HospitalLedger, fhir: FhirServer) {
    this.#a = a;
    this.#c = c;
    this.#ledger = ledger;
    this.#fhir = fhir;
  }

  /** Does at both sites what docs/upstream-sites.md says. */
  async link(): Promise<void> {
    const [a, c] = [this.#a, this.#c];
    const before = await a.starts();
    await step('hospital-a applies an LfhSyncPeer with send.client Connect and receive.manual', async () => {
      const spec = {
        lfhId: c.lfhId,
        publicKeys: [c.site.connectKey],
        send: { client: 'Connect' },
        servers: [c.site.natsUrl],
        ca: { inline: c.site.authority.ca },
        receive: { manual: true },
      };
      const apiVersion = 'sync.linuxforhealth.io/v1alpha1';
      await a.apply({ apiVersion, kind: 'LfhSyncPeer', metadata: { name: c.lfhId }, spec });
      await this.#reason('SendReady', 'AwaitingPeer');
    });
    await step('hospital-c starts connect with our NATS and our CA', async () => {
      await c.receiveFrom(a);
      await c.site.running(PATIENCE_MS);
    });
    await step('hospital-c lets us in, and makes the durable', async () => {
      await this.#reason('ReceiveReady', 'AwaitingPeer');
      const { user = '', subject = '', durable = '' } = (await a.peer(c)).status?.receive?.manual ?? {};
      await c.letIn(user);
      await c.request(subject, durable);
    });
    await step('both directions are Ready', () => a.ready('lfhpeer'));
    await step('5 messages each way, and what hospital-a took in before', async () => {
      this.#ledger.link(c, a);
      await this.#arrivesOnce(async () => {
        await Promise.all([this.#ledger.takeIn(a, 5), this.#ledger.takeIn(c, 5)]);
      }, this.#ledger.taken(a));
    });
    await step('no pod of hospital-a was restarted', async () => assert.deepEqual(await a.starts(), before));
  }

  /** Kills, restarts and cuts off the one site and then the other. Meanwhile the other one takes messages in. Kafka is let alone. */
  async disturb(): Promise<void> {
    const [a, c] = [this.#a, this.#c];
    for (const [site, other, pods] of [
      [c, a, 'app in (connect,nats-js)'],
      [a, c, 'app in (connect,nats)'],
    ] as const) {
      await this.#disturbed(`connect and NATS of ${site.lfhId} are killed`, site, async () => {
        const restarts = await restartsOf(site, pods);
        const uids = await site.kubectl('get', 'pods', '-l', pods, '-o', 'jsonpath={.items[*].metadata.uid}');
        await killPods(uids.split(' '));
        await this.#ledger.takeIn(other, 5);
        const again = async (): Promise<boolean> => {
          const now = await restartsOf(site, pods);
          return now.every((count, nth) => count > (restarts[nth] ?? 0));
        };
        await until('kubelet has started all of them again', again, PATIENCE_MS, 250);
      });
      // A rollout would start a second connect beside the first, which upstream's own cannot do.
      await this.#disturbed(`connect and NATS of ${site.lfhId} are restarted`, site, async () => {
        await site.kubectl('delete', 'pod', '-l', pods);
        await this.#ledger.takeIn(other, 5);
      });
      await this.#disturbed(`connect and NATS of ${site.lfhId} are cut off`, site, async () => {
        const addresses = await site.kubectl('get', 'pods', '-l', pods, '-o', 'jsonpath={.items[*].status.podIP}');
        const putBack = await cutOff(addresses.split(' '));
        try {
          await this.#ledger.takeIn(other, 5);
          const through = (await messages(site, 'LFH_SYNC')).map(({ uuid }) => uuid);
          const taken = this.#ledger.taken(other).slice(-5);
          assert.ok(!taken.some((uuid) => through.includes(uuid)), `${site.lfhId} is not cut off`);
        } finally {
          await putBack();
        }
      });
    }
    await step('5 messages each way: nothing disturbs them, and each is in both Kafkas once', () =>
      this.#arrivesOnce(async () => {
        await Promise.all([this.#ledger.takeIn(a, 5), this.#ledger.takeIn(c, 5)]);
      }),
    );
  }

  /** Deletes the peer at hospital-a. */
  async takeApart(): Promise<void> {
    const [a, c] = [this.#a, this.#c];
    const account = connectName(c.lfhId);
    await step(
      'hospital-a deletes its peer hospital-c, whose connection is dropped and whose durable goes',
      async () => {
        await until('hospital-c is connected', async () => (await a.connectionsOf(account)) > 0, PATIENCE_MS, 250);
        await a.kubectl('delete', `lfhpeer/${c.lfhId}`);
        await until('hospital-c is cut off', async () => (await a.connectionsOf(account)) === 0, PATIENCE_MS, 250);
        await until('its durable is gone', async () => (await this.#durables()).length === 0, PATIENCE_MS, 250);
      },
    );
  }

  /** Demands what is demanded of this link at any time; waits for what is on its way. */
  async balance(): Promise<void> {
    say(await this.#ledger.balance());
    say(await this.#handedOver());
    say(await this.#createdOnce());
  }

  async #disturbed(what: string, site: Hospital | HospitalByHand, work: () => Promise<void>): Promise<void> {
    await step(`${what}; 5 messages each way`, async () => {
      // Two answers of the FHIR server get lost. What they were for has been done.
      this.#fhir.next.push('cut-head', 'cut-body');
      await work();
      await site.site.running(PATIENCE_MS);
      await this.#ledger.takeIn(site, 5);
    });
    await step('nothing is lost, and nothing there twice', () => this.balance());
  }

  /** Everything that `work` has hospital-a take in, and `earlier`, is in Kafka of hospital-c once. */
  async #arrivesOnce(work: () => Promise<void>, earlier: readonly string[] = []): Promise<void> {
    const before = this.#ledger.taken(this.#a).length;
    const early = [...earlier];
    await work();
    await this.balance();
    const wanted = [...early, ...this.#ledger.taken(this.#a).slice(before)];
    let found: Message[] = [];
    const all = async (): Promise<boolean> => {
      found = (await messages(this.#c, 'LFH_SYNC')).filter(({ uuid }) => wanted.includes(uuid));
      return found.length >= wanted.length;
    };
    await until(`${wanted.length} messages of hospital-a are in Kafka of hospital-c`, all, PATIENCE_MS, 100);
    assert.deepEqual(
      found.map(({ uuid }) => uuid),
      wanted,
    );
  }

  /** connect of hospital-c has acknowledged all of our stream. What of it is in its Kafka is told, and not demanded. */
  async #handedOver(): Promise<string> {
    let durable = await this.#durable();
    const done = async (): Promise<boolean> => {
      durable = await this.#durable();
      return durable.num_pending === 0 && durable.num_ack_pending === 0;
    };
    await until('hospital-c has acknowledged all of our stream', done, PATIENCE_MS, 250);
    this.#created ??= durable.created;
    assert.equal(durable.created, this.#created, 'the durable of hospital-c was made anew');
    const found = await messages(this.#c, 'LFH_SYNC');
    assert.deepEqual(
      found.filter(({ lfh_id }) => lfh_id !== this.#a.lfhId),
      [],
      'hospital-c was handed what is not from hospital-a',
    );
    const taken = this.#ledger.taken(this.#a);
    const kept = new Set(found.map(({ uuid }) => uuid));
    const lost = taken.filter((uuid) => !kept.has(uuid)).length;
    const more = lost > 0 ? `; ${lost} it did not store after it had acknowledged them` : '';
    return `hospital-a took in ${taken.length}; hospital-c has acknowledged all of them${more}`;
  }

  /** At the FHIR server of hospital-a there is one resource for each message that it replayed. */
  async #createdOnce(): Promise<string> {
    const replayed = (await messages(this.#a, 'LFH_SYNC')).map(({ uuid }) => uuid);
    const all = (): boolean => {
      const created = new Set(this.#uuidsOfResources());
      return replayed.every((uuid) => created.has(uuid));
    };
    await until('all that hospital-a replayed is at its FHIR server', all, PATIENCE_MS, 250);
    const created = this.#uuidsOfResources();
    assert.deepEqual(
      created.filter((uuid, nth) => created.indexOf(uuid) !== nth),
      [],
      'resources were created twice',
    );
    return `hospital-a replayed ${replayed.length}; its FHIR server has created each of them once`;
  }

  #uuidsOfResources(): string[] {
    return this.#fhir.stored.map(({ meta }) => meta?.tag?.[0]?.code ?? 'a resource without a tag');
  }

  async #durable(): Promise<Durable> {
    const [found] = await this.#durables();
    if (!found) throw new Error('hospital-c has no durable');
    return found;
  }

  async #durables(): Promise<readonly Durable[]> {
    const { account_details: accounts } = await this.#a.monitored<JetStreamReport>(
      'jsz?accounts=true&streams=true&consumers=true',
    );
    const durables = accounts.flatMap(({ stream_detail }) =>
      (stream_detail ?? []).flatMap((each) => each.consumer_detail ?? []),
    );
    return durables.filter(({ name }) => name === connectName(this.#c.lfhId));
  }

  async #reason(type: string, reason: string): Promise<void> {
    const has = async (): Promise<boolean> => {
      const conditions = (await this.#a.peer(this.#c)).status?.conditions ?? [];
      return conditions.some((each) => each.type === type && each.reason === reason);
    };
    await until(`${type} of hospital-c is ${reason}`, has, PATIENCE_MS, 250);
  }
}

/** nats-server's own report on a durable. */
interface Durable {
  readonly name: string;
  readonly created: string;
  readonly num_pending: number;
  readonly num_ack_pending: number;
}

interface JetStreamReport {
  readonly account_details: readonly {
    readonly stream_detail?: readonly { readonly consumer_detail?: readonly Durable[] }[];
  }[];
}

/** How often each container of pods was started again, in an order that stays. */
async function restartsOf(site: Hospital | HospitalByHand, pods: string): Promise<number[]> {
  const counts = '{.items[*].status.containerStatuses[*].restartCount}';
  return (await site.kubectl('get', 'pods', '-l', pods, '-o', `jsonpath=${counts}`)).split(' ').map(Number);
}

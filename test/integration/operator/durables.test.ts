import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Msg, NatsConnection } from 'nats';
import { type DurableConfig, durableConfig, pushDurableConfig } from '../../../common/contract/durable.ts';
import { syncName } from '../../../common/contract/names.ts';
import { reconcileDurables } from '../../../operator/controller/durables.ts';
import { type JetStream, openJetStream } from '../../../operator/nats/consumers.ts';
import type { DurableAttempts } from '../../../operator/plan/observed/observed.ts';
import { until } from '../../kit/processes/process.ts';
import { EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
import { numbered, pullAs } from '../../kit/servers/nats-peer.ts';
import { Site } from '../../kit/sites/site.ts';

const STREAM = 'EVENTS';
const NONE: DurableAttempts = new Map();

describe('the durables of all peers', () => {
  const wanted = ['b', 'c', 'd'].map((lfhId) => durableConfig(lfhId));
  const [b, c, d] = wanted.map(({ durable_name }) => durable_name) as [string, string, string];
  let site: Site;
  let own: JetStream;
  let administrator: NatsConnection;
  let writes: string[] = [];

  before(async () => {
    site = await Site.start('hospital-a', { kafka: false });
    own = await openJetStream([site.nats.url], { nodeSeed: new TextDecoder().decode(site.seed), ca: site.ca.ca });
    administrator = await site.connect();
    administrator.subscribe('$JS.API.CONSUMER.CREATE.>', {
      callback: (_error, { subject }) => writes.push(subject.split('.')[5] ?? ''),
    });
    await administrator.flush();
  });

  after(async () => {
    await own?.close();
    await site?.stop();
  });

  /** Makes the stream anew with limits of its own. */
  async function streamWith(limits: object): Promise<void> {
    for (const [operation, body] of [
      [`STREAM.DELETE.${STREAM}`, {}],
      [`STREAM.CREATE.${STREAM}`, { ...EVENTS_STREAM, ...limits }],
    ] as const) {
      const answer = await administrator.request(`$JS.API.${operation}`, JSON.stringify(body), { timeout: 5_000 });
      assert.equal(answer.json<{ error?: unknown }>().error, undefined, operation);
    }
    await administrator.flush();
    writes = [];
  }

  const namesIn = ({ durables }: Awaited<ReturnType<typeof reconcileDurables>>): string[] =>
    (durables ?? []).map(({ name }) => name);
  const reconcile = (durables: readonly DurableConfig[], before = NONE, now = Date.now(), live = true) =>
    reconcileDurables(own, { durables, keptDurables: [] }, before, now, live);

  it('are made but for one that a limit refuses, which is said in the words of the server and tried once a minute', async () => {
    await streamWith({ max_consumers: 2 });
    const now = Date.now();
    const first = await reconcile(wanted, NONE, now);
    const made = namesIn(first);
    assert.equal(made.length, 2);
    assert.equal(first.problem, undefined);
    // All three are asked for at once, so that any of them may be the last one.
    const [refused = ''] = [b, c, d].filter((name) => !made.includes(name));
    assert.deepEqual([...(first.durableAttempts ?? NONE).keys()], [refused]);
    const refusal = first.durableAttempts?.get(refused)?.refusal;
    assert.equal(refusal?.lasting, true);
    assert.match(
      refusal?.message ?? '',
      new RegExp(`CREATE\\.${STREAM}\\.${refused}.*maximum consumers limit reached`),
    );

    const again = await reconcile(wanted, first.durableAttempts, now + 1_000);
    assert.deepEqual(again.durableAttempts, first.durableAttempts);
    await until('every write is seen', () => writes.length >= 3);
    assert.deepEqual(writes.toSorted(), [b, c, d]);
    // Room is made, and a minute later the third one fits.
    const without = wanted.filter(({ durable_name }) => durable_name !== made[0]);
    const later = await reconcile(without, again.durableAttempts, now + 61_000);
    assert.deepEqual(new Set(namesIn(later)), new Set([made[1], refused]));
    assert.equal(later.durableAttempts?.size, 0);
  });

  it('stay, and are not made, where the peer is not let in for a conflict, with either client', async () => {
    await streamWith({});
    const connect = pushDurableConfig('c');
    await reconcile([durableConfig('b'), connect]);
    const keptDurables = [b, syncName('c'), d];
    const found = await reconcileDurables(own, { durables: [], keptDurables }, NONE, Date.now(), true);
    assert.deepEqual(new Set(namesIn(found)), new Set([b, connect.durable_name]));
    assert.deepEqual(namesIn(await reconcile([])), []);
  });

  it('are all refused, each for itself, where the stream has a lower limit than they need', async () => {
    await streamWith({ consumer_limits: { max_ack_pending: 1_000 } });
    const { durables, durableAttempts, problem } = await reconcile(wanted);
    assert.deepEqual([durables, problem], [[], undefined]);
    for (const name of [b, c, d]) {
      const refusal = durableAttempts?.get(name)?.refusal;
      assert.match(refusal?.message ?? '', new RegExp(`${name}.*max ack pending`), name);
      assert.equal(refusal?.lasting, true);
    }
  });

  it('are written once where the server sets a field of its own', async () => {
    await streamWith({ consumer_limits: { inactive_threshold: 86_400_000_000_000 } });
    const first = await reconcile([durableConfig('b')]);
    assert.equal(first.durableAttempts?.get(b)?.found?.inactive_threshold, 86_400_000_000_000);
    assert.equal(first.durableAttempts?.get(b)?.refusal, undefined);
    let durableAttempts = first.durableAttempts ?? NONE;
    for (let round = 1; round <= 3; round += 1) {
      const later = await reconcile([durableConfig('b')], durableAttempts, Date.now() + round * 3_600_000);
      durableAttempts = later.durableAttempts ?? NONE;
    }
    await until('the write is seen', () => writes.length > 0);
    assert.deepEqual(writes, [b]);
  });

  it('are reported with the last message of the stream, which a peer may have acknowledged', async () => {
    await streamWith({});
    await site.announce([Buffer.from('x'), Buffer.from('y')]);
    const { streamFirst, streamLast } = await reconcile([]);
    assert.deepEqual([streamFirst, streamLast], [1, 2]);
  });

  describe('when the client of a peer changes', () => {
    const pulled = durableConfig('b');
    const pushed = pushDurableConfig('b');
    const names = ({ durables }: Awaited<ReturnType<typeof reconcile>>): Record<string, number> =>
      Object.fromEntries((durables ?? []).map(({ name, ackFloor }) => [name, ackFloor]));
    const sequences = (messages: readonly Msg[]): number[] =>
      messages.map(({ reply = '' }) => Number(reply.split('.')[5]));

    beforeEach(async () => {
      await streamWith({});
      await site.announce(numbered(1, 2, 3, 4, 5, 6));
    });

    /** Pulls as a sidecar does, and acknowledges the last message. */
    async function pull(count: number): Promise<void> {
      const messages = await pullAs(administrator, pulled.durable_name, count);
      administrator.publish(messages.at(-1)?.subject ?? '', '+ACK');
      await administrator.flush();
    }

    /** Subscribes as connect does, until so many messages are delivered. @param acknowledge whether each is acknowledged */
    async function take(count: number, acknowledge = true): Promise<number[]> {
      const messages: Msg[] = [];
      const subscription = administrator.subscribe(pushed.deliver_subject, {
        callback: (_error, message) => {
          messages.push(message);
          if (acknowledge) message.respond('+ACK');
        },
      });
      await until(`${count} messages are delivered`, () => messages.length >= count);
      subscription.unsubscribe();
      await administrator.flush();
      return sequences(messages);
    }

    /** Takes all that there is, until the server knows it. */
    async function takeAll(): Promise<void> {
      assert.deepEqual(await take(6), [1, 2, 3, 4, 5, 6]);
      await until('all is acknowledged', async () => names(await reconcile([pushed]))[pushed.durable_name] === 6);
    }

    async function api<Answer>(operation: string, body: object = {}): Promise<Answer> {
      const answer = await administrator.request(`$JS.API.${operation}`, JSON.stringify(body), { timeout: 5_000 });
      const parsed = answer.json<Answer & { error?: unknown }>();
      assert.equal(parsed.error, undefined, operation);
      return parsed;
    }

    async function configOf(name: string): Promise<Readonly<Record<string, unknown>>> {
      return (await api<{ config: Readonly<Record<string, unknown>> }>(`CONSUMER.INFO.${STREAM}.${name}`)).config;
    }

    it('connect goes on behind what the sidecar has acknowledged, and the durable of the sidecar stays until then', async () => {
      await reconcile([pulled]);
      await pull(3);
      await until('it is acknowledged', async () => names(await reconcile([pulled]))[b] === 3);
      const notLive = await reconcile([pushed], NONE, Date.now(), false);
      assert.deepEqual(names(notLive), { [b]: 3 }, 'the sidecar may still pull');
      // What it acknowledges in the last moment counts.
      await pull(1);
      await until('it is acknowledged', async () => names(await reconcile([pushed], NONE, 0, false))[b] === 4);
      // An operator that dies at any point finds both, and begins nothing anew.
      for (let round = 0; round < 2; round += 1) {
        assert.deepEqual(names(await reconcile([pushed])), { [pushed.durable_name]: 4, [b]: 4 });
      }
      assert.deepEqual(await take(2), [5, 6]);
      await until('only the new one is left', async () => {
        return isDeepStrictEqual(names(await reconcile([pushed])), { [pushed.durable_name]: 6 });
      });
    });

    it('back and forth before anything was fetched repeats nothing', async () => {
      await reconcile([pushed]);
      await takeAll();
      await site.announce(numbered(7, 8));
      assert.deepEqual(names(await reconcile([pulled])), { [pushed.durable_name]: 6, [b]: 0 });
      assert.deepEqual(names(await reconcile([pushed])), { [pushed.durable_name]: 6 });
      assert.deepEqual(await take(2), [7, 8]);
    });

    it('a sidecar is given everything, since it keeps its own position, and the other one goes when it has acknowledged', async () => {
      await reconcile([pushed]);
      await takeAll();
      await reconcile([pulled]);
      await pull(2);
      await until('the other one is gone', async () => isDeepStrictEqual(names(await reconcile([pulled])), { [b]: 2 }));
      assert.equal((await configOf(b)).deliver_policy, 'all', 'no other one can be reset');
    });

    it('the durable of connect is updated in place, and where it must be made anew it keeps what was acknowledged', async () => {
      const beginning = { deliver_policy: 'by_start_sequence', opt_start_seq: 4 };
      const { durable_name: name } = pushed;
      for (const changes of [{ ack_wait: 1_000_000_000 }, { deliver_subject: 'elsewhere' }, { ack_policy: 'all' }]) {
        const config = { ...pushed, ...beginning, ...changes };
        await api(`CONSUMER.DURABLE.CREATE.${STREAM}.${name}`, { stream_name: STREAM, config });
        const found = await reconcile([pushed]);
        assert.deepEqual([names(found)[name], found.durableAttempts?.size], [3, 0], JSON.stringify(changes));
        const now = await configOf(name);
        assert.deepEqual({ ...now, ...pushed, ...beginning }, now);
        if ('ack_policy' in changes) assert.deepEqual(await take(3), [4, 5, 6]);
        await api(`CONSUMER.DELETE.${STREAM}.${name}`);
      }
    });

    it('what connect has not acknowledged counts as waiting for it', async () => {
      await reconcile([pushed]);
      assert.deepEqual(await take(6, false), [1, 2, 3, 4, 5, 6]);
      await until('nobody is subscribed', async () => (await reconcile([pushed])).durables?.[0]?.bound === false);
      const [found] = (await reconcile([pushed])).durables ?? [];
      assert.deepEqual([found?.pending, found?.unacknowledged, found?.waiting], [6, 6, 0]);
      const subscription = administrator.subscribe(pushed.deliver_subject);
      await until('somebody is subscribed', async () => (await reconcile([pushed])).durables?.[0]?.bound === true);
      subscription.unsubscribe();
    });
  });
});

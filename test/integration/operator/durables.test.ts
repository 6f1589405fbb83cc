import assert from 'node:assert/strict';
import type { NatsConnection } from 'nats';
import { type DurableConfig, durableConfig } from '../../../common/contract/durable.ts';
import { reconcileDurables } from '../../../operator/controller/durables.ts';
import { type JetStream, openJetStream } from '../../../operator/nats/consumers.ts';
import type { DurableAttempts } from '../../../operator/plan/observed/observed.ts';
import { until } from '../../kit/processes/process.ts';
import { EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
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

  const reconcile = (durables: readonly DurableConfig[], before = NONE, now = Date.now()) =>
    reconcileDurables(own, durables, before, now);

  it('are made but for one that a limit refuses, which is said in the words of the server and tried once a minute', async () => {
    await streamWith({ max_consumers: 2 });
    const now = Date.now();
    const first = await reconcile(wanted, NONE, now);
    assert.deepEqual(
      first.durables?.map(({ name }) => name),
      [b, c],
    );
    assert.equal(first.problem, undefined);
    assert.deepEqual([...(first.durableAttempts ?? NONE).keys()], [d]);
    const refusal = first.durableAttempts?.get(d)?.refusal;
    assert.equal(refusal?.lasting, true);
    assert.match(refusal?.message ?? '', new RegExp(`CREATE\\.${STREAM}\\.${d}.*maximum consumers limit reached`));

    const again = await reconcile(wanted, first.durableAttempts, now + 1_000);
    assert.deepEqual(again.durableAttempts, first.durableAttempts);
    await until('every write is seen', () => writes.length >= 3);
    assert.deepEqual(writes, [b, c, d]);
    // Room is made, and a minute later the third one fits.
    const without = wanted.slice(1);
    const later = await reconcile(without, again.durableAttempts, now + 61_000);
    assert.deepEqual(
      later.durables?.map(({ name }) => name),
      [c, d],
    );
    assert.equal(later.durableAttempts?.size, 0);
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
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  ackSubjects,
  DURABLE,
  durableConfig,
  IMPOSSIBLE_PULL,
  MAX_BATCH_MESSAGES,
  pullSubject,
  resetSubject,
} from '../../../../common/contract/durable.ts';
import { decodeSettings } from '../../../../common/contract/settings.ts';
import { PULL } from '../../../../sidecar/nats/peer-stream.ts';
import { nextPull } from '../../../../sidecar/nats/pull-plan.ts';

describe('the durable consumer of a peer', () => {
  it('is asked and acknowledged on subjects of its stream and its name', () => {
    assert.equal(pullSubject('EVENTS', 'lfh-sync-b'), '$JS.API.CONSUMER.MSG.NEXT.EVENTS.lfh-sync-b');
    assert.equal(resetSubject('EVENTS', 'lfh-sync-b'), '$JS.API.CONSUMER.RESET.EVENTS.lfh-sync-b');
    assert.deepEqual(ackSubjects('EVENTS', 'lfh-sync-b'), [
      '$JS.ACK.EVENTS.lfh-sync-b.>',
      '$JS.ACK.*.*.EVENTS.lfh-sync-b.*.*.*.*.>',
    ]);
  });

  it('is made with what sidecars of any version rely on', () => {
    assert.deepEqual(durableConfig('hospital-b'), {
      durable_name: 'lfh-sync-hospital-b',
      description: 'lfh-sync: what is sent to "hospital-b"',
      deliver_policy: 'all',
      ack_policy: 'all',
      ack_wait: 30_000_000_000,
      max_ack_pending: 20_000,
      max_batch: 5_000,
      max_expires: 5_000_000_000,
      max_waiting: 16,
      filter_subject: 'EVENTS.sync',
    });
  });

  it('refuses the impossible pull: its heartbeat does not fit twice into the time that it waits', () => {
    const { expires, idle_heartbeat: heartbeat, batch } = JSON.parse(IMPOSSIBLE_PULL) as Record<string, number>;
    assert.ok(Number(heartbeat) * 2 > Number(expires));
    assert.ok(Number(batch) <= DURABLE.maxBatch, 'it would be refused for another reason');
  });
});

describe('what the sidecar asks of a durable', () => {
  it('waits for less long than the durable allows, and asks for no more than it allows', () => {
    assert.ok(PULL.expiresMs > 0 && PULL.expiresMs < DURABLE.maxExpiresMs);
    assert.ok(PULL.maxBatch > 0 && PULL.maxBatch <= DURABLE.maxBatch);
  });

  it('is never a larger pull, nor more pulls at once, than the durable takes from several sidecars', () => {
    const amount = { messages: fc.integer({ min: 1, max: 2 * MAX_BATCH_MESSAGES }), bytes: fc.integer({ min: 1 }) };
    fc.assert(
      fc.property(fc.record(amount), fc.boolean(), fc.record(amount), (limits, oversized, most) => {
        const outstanding = { messages: 0, bytes: 0 };
        let pulls = 0;
        for (;;) {
          const held = { messages: 0, bytes: 0 };
          const pull = nextPull(limits, PULL.maxBatch, { held, outstanding, pulls, oversized, most });
          if (!pull) break;
          assert.ok(pull.batch >= 1 && pull.batch <= DURABLE.maxBatch);
          pulls += 1;
          outstanding.messages += pull.batch;
          outstanding.bytes += pull.maxBytes ?? 0;
        }
        // Pulls of up to three sidecars that have stopped count until they expire.
        assert.ok(pulls >= 1 && pulls * 4 <= DURABLE.maxWaiting, `${pulls} pulls`);
      }),
    );
  });

  it('is two batches of messages without an acknowledgement at most, whatever LFH_SYNC_BATCH_MAX_MESSAGES says', () => {
    const decode = (messages: number): number =>
      decodeSettings((name) => (name === 'LFH_SYNC_BATCH_MAX_MESSAGES' ? String(messages) : undefined))
        .batchMaxMessages;
    assert.ok(decode(MAX_BATCH_MESSAGES) * 2 <= DURABLE.maxAckPending);
    assert.throws(() => decode(MAX_BATCH_MESSAGES + 1), /LFH_SYNC_BATCH_MAX_MESSAGES/);
  });
});

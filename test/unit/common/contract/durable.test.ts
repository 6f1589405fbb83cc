import assert from 'node:assert/strict';
import { DURABLE, durableConfig } from '../../../../common/contract/durable.ts';
import { syncName } from '../../../../common/contract/names.ts';

describe("a peer's durable", () => {
  it('can be reset, is acknowledged by the batch, and holds two of the largest batches', () => {
    const config = durableConfig('hospital-b');
    assert.deepEqual(config, {
      durable_name: 'lfh-sync-hospital-b',
      description: 'lfh-sync: what is sent to "hospital-b"',
      deliver_policy: 'all',
      ack_policy: 'all',
      ack_wait: 30e9,
      max_ack_pending: 20_000,
      max_batch: 5_000,
      max_expires: 5e9,
      max_waiting: 16,
      filter_subject: 'EVENTS.sync',
    });
    assert.ok(config.max_ack_pending >= 2 * DURABLE.maxBatch);
  });

  it('has the same name at both sites, whatever characters the id of the peer has', () => {
    assert.equal(durableConfig('a.b').durable_name, syncName('a.b'));
    assert.notEqual(durableConfig('a.b').durable_name, durableConfig('a-b').durable_name);
  });
});

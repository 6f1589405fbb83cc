import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  connectName,
  isOwnDurable,
  isPositionTopic,
  otherDurable,
  ownersPartition,
  partitionOf,
  positionTopic,
  redriveId,
  redriveTopic,
  shortName,
  statusSubject,
  syncName,
  transactionalId,
} from '../../../../common/contract/names.ts';

describe('the sync name of a node', () => {
  it('is made of its lfh_id when that is harmless, and never has a character with a meaning', () => {
    assert.equal(syncName('hospital-a'), 'lfh-sync-hospital-a');
    fc.assert(fc.property(fc.string(), (id) => assert.match(syncName(id), /^lfh-sync-[A-Za-z0-9_-]{1,52}$/)));
  });

  it('is different for different lfh_ids, also for those with dots and those that look like a hash', () => {
    const ids = ['a', 'a.b', 'a-b', 'a_b', 'a*b', '>', 'A', 'x'.repeat(48), 'x'.repeat(49), syncName('a.b').slice(9)];
    assert.equal(new Set(ids.map(syncName)).size, ids.length);
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        assert.equal(syncName(one) === syncName(other), one === other);
      }),
    );
  });

  it('is recognized, and shortened to what is its own', () => {
    assert.ok(isOwnDurable(syncName('hospital-a')));
    assert.ok(!isOwnDurable('hospital-a'));
    assert.equal(shortName(syncName('hospital-a')), 'hospital-a');
  });

  it('differs from the name where connect itself receives, whatever the ids are, and each leads to the other', () => {
    assert.equal(connectName('hospital-a'), 'lfh-connect-hospital-a');
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        const name = connectName(one);
        assert.notEqual(name, syncName(other));
        assert.ok(isOwnDurable(name));
        assert.deepEqual([otherDurable(name), otherDurable(syncName(one))], [syncName(one), name]);
      }),
    );
    assert.equal(otherDurable('SYNC'), 'SYNC');
  });

  it('belongs to one of the 64 partitions that spread the peers', () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        const partition = ownersPartition(syncName(id));
        assert.ok(partition >= 0 && partition < 64);
      }),
    );
  });
});

describe('names that are kept in Kafka and NATS', () => {
  const peer = syncName('hospital-a');

  it('stay the same in every version, or positions and the order of records would be lost', () => {
    assert.equal(positionTopic(peer), 'LFH_SYNC_POSITION_lfh-sync-hospital-a');
    assert.equal(transactionalId('local', peer), 'lfh-sync.local.lfh-sync-hospital-a');
    assert.equal(redriveTopic(peer), 'LFH_SYNC_POSITION_redrive-lfh-sync-hospital-a');
    assert.equal(redriveId('local', peer), 'lfh-sync.local.lfh-sync-hospital-a.redrive');
    assert.equal(statusSubject('local'), 'lfh-sync.local.status');
    assert.equal(ownersPartition(peer), 24);
    assert.deepEqual(
      [1, 5, 7, 10].map((partitions) => partitionOf(peer, partitions)),
      [0, 2, 3, 2],
    );
    assert.equal(syncName('hospital.a'), 'lfh-sync-uwzgo72svs6vwnswl6a3wnivsl3fextiwzhkyy5a5vpp5otvwoda');
  });

  it('tell a position topic from any other topic', () => {
    assert.ok(isPositionTopic(positionTopic(peer)));
    assert.ok(isPositionTopic(redriveTopic(peer)));
    assert.ok(!isPositionTopic('LFH_SYNC'));
  });
});

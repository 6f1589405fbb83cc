import assert from 'node:assert/strict';
import { OWNERS_PARTITIONS } from '../../../../common/contract/names.ts';
import { partitionsOf, shares } from '../../../../sidecar/kafka/group-protocol.ts';

describe('the shares of the owners group', () => {
  const all = Array.from({ length: OWNERS_PARTITIONS }, (_, partition) => partition);

  for (const members of [['one'], ['one', 'two'], ['c', 'a', 'b'], Array.from({ length: 70 }, (_, nth) => `m${nth}`)]) {
    it(`give each partition to one member, and as many to each as to any other: ${members.length}`, () => {
      const given = shares(members);
      assert.deepEqual(given.map(({ memberId }) => memberId).sort(), [...members].sort());
      const held = given.map(({ memberAssignment }) => [...partitionsOf(memberAssignment)]);
      assert.deepEqual(
        held.flat().sort((a, b) => a - b),
        all,
      );
      const counts = held.map(({ length }) => length);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
    });
  }

  it('are the same whoever leads, in whatever order Kafka lists the members', () => {
    assert.deepEqual(shares(['b', 'c', 'a']), shares(['a', 'b', 'c']));
  });

  it('are nothing for a member that came too late for one', () => {
    assert.equal(partitionsOf(Buffer.alloc(0)).size, 0);
  });
});

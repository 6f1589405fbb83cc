import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Mark, type Place, Redriven } from '../../../../sidecar/replay/redriven.ts';

const at = (offset: number, partition = 0, time = 1_000 + offset): Place => ({ partition, offset, time });

/** What Kafka keeps of marks: the newest value of each key. */
function keep(kept: Map<string, string>, marks: readonly Mark[]): Map<string, string> {
  for (const { key, value } of marks) {
    if (value === null) kept.delete(key);
    else kept.set(key, value);
  }
  return kept;
}

function read(kept: ReadonlyMap<string, string>): Redriven {
  const found = Redriven.read(kept);
  assert.ok(found);
  return found;
}

describe('the set of what was redriven', () => {
  it('has what was added and nothing else, also when it is read back after each addition', () => {
    const places = fc.array(fc.array(fc.tuple(fc.nat(100_000), fc.nat(2)), { maxLength: 20 }), { maxLength: 5 });
    fc.assert(
      fc.property(places, (additions) => {
        const kept = new Map<string, string>();
        const added = new Set<string>();
        for (const some of additions) {
          keep(kept, read(kept).add(some.map(([offset, partition]) => at(offset, partition))));
          for (const [offset, partition] of some) added.add(`${offset} ${partition}`);
        }
        const found = read(kept);
        for (const [offset, partition] of additions.flat()) {
          for (const near of [offset - 1, offset, offset + 1].filter((each) => each >= 0)) {
            assert.equal(found.has(at(near, partition)), added.has(`${near} ${partition}`), `${near} of ${partition}`);
          }
        }
      }),
    );
  });

  it('is small, however many were redriven one by one', () => {
    const kept = new Map<string, string>();
    const found = read(kept);
    for (let offset = 0; offset < 100_000; offset += 2) keep(kept, found.add([at(offset)]));
    assert.equal(kept.size, 13);
    assert.ok([...kept.values()].every((value) => value.length < 1_500));
  });

  it('forgets what LFH_EXCEPTION has not any more, and the partitions that it has not', () => {
    const kept = new Map<string, string>();
    const found = read(kept);
    keep(kept, found.add([at(100), at(8_192), at(20_000), at(5, 7)]));
    const marks = found.forget([{ partition: 0, first: 8_193 }]);
    assert.deepEqual(marks, [
      { key: 'redriven/0/0', value: null },
      { key: 'redriven/7/0', value: null },
    ]);
    const [again, before] = [read(keep(kept, marks)), found];
    for (const each of [again, before]) {
      assert.deepEqual(
        [at(100), at(8_192), at(20_000), at(5, 7)].map((place) => each.has(place)),
        [false, true, true, false],
      );
    }
  });

  it('says nothing of a topic that was deleted and made again', () => {
    const found = read(new Map());
    found.add([at(20), at(10), at(30)]);
    assert.equal(found.has(at(10, 0, 5_000)), false);
    assert.equal(found.has(at(20, 0, 5_001)), false);
    assert.equal(found.has(at(30, 0, 5_002)), false);
  });

  it("says nothing of a topic that was made again, where the first place in it is another peer's", () => {
    const kept = new Map<string, string>();
    const before = read(kept);
    // Of two the clock that wrote the later one was behind.
    keep(kept, before.add([at(0), at(1, 0, 1_500), at(2), at(3)]));
    for (const found of [before, read(kept)]) {
      assert.equal(found.has(at(1, 0, 1_500)), true);
      assert.equal(found.has(at(5, 0, 9_000)), false);
      assert.equal(found.has(at(2, 0, 9_001)), false);
      assert.equal(found.has(at(3)), false);
    }
    keep(kept, before.add([at(2, 0, 9_001)]));
    assert.equal(read(kept).has(at(2, 0, 9_001)), true);
    assert.equal(read(kept).has(at(3, 0, 9_002)), false);
  });

  it('forgets what was marked in a topic that was made again, and not what was added before that showed', () => {
    for (const shown of [at(300, 0, 9_001), at(300, 0, 9_000)]) {
      const kept = keep(new Map<string, string>(), read(new Map()).add([at(300)]));
      const found = read(kept);
      const first = [at(0, 0, 9_000), at(199, 0, 9_000)];
      keep(kept, found.add(first));
      assert.equal(found.has(shown), false, 'it is another record');
      assert.deepEqual(
        first.map((place) => found.has(place)),
        [true, true],
      );
      keep(kept, found.add([at(301, 0, 9_001)]));
      const again = read(kept);
      assert.deepEqual(
        [...first, shown, at(301, 0, 9_001)].map((place) => again.has(place)),
        [true, true, false, true],
      );
    }
  });

  it('goes on with a chunk of an earlier version, of which no more than the first time is known', () => {
    const bits = Buffer.alloc(1_024);
    bits[0] = 0b1110;
    const kept = new Map([
      ['redriven/0/0', JSON.stringify({ first: { offset: 1, time: 1_001 }, bits: bits.toString('base64') })],
    ]);
    assert.equal(read(kept).has(at(3, 0, 9_000)), true);
    keep(kept, read(kept).add([at(4)]));
    assert.equal(read(kept).has(at(3, 0, 9_000)), true);
    assert.equal(read(kept).has(at(1, 0, 9_000)), false);
  });

  it('is not read from what somebody else has written', () => {
    const [{ key, value }] = read(new Map()).add([at(1)]) as [Mark];
    assert.ok(Redriven.read(new Map([[key, value as string]])));
    assert.equal(Redriven.read(new Map([[key, '{}']])), undefined);
    assert.equal(Redriven.read(new Map([[key, '{"first":{"offset":1,"time":1},"bits":"AAAA"}']])), undefined);
    assert.equal(Redriven.read(new Map([['redriven/x', value as string]])), undefined);
    const { first, bits } = JSON.parse(value as string) as Record<string, unknown>;
    assert.ok(Redriven.read(new Map([[key, JSON.stringify({ first, bits })]])));
    assert.equal(Redriven.read(new Map([[key, JSON.stringify({ first, newest: 'x', bits })]])), undefined);
  });
});

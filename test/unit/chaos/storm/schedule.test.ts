import assert from 'node:assert/strict';
import {
  castOf,
  FAULT_NAMES,
  type Fault,
  MOST_AT_ONCE,
  SITES,
  schedule,
  usedBy,
  waysHitBy,
} from '../../../chaos/storm/schedule.ts';

const MINUTES = 15;
const SEEDS = Array.from({ length: 50 }, (_, seed) => seed);

describe('the schedule of a storm', () => {
  const isUnderWay = (at: number) => (fault: Fault) => fault.at <= at && at < fault.at + fault.for;

  it('is the same for the same seed, and another one for another seed', () => {
    for (const seed of SEEDS) {
      assert.deepEqual(schedule(seed, MINUTES), schedule(seed, MINUTES));
      assert.notDeepEqual(schedule(seed, MINUTES), schedule(seed + 1, MINUTES));
    }
  });

  it('casts the sites in the same way for the same seed, and each site in each part for some', () => {
    assert.deepEqual(castOf(7), castOf(7));
    const casts = SEEDS.map(castOf);
    assert.deepEqual(new Set(casts.map(({ sharedAccount }) => sharedAccount)), new Set(SITES));
    assert.deepEqual(new Set(casts.map(({ oldNats }) => oldNats)), new Set([...SITES, undefined]));
  });

  it('has every kind of fault at least twice in a quarter of an hour', () => {
    for (const seed of SEEDS) {
      const faults = schedule(seed, MINUTES);
      for (const name of FAULT_NAMES) {
        const times = faults.filter(({ fault }) => fault === name).length;
        assert.ok(times >= 2, `seed ${seed} has "${name}" ${times} times`);
      }
    }
  });

  it('ends each fault before the storm ends, also in a short one', () => {
    for (const seed of SEEDS) {
      for (const minutes of [1, 2, MINUTES]) {
        const faults = schedule(seed, minutes);
        assert.ok(faults.length > 3 * minutes, `${faults.length} faults in ${minutes} minutes`);
        for (const fault of faults) assert.ok(fault.for >= 0 && fault.at + fault.for < minutes * 60_000);
      }
    }
  });

  it('has a bounded number of faults at a time, and some of them together', () => {
    for (const seed of SEEDS) {
      const faults = schedule(seed, MINUTES);
      const together = faults.map(({ at }) => faults.filter(isUnderWay(at)).length);
      assert.ok(Math.max(...together) <= MOST_AT_ONCE);
      assert.ok(together.filter((count) => count > 1).length > 20, 'hardly any are combined');
    }
  });

  it('lets no two faults use the same thing at the same time', () => {
    for (const seed of SEEDS) {
      const faults = schedule(seed, MINUTES);
      for (const fault of faults) {
        const others = faults.filter((other) => other !== fault && isUnderWay(fault.at)(other));
        const inUse = others.flatMap(usedBy);
        assert.deepEqual(
          usedBy(fault).filter((thing) => inUse.includes(thing)),
          [],
        );
      }
    }
  });

  it('knows which ways a fault can hold up', () => {
    assert.deepEqual(waysHitBy({ fault: 'sidecar: kill -9', where: 'hospital-a/2' }), [
      'hospital-b>hospital-a',
      'hospital-c>hospital-a',
    ]);
    assert.deepEqual(waysHitBy({ fault: 'NATS: SIGSTOP', where: 'hospital-a' }), [
      'hospital-a>hospital-b',
      'hospital-a>hospital-c',
    ]);
    assert.deepEqual(waysHitBy({ fault: 'line to a peer: cut', where: 'hospital-c>hospital-a' }), [
      'hospital-c>hospital-a',
    ]);
  });
});

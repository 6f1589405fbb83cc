import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { Allowance } from '../../../../sidecar/session/allowance.ts';

const DAY_MS = 86_400_000;
const MIDNIGHT = Date.parse('2026-11-29T00:00:00Z');

describe('what a peer may bring', () => {
  let now: number;

  beforeEach(() => {
    now = 5_000;
    mock.method(performance, 'now', () => now);
  });
  afterEach(() => mock.restoreAll());

  /** Takes all that may be taken. */
  function take(allowance: Allowance): number {
    const taken = allowance.messages;
    for (let nth = 0; nth < taken; nth += 1) allowance.took(1, 0);
    return taken;
  }

  it('is everything without limits', () => {
    const allowance = new Allowance().apply(undefined);
    allowance.took(1e15, MIDNIGHT);
    assert.equal(allowance.messages, Number.POSITIVE_INFINITY);
    assert.equal(allowance.ahead(4_000), 4_000);
    assert.equal(allowance.findUsedUp(MIDNIGHT), undefined);
  });

  it('is so many messages a second, and no more after a silence', () => {
    const allowance = new Allowance().apply({ messagesPerSecond: 10 });
    let taken = 0;
    for (const start = now; now < start + 60_000; now += 50) taken += take(allowance);
    assert.ok(taken > 590 && taken <= 601, `${taken} in a minute`);
    now += 3_600_000;
    assert.equal(take(allowance), 10);
    assert.equal(take(allowance), 0);
    assert.equal(allowance.ahead(4_000), 50);
  });

  it('is so many bytes a day, of which it says when the day is over', () => {
    const allowance = new Allowance().apply({ bytesPerDay: 1_000 });
    allowance.took(999, MIDNIGHT - 2);
    assert.equal(allowance.findUsedUp(MIDNIGHT - 2), undefined);
    allowance.took(1, MIDNIGHT - 1);
    const usedUp = allowance.findUsedUp(MIDNIGHT - 1);
    assert.equal(usedUp?.until, MIDNIGHT);
    assert.equal(usedUp.reason, 'Throttled');
    assert.match(usedUp.message, /from 2026-11-29T00:00:00\.000Z on/);
    assert.equal(allowance.findUsedUp(MIDNIGHT), undefined);
    allowance.took(999, MIDNIGHT);
    assert.equal(allowance.findUsedUp(MIDNIGHT + DAY_MS - 1), undefined);
  });

  it('counts what it has brought today also for limits that were changed', () => {
    const allowance = new Allowance().apply(undefined);
    allowance.took(1_000, MIDNIGHT);
    assert.ok(allowance.apply({ bytesPerDay: 1_000 }).findUsedUp(MIDNIGHT));
    assert.equal(allowance.apply({ bytesPerDay: 1_001 }).findUsedUp(MIDNIGHT), undefined);
  });
});

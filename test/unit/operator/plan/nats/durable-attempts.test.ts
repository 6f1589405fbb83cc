import assert from 'node:assert/strict';
import { durableConfig } from '../../../../../common/contract/durable.ts';
import { isDue } from '../../../../../operator/plan/nats/durable-attempts.ts';
import type { DurableAttempt } from '../../../../../operator/plan/observed/observed.ts';
import { NOW } from '../fixtures.ts';

describe('a durable that is not as it should be', () => {
  const wanted = durableConfig('b');
  const found = { ...wanted, inactive_threshold: 86_400_000_000_000 };
  const refusal = { message: 'limit reached', lasting: true };
  const last = (changes: Partial<DurableAttempt>): DurableAttempt => ({
    wanted,
    found: undefined,
    at: NOW,
    refusal: undefined,
    ...changes,
  });

  it('is written when that was never tried, or when it or what is wanted has changed since', () => {
    assert.equal(isDue(undefined, wanted, undefined, NOW), true);
    assert.equal(isDue(last({ refusal }), durableConfig('b', 5_000), undefined, NOW), true);
    assert.equal(isDue(last({ refusal }), wanted, found, NOW), true);
    assert.equal(isDue(last({ found }), wanted, undefined, NOW), true);
  });

  it('is written once where the server sets a field of its own', () => {
    assert.equal(isDue(last({ found }), wanted, { ...found }, NOW + 86_400_000), false);
  });

  it('is written again after a minute where a limit has refused it, and at once where the server was not available', () => {
    assert.equal(isDue(last({ refusal }), wanted, undefined, NOW + 59_000), false);
    assert.equal(isDue(last({ refusal }), wanted, undefined, NOW + 60_000), true);
    assert.equal(isDue(last({ refusal: { ...refusal, lasting: false } }), wanted, undefined, NOW), true);
  });

  it('is written again after a minute although the clock was set back by an hour', () => {
    assert.equal(isDue(last({ refusal }), wanted, undefined, NOW - 3_600_000), true);
  });
});

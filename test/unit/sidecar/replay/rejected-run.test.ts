import assert from 'node:assert/strict';
import type { BatchPlan } from '../../../../sidecar/replay/batch-plan.ts';
import type { Rejection } from '../../../../sidecar/replay/decide.ts';
import type { Delivered } from '../../../../sidecar/replay/delivered.ts';
import { advanceRejections, NO_REJECTIONS, rejectedRun } from '../../../../sidecar/replay/rejected-run.ts';

const delivered = (streamSequence: number) => ({ streamSequence }) as Delivered;
const notJson: Rejection = { kind: 'reject', reason: 'NotJson', detail: '' };
const foreign = (origin?: string): Rejection => ({
  kind: 'reject',
  reason: 'ForeignOrigin',
  detail: '',
  ...(origin !== undefined && { origin }),
});

/** A batch with a rejection at each of these sequences, and a replay at each of the others. */
function batch(rejections: readonly (readonly [sequence: number, rejection: Rejection])[], replays: readonly number[]) {
  return {
    replays: replays.map((sequence) => ({ delivered: delivered(sequence) })),
    rejections: rejections.map(([sequence, rejection]) => ({ delivered: delivered(sequence), rejection })),
  } as unknown as BatchPlan;
}

const after = (...batches: readonly BatchPlan[]) => rejectedRun(batches.reduce(advanceRejections, NO_REJECTIONS));

describe('a run of rejections', () => {
  it('is absent before anything was rejected, and in a batch of nothing but skips', () => {
    assert.equal(after(), null);
    assert.equal(after(batch([], [])), null);
  });

  it('goes on from batch to batch, and over a batch of nothing but skips', () => {
    const run = after(batch([[1, notJson]], []), batch([], []), batch([[5, notJson]], []));
    assert.deepEqual(run, { count: 2, reason: 'NotJson', origin: null });
  });

  it('ends with a replayed message, and counts only what was rejected behind it', () => {
    const before = batch([[1, notJson]], []);
    assert.equal(after(before, batch([[2, notJson]], [3])), null);
    const behind = batch(
      [2, 5].map((sequence) => [sequence, notJson] as const),
      [3],
    );
    assert.equal(after(before, behind)?.count, 1);
  });

  it('has the commonest reason, and of foreign origins the newest that can be shown', () => {
    const foreigners = batch(
      [
        [1, foreign('pod-1')],
        [2, foreign('pod-2')],
        [3, foreign()],
        [4, notJson],
      ],
      [],
    );
    assert.deepEqual(after(foreigners), { count: 4, reason: 'ForeignOrigin', origin: 'pod-2' });
    const mostlyNotJson = after(
      foreigners,
      batch(
        [5, 6, 7].map((sequence) => [sequence, notJson] as const),
        [],
      ),
    );
    assert.deepEqual(mostlyNotJson, { count: 7, reason: 'NotJson', origin: null });
  });
});

import assert from 'node:assert/strict';
import type { Rejected } from '../../../../sidecar/replay/exception.ts';
import {
  beginRun,
  count,
  decodeRun,
  encodeRun,
  isAskedFor,
  isRunOf,
  moveTo,
  runStatus,
} from '../../../../sidecar/replay/redrive-run.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const ranges = [
  { partition: 2, next: 5, end: 10 },
  { partition: 0, next: 0, end: 0 },
];
const run = beginRun({ id: 'one', dryRun: false, reasons: ['TooLarge'], since: '2026-11-27T00:00:00Z' }, ranges, NOW);

describe('a run of a redrive', () => {
  it('is read back as it was written, wherever it is', () => {
    for (const each of [run, moveTo(count(run, { replayed: 3, rejected: 2, missing: 1 }), 2, 8)]) {
      assert.deepEqual(decodeRun(encodeRun(each)), each);
    }
  });

  it('is not read from what is none', () => {
    const without = (field: string) => JSON.stringify({ ...run, [field]: undefined });
    for (const value of ['', 'null', '[]', ...Object.keys(run).map(without), JSON.stringify({ ...run, ranges: [1] })]) {
      assert.equal(decodeRun(value), undefined, value);
    }
  });

  it('is of one id, and a dry run does not use that up', () => {
    assert.equal(isRunOf(run, { id: 'one', dryRun: false }), true);
    assert.equal(isRunOf(run, { id: 'two', dryRun: false }), false);
    assert.equal(isRunOf(run, { id: 'one', dryRun: true }), false);
  });

  it('asks for what was rejected for one of its reasons, at its time or later', () => {
    const rejected = { reason: 'TooLarge', time: run.since } as Rejected;
    assert.equal(isAskedFor(run, rejected), true);
    assert.equal(isAskedFor(run, { ...rejected, time: run.since - 1 }), false);
    assert.equal(isAskedFor(run, { ...rejected, reason: 'NotJson' }), false);
    const all = beginRun({ id: 'one', dryRun: false }, ranges, NOW);
    assert.equal(isAskedFor(all, { ...rejected, reason: 'NotJson', time: 0 }), true);
  });

  it('is reported as it goes: running, waiting for something, done', () => {
    const counted = count(run, { replayed: 3, rejected: 2, missing: 1 });
    const reported = {
      id: 'one',
      dryRun: false,
      state: 'Running',
      message: '',
      found: 6,
      replayed: 3,
      rejected: 2,
      missing: 1,
      startedAt: '2026-11-28T12:00:00.000Z',
      finishedAt: null,
    };
    assert.deepEqual(runStatus(counted), reported);
    assert.deepEqual(runStatus(counted, 'Kafka'), { ...reported, state: 'Waiting', message: 'Kafka' });
    const finishedAt = '2026-11-28T12:01:00.000Z';
    assert.deepEqual(runStatus({ ...counted, finishedAt }), { ...reported, state: 'Done', finishedAt });
  });
});

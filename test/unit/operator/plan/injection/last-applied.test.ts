import assert from 'node:assert/strict';
import type { Workload } from '../../../../../operator/api/objects.ts';
import { INJECTION_MANAGER } from '../../../../../operator/plan/injection/injection.ts';
import {
  isUpToDate,
  type LastApplied,
  lastAppliedAfter,
  undoneTooOften,
} from '../../../../../operator/plan/injection/last-applied.ts';
import { metadata, workload } from './fixtures.ts';

describe('the last apply to a workload', () => {
  const ours = workload({}, { metadata: metadata([{ manager: INJECTION_MANAGER }]) });
  const at = (generation: number): Workload => ({ ...ours, metadata: { ...ours.metadata, generation } });
  const put = (last: LastApplied | undefined, from: number, to: number, now: number, text = 't'): LastApplied =>
    lastAppliedAfter(text, { before: at(from), after: at(to) }, last, now);

  it('is up to date until the workload, the applied text, or the record of our fields changes', () => {
    const last = put(undefined, 3, 4, 0);
    assert.equal(isUpToDate('t', at(4), last), true);
    assert.equal(isUpToDate('t', at(5), last), false);
    assert.equal(isUpToDate('other', at(4), last), false);
    assert.equal(isUpToDate('t', at(4), undefined), false);
    assert.equal(isUpToDate('t', { ...at(4), metadata: { ...at(4).metadata, uid: 'new' } }, last), false);
    assert.equal(isUpToDate('t', { ...at(4), metadata: { ...at(4).metadata, managedFields: [] } }, last), false);
  });

  it('is undone too often after five times in ten minutes, and the refusal names who writes there', () => {
    const helm = { manager: 'helm', fieldsV1: { 'f:spec': { 'f:template': {} } } };
    const scaler = { manager: 'scaler', fieldsV1: { 'f:spec': { 'f:replicas': {} } } };
    const contested = workload({}, { metadata: metadata([helm, scaler, { manager: INJECTION_MANAGER }]) });
    let last = put(undefined, 1, 2, 0);
    for (let n = 1; n <= 5; n += 1) {
      assert.equal(undoneTooOften(contested, last, n * 60_000), undefined);
      last = put(last, 2 * n + 1, 2 * n + 2, n * 60_000);
    }
    const refusal = undoneTooOften(contested, last, 300_001);
    assert.equal(refusal?.reason, 'Conflict');
    assert.match(refusal?.message ?? '', /\(helm\)/);
    assert.equal(undoneTooOften(contested, last, 661_000), undefined);
  });

  it('is not counted as undone where we apply something else or the apply changed nothing', () => {
    let last = put(undefined, 1, 2, 0);
    for (let n = 1; n <= 9; n += 1) last = put(last, 2, 2, n);
    for (let n = 1; n <= 9; n += 1) last = put(last, n, n + 1, n, `t${n}`);
    assert.deepEqual(last.restored, []);
  });
});

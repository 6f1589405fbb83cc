import assert from 'node:assert/strict';
import { RETRY_DEFAULTS } from '../../../../common/contract/fhir-servers.ts';
import { judge, type Verdict } from '../../../../sidecar/transmit/answer.ts';
import { type Circuit, CLOSED, circuitAfter } from '../../../../sidecar/transmit/circuit.ts';
import { withFaults } from '../../../../sidecar/transmit/crowd.ts';
import { dueNow, nextDue, surplusOf, takeIncoming } from '../../../../sidecar/transmit/due.ts';
import type { Incoming } from '../../../../sidecar/transmit/round.ts';
import { decodeState, encodeState, type Fault, MAX_PENDING, type Pending } from '../../../../sidecar/transmit/state.ts';

const NOW = Date.parse('2026-11-29T08:00:00Z');
const RETRY = RETRY_DEFAULTS;
const NO_ANSWER = judge({ kind: 'failed', reason: 'Unreachable', detail: 'it hangs' }, NOW);

function pending(offset: number, fault?: Fault, change: Partial<Pending> = {}): Pending {
  const known = { partition: 0, uuid: 'u', attempts: 1, since: NOW, notBefore: 0, ...(fault && { fault }) };
  return { ...known, offset: String(offset), key: `Patient/${offset}`, ...change };
}

function many(count: number, fault?: Fault, change: Partial<Pending> = {}): Pending[] {
  return Array.from({ length: count }, (_, offset) => pending(offset, fault, change));
}

function offsetsOf(all: readonly Pending[]): number[] {
  return all.map(({ offset }) => Number(offset));
}

function after(before: Circuit, ...outcomes: readonly (readonly [Fault | undefined, Verdict])[]): Circuit {
  const verdicts = new Map(outcomes.map(([fault, verdict]) => [{ pending: pending(1, fault) }, verdict]));
  return circuitAfter(before, verdicts, { retry: RETRY, random: 1, now: NOW, tookMs: 30_000 });
}

describe('resources for which a FHIR server failed while it took others', () => {
  it('are tried a few at a time, after the others, and first those that have waited longest for it', () => {
    const waiting = [
      ...many(20, 'passed').map((each, index) => ({ ...each, notBefore: NOW - index })),
      pending(50),
      pending(51, 'own', { notBefore: NOW + 1 }),
    ];
    assert.deepEqual(offsetsOf(dueNow(waiting, CLOSED, RETRY, NOW)), [50, 19, 18, 17, 16, 15, 14, 13, 12]);
  });

  it('are tried one version at a time, before which no newer one is', () => {
    const waiting = [
      pending(1, 'own', { key: 'k' }),
      pending(2, 'own', { key: 'k' }),
      pending(3, undefined, { key: 'k' }),
    ];
    assert.deepEqual(offsetsOf(dueNow(waiting, CLOSED, RETRY, NOW)), [1]);
    const resting = [pending(1, 'own', { key: 'k', notBefore: NOW + 1 }), ...waiting.slice(1)];
    assert.deepEqual(dueNow(resting, CLOSED, RETRY, NOW), []);
  });

  it('are left alone for as long as the round with them took, unless there is no room for what is new', () => {
    const circuit = after(CLOSED, ['own', NO_ANSWER], [undefined, { kind: 'done' }]);
    assert.deepEqual(circuit, { ...CLOSED, suspectsNotBefore: NOW + 30_000 });
    const waiting = [pending(1, 'own'), pending(2)];
    assert.deepEqual(offsetsOf(dueNow(waiting, circuit, RETRY, NOW)), [2]);
    assert.equal(nextDue(waiting.slice(0, 1), circuit, RETRY, NOW), NOW + 30_000);
    assert.deepEqual(offsetsOf(dueNow(waiting, circuit, RETRY, NOW + 30_000)), [2, 1]);
    const full = many(MAX_PENDING, 'own');
    assert.equal(dueNow(full, circuit, RETRY, NOW).length, 8);
    assert.equal(nextDue(full, circuit, RETRY, NOW), 0);
  });

  it('are tried alone where as many wait as may, since they have to make room', () => {
    const waiting = [...many(MAX_PENDING - 1), pending(999, 'own')];
    assert.deepEqual(offsetsOf(dueNow(waiting, CLOSED, RETRY, NOW)), [999]);
  });

  it('do not make a server look dead, and not alive either', () => {
    assert.equal(after(CLOSED, ['passed', NO_ANSWER], ['own', NO_ANSWER]).failures, 0);
    assert.equal(after(CLOSED, ['own', NO_ANSWER], [undefined, NO_ANSWER]).failures, 1);
    assert.equal(after({ failures: 3, notBefore: 0 }, ['own', NO_ANSWER], [undefined, NO_ANSWER]).failures, 4);
  });

  it('are not what a server that fails is asked with, where there is another', () => {
    const waiting = [pending(1, 'own'), pending(2, undefined, { attempts: 9 })];
    assert.deepEqual(offsetsOf(dueNow(waiting, { failures: 1, notBefore: 0 }, RETRY, NOW)), [2]);
  });

  it('give up all versions but the oldest and the newest, unless the server fails for all', () => {
    const versions = many(12, 'own', { key: 'k' });
    assert.deepEqual(offsetsOf(surplusOf(versions, CLOSED)), [1, 2, 3]);
    assert.deepEqual(surplusOf(versions, { failures: 1, notBefore: 0 }), []);
    assert.deepEqual(surplusOf([...versions, ...many(100, 'open')], CLOSED), []);
    assert.deepEqual(surplusOf(many(12, 'passed', { key: 'k' }), CLOSED), []);
  });

  it('are suspects no more when one version is taken', () => {
    const versions = many(2, 'own', { key: 'k' });
    const shown = { isTaking: true, isTelling: true, looksDown: false, lastOf: new Map([['k', 'done' as const]]) };
    assert.deepEqual(withFaults(versions, shown), many(2, undefined, { key: 'k' }));
  });

  it('are known over a take-over, and in a state of an earlier version there are none', () => {
    for (const fault of ['open', 'passed', 'own'] as const) {
      const state = { offsets: {}, pending: [pending(1, fault)] };
      assert.deepEqual(decodeState(encodeState(state)), state);
    }
    const unknown = encodeState({ offsets: {}, pending: [pending(1)] }).replace('"attempts"', '"fault":"x","attempts"');
    assert.equal(decodeState(unknown), undefined);
  });
});

describe('a FHIR server that fails while as many wait as may', () => {
  it('is asked with what is new, one at a time, a hundred times', () => {
    const reading = { kind: 'resource' } as Incoming['reading'];
    const place = { topic: 'LFH_SYNC', partition: 0, offset: '1' };
    const next = [1, 2].map(() => ({ place, value: Buffer.alloc(0), since: NOW, reading }));
    const failing = { failures: 1, notBefore: 0 };
    assert.equal(takeIncoming(next, MAX_PENDING + 99, failing, RETRY, NOW), 1);
    assert.equal(takeIncoming(next, MAX_PENDING + 100, failing, RETRY, NOW), 0);
    assert.equal(takeIncoming(next, MAX_PENDING, CLOSED, RETRY, NOW), 0);
  });
});

import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { RejectReason } from '../../../../common/contract/reasons.ts';
import { createLogger, type Logger, limitedChild } from '../../../../common/log.ts';
import type { BatchPlan } from '../../../../sidecar/replay/batch-plan.ts';
import { logCommitted } from '../../../../sidecar/session/replay-log.ts';

/** A batch in which messages are rejected for these reasons, and nothing else happens. */
function rejecting(...reasons: readonly RejectReason[]): BatchPlan {
  const rejections = reasons.map((reason, index) => ({
    delivered: {
      payload: Buffer.from('Jane Doe'),
      size: 8,
      streamSequence: index + 1,
      consumerSequence: index + 1,
      deliveryCount: 1,
      time: 0,
      pending: 0,
      cutOff: false,
      ack: () => undefined,
    },
    rejection: { kind: 'reject', reason, detail: 'why' } as const,
  }));
  const position = { stream: 'EVENTS', identity: 'i', sequence: 0, time: 0, consumerSequence: 0, from: 0 };
  return { replays: [], rejections, skips: new Map(), position };
}

describe('the log of a replay', () => {
  let now: number;
  let lines: { reason: string; count: number }[];
  let log: Logger;

  beforeEach(() => {
    now = 0;
    lines = [];
    mock.method(performance, 'now', () => now);
    const all = createLogger(
      { name: 'test', level: 'info' },
      { write: (line: string) => void lines.push(JSON.parse(line)) },
    );
    log = limitedChild(all, { peer: 'a' });
  });
  afterEach(() => mock.restoreAll());

  const logged = (): string[] => lines.map(({ reason, count }) => `${reason} ${count}`);

  it('has the first rejection at once, and one line for each reason', () => {
    logCommitted(log, rejecting('NotJson', 'Empty', 'NotJson'), () => []);
    assert.deepEqual(logged(), ['NotJson 2', 'Empty 1']);
    assert.doesNotMatch(JSON.stringify(lines), /Jane/);
  });

  it('has one line a minute for each reason with the count since the last one, however small the batches are', () => {
    for (; now <= 120_000; now += 1_000) logCommitted(log, rejecting('NotJson'), () => []);
    assert.deepEqual(logged(), ['NotJson 1', 'NotJson 60', 'NotJson 60']);
  });

  it('has the first rejection for another reason at once all the same', () => {
    logCommitted(log, rejecting('NotJson'), () => []);
    logCommitted(log, rejecting('NotJson', 'Empty'), () => []);
    assert.deepEqual(logged(), ['NotJson 1', 'Empty 1']);
  });
});

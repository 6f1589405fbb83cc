import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { createLogger, LINE_EVERY_MS, type Logger, limitedChild } from '../../../common/log.ts';

describe('a limited logger', () => {
  let now: number;
  let lines: Record<string, unknown>[];
  let all: Logger;

  beforeEach(() => {
    now = 1_000;
    lines = [];
    mock.method(performance, 'now', () => now);
    all = createLogger(
      { name: 'test', level: 'debug' },
      { write: (line: string) => void lines.push(JSON.parse(line)) },
    );
  });
  afterEach(() => mock.restoreAll());

  const written = (): unknown[] => lines.map(({ msg, reason, count, peer }) => [msg, reason, count, peer]);

  it('writes one line a minute of each text and reason, with how many there were', () => {
    const log = limitedChild(all, { peer: 'a' });
    for (let at = 0; at < 1_000; at += 1) {
      log.warn({ reason: 'Unreachable', at }, 'stopped');
      log.info({ at }, 'replaying');
    }
    log.warn({ reason: 'KeyRefused' }, 'stopped');
    now += LINE_EVERY_MS;
    log.warn({ reason: 'Unreachable', at: 'last' }, 'stopped');
    assert.deepEqual(written(), [
      ['stopped', 'Unreachable', undefined, 'a'],
      ['replaying', undefined, undefined, 'a'],
      ['stopped', 'KeyRefused', undefined, 'a'],
      ['stopped', 'Unreachable', 1_000, 'a'],
    ]);
    assert.equal(lines.at(-1)?.at, 'last');
  });

  it('does not let one peer take the lines of another, nor of what is not limited', () => {
    for (const peer of ['a', 'b']) limitedChild(all, { peer }).child({ more: 1 }).warn({}, 'stopped');
    for (let at = 0; at < 3; at += 1) all.warn({}, 'stopped');
    assert.deepEqual(
      written().map((line) => (line as unknown[])[3]),
      ['a', 'b', undefined, undefined, undefined],
    );
  });

  it('writes every line below info, which nobody asks for unless they are looked at', () => {
    const log = limitedChild(all, { peer: 'a' });
    for (let at = 0; at < 3; at += 1) log.debug({}, 'connected');
    assert.equal(lines.length, 3);
  });
});

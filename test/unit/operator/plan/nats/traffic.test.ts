import assert from 'node:assert/strict';
import { messagesPerSecond } from '../../../../../operator/plan/nats/traffic.ts';
import type { PeerConnection } from '../../../../../operator/plan/observed/observed.ts';

const MINUTE = 60;
const open = (id: string, sent: number, lastedSeconds: number): PeerConnection => {
  return { id, sent, lastedSeconds, closedForSeconds: 0 };
};

describe('messagesPerSecond', () => {
  const ROWS: readonly [
    what: string,
    before: readonly PeerConnection[],
    after: readonly PeerConnection[],
    expected: number,
  ][] = [
    ['nothing', [], [], 0],
    ['what a connection sent since', [open('1', 100, 3600)], [open('1', 700, 3660)], 10],
    ['all connections together', [open('1', 0, 1), open('2', 60, 1)], [open('1', 60, 61), open('2', 180, 61)], 3],
    ['the whole of a connection that is newer than the last look', [], [open('1', 600, 30)], 10],
    [
      'the average of one that is older and was not seen, as by a server that did not answer',
      [],
      [open('1', 6e6, 6e5)],
      10,
    ],
    ['one that was opened and closed since', [], [{ ...open('1', 600, 5), closedForSeconds: 20 }], 10],
    ['what one sent until it was closed', [open('1', 400, 9)], [{ ...open('1', 1000, 19), closedForSeconds: 50 }], 10],
    ['nothing of one that was closed before the last look', [], [{ ...open('1', 600, 5), closedForSeconds: 70 }], 0],
    ['nothing for a number that has shrunk', [open('1', 700, 9)], [open('1', 100, 69)], 0],
    ['a connection of which the server says no age', [], [open('1', 600, 0)], 10],
  ];
  for (const [what, before, after, expected] of ROWS) {
    it(`counts ${what}`, () => assert.equal(messagesPerSecond(before, after, MINUTE), expected));
  }

  it('says nothing after no time, or where the clock was set back', () => {
    for (const seconds of [0, 0.5, -60, Number.NaN]) {
      assert.equal(messagesPerSecond([], [open('1', 1e6, 10)], seconds), undefined);
    }
  });
});

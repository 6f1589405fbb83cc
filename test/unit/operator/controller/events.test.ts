import assert from 'node:assert/strict';
import type { Condition } from '../../../../operator/api/types.ts';
import { noticesOf, noticesOfRedrive } from '../../../../operator/controller/events.ts';
import { aPeer, durableOf, natsOf } from '../plan/fixtures.ts';
import { conditionsIn } from '../plan/status/peer-condition-rows.ts';

const well = conditionsIn({});
const stopped = conditionsIn({ dataPlane: { nats: natsOf([durableOf('b', { waiting: 0, lastActive: null })]) } });
const stalled = conditionsIn({ peer: aPeer('b', { spec: { ca: { inline: 'x' } } }) });

const noticed = (before: readonly Condition[], after: readonly Condition[]): string[] =>
  noticesOf(before, after).map(({ type, action, reason }) => `${type} ${action} ${reason}`);

describe('what a person should notice', () => {
  const ROWS: readonly [what: string, before: readonly Condition[], after: readonly Condition[], expected: string[]][] =
    [
      ['both directions of a new peer', [], well, ['Normal ReceiveReady Replaying', 'Normal SendReady Pulling']],
      ['nothing, while nothing changes', well, well, []],
      ['a direction that stops', well, stopped, ['Warning SendReady AwaitingPeer']],
      ['a direction that goes on', stopped, well, ['Normal SendReady Pulling']],
      ['once what stalls it', well, stalled, ['Warning ReceiveReady CertificateInvalid']],
      ['not what is only not known', well, conditionsIn({ dataPlane: { sidecars: [] } }), []],
      [
        'not a direction that nobody asks for',
        [],
        conditionsIn({ peer: aPeer('b', { spec: { servers: [] } }) }),
        ['Normal SendReady Pulling'],
      ],
    ];
  for (const [what, before, after, expected] of ROWS) {
    it(`is ${what}`, () => assert.deepEqual(noticed(before, after), expected));
  }

  it('is once what came of a redrive', () => {
    const running = { id: 'first', dryRun: false, state: 'Running' } as const;
    const completionTime = '2026-11-28T12:00:00Z';
    const done = { ...running, state: 'Done', message: '7 of 10 messages were replayed', completionTime } as const;
    const [notice] = noticesOfRedrive(running, done);
    assert.deepEqual(
      [notice?.type, notice?.reason, notice?.note],
      ['Normal', 'RedriveDone', 'redrive first: 7 of 10 messages were replayed'],
    );
    for (const before of [undefined, { ...done, completionTime: '2026-11-27T12:00:00Z' }]) {
      assert.equal(noticesOfRedrive(before, done).length, 1);
    }
    assert.deepEqual(noticesOfRedrive(done, done), []);
    assert.deepEqual(noticesOfRedrive(undefined, running), []);
    assert.deepEqual(noticesOfRedrive(done, undefined), []);
  });

  it('is no longer than an event may be, in bytes', () => {
    for (const letter of ['x', 'é', '…', '😀']) {
      const long = well.map((condition) => ({ ...condition, message: letter.repeat(5_000) }));
      for (const { note } of noticesOf([], long)) {
        const bytes = Buffer.byteLength(note);
        assert.ok(bytes >= 990 && bytes <= 1024, `${bytes} bytes`);
      }
    }
  });
});

import assert from 'node:assert/strict';
import type { RedriveStatus } from '../../../../../common/contract/status.ts';
import { redriveStatus } from '../../../../../operator/plan/status/redrive.ts';
import { aPeer, peerReport } from '../fixtures.ts';

const running: RedriveStatus = {
  id: 'first',
  dryRun: false,
  state: 'Running',
  message: '',
  found: 10,
  replayed: 7,
  rejected: 2,
  missing: 1,
  startedAt: '2026-11-28T12:00:00.000Z',
  finishedAt: null,
};
const done: RedriveStatus = { ...running, state: 'Done', finishedAt: '2026-11-28T12:01:00.000Z' };

type Status = Parameters<typeof redriveStatus>[0]['status'];

function statusOf(redrive: RedriveStatus | null, status?: Status, asked: object | undefined = { id: 'first' }) {
  const peer = aPeer('b', { spec: { receive: asked && { redrive: asked } } as object });
  return redriveStatus({ ...peer, ...(status && { status }) }, peerReport('b', { redrive })).redrive;
}

describe('the status of a redrive', () => {
  it('is what the sidecar reports', () => {
    const counts = { id: 'first', dryRun: false, found: 10, replayed: 7, rejected: 2, missing: 1 };
    const startTime = '2026-11-28T12:00:00.000Z';
    assert.deepEqual(statusOf(running), { ...counts, state: 'Running', message: '', startTime });
    const waiting = statusOf({ ...running, state: 'Waiting', message: 'for Kafka' });
    assert.deepEqual(waiting, { ...counts, state: 'Waiting', message: 'for Kafka', startTime });
    assert.deepEqual(statusOf(done), {
      ...counts,
      state: 'Done',
      message:
        "7 of 10 messages were replayed; 2 are rejected by today's settings as well; 1 are in LFH_EXCEPTION only in part, " +
        "and not in the peer's stream any more",
      startTime,
      completionTime: '2026-11-28T12:01:00.000Z',
    });
  });

  it('says of a dry run what would be, and that is another one', () => {
    const asked = { id: 'first', dryRun: true };
    const found = statusOf({ ...done, dryRun: true, rejected: 0, missing: 0 }, undefined, asked);
    assert.equal(found?.message, '7 of 10 messages would be replayed');
    assert.equal(statusOf(done, undefined, asked)?.state, 'Unknown');
  });

  it('is Unknown while no sidecar reports on it, with what was seen last', () => {
    for (const redrive of [null, { ...done, id: 'before' }]) {
      const found = statusOf(redrive);
      assert.deepEqual([found?.id, found?.state, found?.found], ['first', 'Unknown', undefined]);
      assert.match(found?.message ?? '', /no sidecar reports on it/);
    }
    const before = statusOf(running);
    const gone = statusOf(null, { redrive: before } as Status);
    assert.deepEqual([gone?.state, gone?.found, gone?.startTime], ['Unknown', 10, '2026-11-28T12:00:00.000Z']);
    assert.equal(
      redriveStatus(aPeer('b', { spec: { receive: { redrive: { id: 'a' } } } }), undefined).redrive?.state,
      'Unknown',
    );
  });

  it('stays done while no sidecar reports on it, until another one is asked for', () => {
    const status = { redrive: statusOf(done) } as Status;
    assert.deepEqual(statusOf(null, status), status?.redrive);
    assert.equal(statusOf(null, status, { id: 'second' })?.state, 'Unknown');
  });

  it('is absent where none is asked for', () => {
    const status = { redrive: statusOf(done) } as Status;
    assert.equal(
      redriveStatus({ ...aPeer('b'), status } as never, peerReport('b', { redrive: done })).redrive,
      undefined,
    );
  });
});

import assert from 'node:assert/strict';
import { accessBefore, advanceAccess, type LiveAccess } from '../../../../../operator/plan/nats/live-access.ts';
import type { ObservedNats, ServerReport, Texts } from '../../../../../operator/plan/observed/observed.ts';
import { aPeer, NOW, natsOf, observedOf, settledPlanOf } from '../fixtures.ts';

const textsFor = (...ids: readonly string[]): Texts | undefined =>
  settledPlanOf(observedOf(ids.map((id) => aPeer(id)))).files?.files;
const [NOBODY, B, C, BOTH] = [textsFor(), textsFor('b'), textsFor('c'), textsFor('b', 'c')];

function servers(...outcomes: ServerReport['outcome'][]): ObservedNats {
  return natsOf([], {
    servers: outcomes.map((outcome, index) => ({ server: `n${index}:4222`, outcome, message: '' })),
  });
}
const SILENT = natsOf([], { silent: [{ server: 'n9:4222', askedAt: NOW }] });
const STALE: ObservedNats = {
  ...SILENT,
  silent: [],
  servers: [...SILENT.servers, { server: 'n9:4222', outcome: 'ConfigNotLive', message: '', notReady: true }],
};

const names = (access: LiveAccess['possible']): string[] | undefined =>
  access && [...access.keys()].map((account) => account.replace('lfh-sync-', '')).sort();
/** What is known after servers were seen to run one text everywhere. */
const seen = (planned: Texts | undefined): LiveAccess => advanceAccess(undefined, planned, undefined, servers('Live'));

describe('whom all servers were last seen to let in', () => {
  const everywhere = ({ everywhere: access }: LiveAccess): string[] | undefined => names(access);

  it('is at first what was written before, until every server runs what is planned', () => {
    const first = advanceAccess(undefined, BOTH, B, servers('Live', 'ConfigNotLive'));
    assert.deepEqual(everywhere(first), ['b']);
    // A server that does not answer may let in others.
    for (const outcome of ['ConfigNotLive', 'Unreachable'] as const) {
      assert.deepEqual(everywhere(advanceAccess(first, BOTH, undefined, servers('Live', outcome))), ['b']);
    }
    assert.deepEqual(everywhere(advanceAccess(first, BOTH, B, servers('Live'))), ['b', 'c']);
    assert.deepEqual(everywhere(advanceAccess(first, BOTH, B, servers())), ['b']);
    assert.deepEqual(everywhere(advanceAccess(first, BOTH, B, undefined)), ['b']);
  });

  it('stays as it was while a server that is not ready may run on, and let in a key that was taken out', () => {
    for (const nats of [SILENT, STALE]) {
      const held = advanceAccess(seen(BOTH), B, BOTH, nats);
      assert.deepEqual(everywhere(held), ['b', 'c']);
      assert.deepEqual(everywhere(advanceAccess(held, B, B, servers('Live', 'Live'))), ['b']);
    }
  });

  it('is nobody where nothing was written yet', () => {
    assert.deepEqual(everywhere(accessBefore(undefined, undefined)), []);
  });
});

describe('whom the servers let in that peers are led to', () => {
  const serving = (access: LiveAccess): string[] | undefined => names(access.serving);

  it('is what those run that are ready, whatever another one that is not may do', () => {
    for (const nats of [SILENT, STALE]) assert.deepEqual(serving(advanceAccess(seen(B), BOTH, B, nats)), ['b', 'c']);
  });

  it('stays as it was while one that is ready runs another text, or does not answer', () => {
    for (const outcome of ['ConfigNotLive', 'Unreachable'] as const) {
      assert.deepEqual(serving(advanceAccess(seen(B), BOTH, B, servers('Live', outcome))), ['b']);
    }
  });

  it('is at first what was written before', () => {
    assert.deepEqual(serving(advanceAccess(undefined, BOTH, B, servers('ConfigNotLive'))), ['b']);
  });
});

describe('whom a server may let in', () => {
  const possible = (access: LiveAccess): string[] | undefined => names(access.possible);
  const awaited = servers('Live', 'ConfigNotLive');

  it('may be anybody until every server was seen to run what is planned', () => {
    for (const nats of [undefined, servers(), awaited, SILENT, STALE]) {
      assert.equal(possible(advanceAccess(undefined, B, B, nats)), undefined);
    }
  });

  it('is nobody else than is planned where every server runs that', () => {
    assert.deepEqual(possible(seen(BOTH)), ['b', 'c']);
    assert.deepEqual(possible(advanceAccess(seen(BOTH), B, BOTH, servers('Live'))), ['b']);
    assert.deepEqual(possible(seen(NOBODY)), []);
  });

  it('is also who was let in before, until every server runs what is planned', () => {
    for (const nats of [undefined, awaited, SILENT, STALE]) {
      const held = advanceAccess(seen(BOTH), B, BOTH, nats);
      assert.deepEqual(possible(held), ['b', 'c']);
      assert.deepEqual(possible(advanceAccess(held, B, B, nats)), ['b', 'c'], 'as long as it takes');
    }
  });

  it('is also who was written in between, since a server may have taken that up', () => {
    const admitted = advanceAccess(seen(B), BOTH, B, awaited);
    const paused = advanceAccess(admitted, B, BOTH, awaited);
    assert.deepEqual(possible(paused), ['b', 'c']);
    const swapped = advanceAccess(paused, B, C, awaited);
    assert.deepEqual(possible(advanceAccess(swapped, B, B, servers('Live'))), ['b']);
  });
});

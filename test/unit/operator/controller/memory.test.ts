import assert from 'node:assert/strict';
import {
  emptyMemory,
  missingWorkloads,
  type NodeMemory,
  nextMemory,
  refusingStrangers,
} from '../../../../operator/controller/memory.ts';
import type { DataPlane, ServerReport } from '../../../../operator/plan/observed/observed.ts';
import { aPeer, NOW, natsOf, observedOf, settledPlanOf, wellFor } from '../plan/fixtures.ts';

const plan = settledPlanOf(observedOf([aPeer('b')]));
const otherPlan = settledPlanOf(observedOf([aPeer('b'), aPeer('c')]));
const hash = plan.files?.hash;
const UNKNOWN: DataPlane = { nats: undefined, sidecars: undefined };
const MINUTE_MS = 60_000;

function next(
  before: NodeMemory,
  found: Partial<Parameters<typeof nextMemory>[1]> = {},
  now = NOW + 1_000,
): NodeMemory {
  return nextMemory(
    before,
    { plan, written: undefined, rolledOut: new Map(), dataPlane: UNKNOWN, unreadableAnswers: 0, ...found },
    now,
  );
}

function servers(...outcomes: ServerReport['outcome'][]): DataPlane {
  const reports = outcomes.map((outcome, index) => ({ server: `10.0.0.${index}:4222`, outcome, message: '' }));
  return { nats: natsOf([], { servers: reports }), sidecars: [] };
}

/** Those of {@link servers}, and one more that answers although Kubernetes calls its pod not ready. */
function withNotReady(outcome: ServerReport['outcome'], ...others: ServerReport['outcome'][]): DataPlane {
  const { nats, sidecars } = servers(...others, outcome);
  const reports = (nats?.servers ?? []).map((report, index) =>
    index < others.length ? report : { ...report, notReady: true as const },
  );
  return { nats: natsOf([], { servers: reports }), sidecars };
}

describe('the configuration that is remembered as live', () => {
  const rows: [what: string, dataPlane: DataPlane, live: string | undefined][] = [
    ['is the planned one where every server runs it', servers('Live', 'Live'), hash],
    ['is the planned one where those that answer run it', servers('Live', 'Unreachable'), hash],
    ['is the earlier one while a server runs something else', servers('Live', 'ConfigNotLive'), 'earlier'],
    [
      'is the planned one where only one that is not ready runs something else',
      withNotReady('ConfigNotLive', 'Live'),
      hash,
    ],
    ['is the earlier one while none is ready, and one runs something else', withNotReady('ConfigNotLive'), 'earlier'],
    ['is the earlier one where only one that is not ready runs it', withNotReady('Live', 'ConfigNotLive'), 'earlier'],
    ['is the earlier one while a server does not include it', servers('IncludeMissing'), 'earlier'],
    ['is the earlier one while no server answers', servers('Unreachable'), 'earlier'],
    ['is the earlier one while nothing could be asked', UNKNOWN, 'earlier'],
  ];
  const before: NodeMemory = { ...emptyMemory(NOW), liveHash: 'earlier' };
  for (const [what, dataPlane, live] of rows) {
    it(what, () => assert.equal(next(before, { dataPlane }).liveHash, live));
  }
});

describe('the time since which a configuration has been written', () => {
  it('begins when it is planned first, and goes on while the plan stays the same', () => {
    const first = next(emptyMemory(NOW), {}, NOW + 1);
    assert.equal(first.writtenAt, NOW + 1);
    const second = next(first, {}, NOW + 2);
    assert.equal(second.writtenAt, NOW + 1);
    assert.equal(next(second, { plan: otherPlan }, NOW + 3).writtenAt, NOW + 3);
  });
});

describe('whom the servers let in', () => {
  const letIn = ({ liveAccess }: NodeMemory): string[] => [...(liveAccess?.everywhere.keys() ?? [])];

  it('is remembered from what was written before, and then from what the servers run', () => {
    const written = plan.files?.files;
    const first = next(emptyMemory(NOW), { plan: otherPlan, written, dataPlane: servers('ConfigNotLive') });
    assert.deepEqual(letIn(first), ['lfh-sync-b']);
    assert.deepEqual(letIn(next(first, { plan: otherPlan, dataPlane: servers('Live') })), ['lfh-sync-b', 'lfh-sync-c']);
  });

  it('holds nothing up where only a server that is silent may run something else', () => {
    const dataPlane = { nats: natsOf([], { silent: [{ server: '10.0.0.9:4222', askedAt: NOW }] }), sidecars: [] };
    assert.equal(next(emptyMemory(NOW), { dataPlane }).liveHash, hash, 'the second reload need not wait');
  });
});

describe('a peer that is left out', () => {
  const notServed = new Map([['b', { served: false, connectedKeys: [] }]]);
  const live = (changes: Parameters<typeof natsOf>[1] = {}): DataPlane => ({
    nats: natsOf([], { access: notServed, ...changes }),
    sidecars: [],
  });
  const long = next(emptyMemory(NOW), { dataPlane: live() }, NOW);

  it('is noticed where the configuration has been live for a while and does not serve it', () => {
    assert.equal(long.leavesOut, false);
    assert.equal(next(long, { dataPlane: live() }, NOW + 2 * MINUTE_MS).leavesOut, true);
  });

  it('is nobody while there is no stream, or JetStream has a problem: then no peer can be served', () => {
    for (const changes of [{ streamFirst: undefined }, { problem: 'down' }]) {
      assert.equal(next(long, { dataPlane: live(changes) }, NOW + 2 * MINUTE_MS).leavesOut, false);
    }
  });

  it('is nobody while another configuration is planned', () => {
    const later = NOW + 2 * MINUTE_MS;
    assert.equal(next(long, { plan: otherPlan, dataPlane: { ...UNKNOWN } }, later).leavesOut, false);
  });
});

describe('servers that refuse a stranger', () => {
  const seen = next(emptyMemory(NOW), { dataPlane: servers('Live', 'ConfigNotLive') }, NOW);

  it('are those that run the configuration, for a minute', () => {
    assert.deepEqual([...refusingStrangers(seen, NOW + MINUTE_MS - 1)], ['10.0.0.0:4222']);
    assert.deepEqual([...refusingStrangers(seen, NOW + MINUTE_MS)], []);
  });

  it('are tried again once a minute, though they are seen to be live in between', () => {
    const between = next(seen, { dataPlane: servers('Live') }, NOW + MINUTE_MS / 2);
    assert.equal(refusingStrangers(between, NOW + MINUTE_MS).size, 0);
    const after = next(between, { dataPlane: servers('Live') }, NOW + MINUTE_MS);
    assert.equal(refusingStrangers(after, NOW + MINUTE_MS + 1).size, 1);
  });

  it('are forgotten as soon as they run something else', () => {
    assert.equal(refusingStrangers(next(seen, { dataPlane: servers('NoAuthorization') }), NOW + 2).size, 0);
  });

  it('are tried again after the clock was set back', () => {
    assert.equal(refusingStrangers(seen, NOW - 2 * MINUTE_MS).size, 0);
  });
});

describe('servers that are not ready and did not answer', () => {
  const silentAt = (askedAt: number | undefined): DataPlane => ({
    nats: natsOf([], { silent: [{ server: '10.0.0.9:4222', askedAt }] }),
    sidecars: [],
  });

  it('are remembered with when they were asked, until they answer or their pod is gone', () => {
    const seen = next(emptyMemory(NOW), { dataPlane: silentAt(NOW) });
    assert.deepEqual([...seen.silentSince], [['10.0.0.9:4222', NOW]]);
    assert.deepEqual([...next(seen, { dataPlane: UNKNOWN }).silentSince.keys()], ['10.0.0.9:4222']);
    assert.equal(next(seen, { dataPlane: servers('Live') }).silentSince.size, 0);
    assert.equal(next(seen, { dataPlane: silentAt(undefined) }).silentSince.size, 0);
  });
});

describe('what else is remembered', () => {
  it('is what was seen of peers, while nothing can be asked', () => {
    const { dataPlane } = wellFor([aPeer('b')]);
    const access = new Map([['b', { served: true, connectedKeys: [] }]]);
    const nats = dataPlane.nats && { ...dataPlane.nats, access };
    const seen = next(emptyMemory(NOW), { dataPlane: { nats, sidecars: dataPlane.sidecars } });
    assert.deepEqual([...next(seen).accesses.keys()], ['b']);
    assert.deepEqual([...seen.progress.keys()], ['b']);
  });

  it('is how many answers could not be read, until the sidecars are asked again', () => {
    const seen = next(emptyMemory(NOW), { unreadableAnswers: 2 });
    assert.equal(next(seen, { unreadableAnswers: undefined }).unreadableAnswers, 2);
    assert.equal(next(seen, { unreadableAnswers: 0 }).unreadableAnswers, 0);
  });

  it('is which workloads of the spec do not exist', () => {
    const rolledOut = new Map([
      ['StatefulSet/nats', undefined],
      ['Deployment/connect', 'abc'],
    ]);
    assert.deepEqual([...missingWorkloads(next(emptyMemory(NOW), { rolledOut }).rolledOut)], ['StatefulSet/nats']);
  });

  it('leaves the memory before as it was', () => {
    const before = next(emptyMemory(NOW), { dataPlane: servers('Live') });
    const copy = structuredClone(before);
    next(before, { plan: otherPlan, dataPlane: servers('NoAuthorization'), unreadableAnswers: 3 });
    assert.deepEqual(before, copy);
  });
});

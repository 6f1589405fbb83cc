import assert from 'node:assert/strict';
import { conditionView } from '../../../../cli/status/condition.ts';
import { statusText } from '../../../../cli/status/format.ts';
import { operatorReport } from '../../../../cli/status/operator.ts';
import { needsLook, rateOf, withLook } from '../../../../cli/status/rate.ts';
import { needsLooks, statusReport, withLooks } from '../../../../cli/status/report.ts';
import type { Condition } from '../../../../operator/api/conditions.ts';
import { CONDITIONS } from '../../../../operator/api/reasons.ts';
import type { PeerObject, StoredNode } from '../../../../operator/plan/observed/observed.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const SINCE = '2026-11-28T10:00:00Z';

const condition = (type: string, status: Condition['status'], reason: string, message = ''): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: SINCE,
});

function node(conditions: readonly Condition[], generation = 1): StoredNode {
  return {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncNode',
    metadata: { name: 'local', namespace: 'lfh', generation },
    spec: { nats: { servers: [] }, kafka: { brokers: [] } },
    status: { observedGeneration: 1, conditions, peers: { total: 1, ready: 0 } },
  };
}

function peer(status: PeerObject['status'], writtenAt = NOW): PeerObject {
  return {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncPeer',
    metadata: {
      name: 'hospital-b',
      namespace: 'lfh',
      generation: 1,
      managedFields: [
        { manager: 'lfh-sync', subresource: 'status', time: new Date(writtenAt).toISOString() },
        { manager: 'kubectl', time: '2026-11-28T13:00:00Z' },
      ],
    },
    spec: { lfhId: 'hospital-b' },
    ...(status && { status: { observedGeneration: 1, ...status } }),
  };
}

const WELL = [condition('ReceiveReady', 'True', 'Replaying'), condition('SendReady', 'True', 'NotRequested')];
const WORKING = { state: 'working', message: '' } as const;

describe('who has to act', () => {
  it('is what the table of reasons says, for every reason that something is wrong with', () => {
    const who = { we: 'us', peer: 'them', passes: 'wait' };
    for (const [type, { reasons }] of Object.entries(CONDITIONS)) {
      for (const [reason, entry] of Object.entries(reasons)) {
        const { statuses, endedBy, text } = entry as {
          statuses: readonly Condition['status'][];
          endedBy?: keyof typeof who;
          text: string;
        };
        if (endedBy === undefined) continue;
        const [status = 'False'] = statuses;
        const view = conditionView([condition(type, status, reason)], type as keyof typeof CONDITIONS);
        assert.deepEqual([view.whoActs, view.whatToDo], [who[endedBy], text], `${type} ${reason}`);
      }
    }
  });

  it('is what the operator says, where it knows more than the table', () => {
    const rejected = condition('ReceiveReady', 'False', 'MessagesRejected');
    assert.equal(conditionView([rejected], 'ReceiveReady').whoActs, 'them');
    const stalled = condition('Stalled', 'True', 'MessagesRejected');
    assert.equal(conditionView([rejected, stalled], 'ReceiveReady').whoActs, 'us');
  });

  it('is we for a reason of a later version, and Ready is explained by what it repeats', () => {
    const later = conditionView([condition('SendReady', 'False', 'OfTomorrow')], 'SendReady');
    assert.deepEqual([later.state, later.whoActs, later.whatToDo], ['not ok', 'us', '']);
    const ready = conditionView(
      [condition('KeyReady', 'False', 'KeyLost'), condition('Ready', 'False', 'KeyLost')],
      'Ready',
    );
    assert.equal(ready.whatToDo, CONDITIONS.KeyReady.reasons.KeyLost.text);
  });
});

describe('a status', () => {
  const report = (
    nodes: readonly StoredNode[],
    peers: readonly PeerObject[],
    operator: ReturnType<typeof operatorReport> = WORKING,
  ) => statusReport({ nodes, peers, operator }, withLooks(new Map(), peers, NOW));
  const ready = [condition('Ready', 'True', 'AllReady')];

  it('is well only where everything was seen to be well', () => {
    assert.equal(report([node(ready)], [peer({ conditions: WELL })]).well, true);
    assert.equal(report([], []).well, false);
    assert.equal(report([node([])], []).well, false);
    assert.equal(report([node(ready, 2)], []).well, false, 'the newest spec was not looked at');
    assert.equal(report([node(ready)], [peer(undefined)]).well, false);
    const unknown = [condition('ReceiveReady', 'Unknown', 'NoReport'), condition('SendReady', 'True', 'Pulling')];
    assert.equal(report([node(ready)], [peer({ conditions: unknown })]).well, false);
    assert.equal(report([node(ready)], [], { state: 'not working', message: '' }).well, false);
    assert.equal(report([node(ready)], [], { state: 'unseen', message: '' }).well, true);
  });

  it('has a line for each direction, and says below what is wrong and what to do', () => {
    const hostile = 'Ask its administrator\u001b[2J';
    const conditions = [
      condition('ReceiveReady', 'False', 'KeyRefused', hostile),
      condition('SendReady', 'True', 'Pulling'),
    ];
    const status = { conditions, receive: { lag: 7, rejected: 2, lastReplayTime: '2026-11-28T11:59:30Z' } };
    const text = statusText(report([node(ready)], [peer(status)]), {
      namespaces: true,
      wide: false,
      details: false,
      width: 100,
      now: NOW,
    });
    const lines = text.split('\n').map((line) => line.split(/ {2,}/));
    assert.deepEqual(lines[1], ['lfh', 'local', 'ok', 'AllReady', '2h', '0/1', '-']);
    assert.deepEqual(lines[4], [
      'lfh',
      'hospital-b',
      'receive',
      'not ok',
      'KeyRefused',
      '2h',
      '7',
      '-',
      '-',
      '2',
      '30s',
      'them',
    ]);
    assert.deepEqual(lines[5], ['lfh', 'hospital-b', 'send', 'ok', 'Pulling', '2h', '-', '-', '-', '-', '-', '-']);
    assert.match(text, /hospital-b, receive: KeyRefused\. The peer's administrator has to act\./);
    assert.match(text.replaceAll(/\s+/g, ' '), /Ask its administrator to add the public key in the message\./);
  });
});

describe('the rate of a backlog', () => {
  const look = (at: number, waiting: number, done?: number) => ({ at: at * 1000, waiting, done });

  it('is what was done between two looks, and the end is when nothing waits', () => {
    const between = (first: ReturnType<typeof look>, second: ReturnType<typeof look>) =>
      rateOf(withLook(withLook(undefined, first), second));
    assert.deepEqual(between(look(0, 100, 5), look(10, 80, 45)), { perSecond: 4, etaSeconds: 40 });
    assert.deepEqual(between(look(0, 100, 5), look(10, 120, 45)), { perSecond: 4, etaSeconds: null });
    assert.deepEqual(between(look(0, 100, 50), look(10, 50, 3)), { perSecond: undefined, etaSeconds: 10 });
    assert.deepEqual(between(look(0, 9, 1), look(10, 0, 10)), { perSecond: 0.9, etaSeconds: undefined });
    assert.deepEqual(between(look(0, 100), look(0, 80)), { perSecond: undefined, etaSeconds: undefined });
  });

  it('is that between the two newest looks that said something different', () => {
    const looks = [look(0, 100, 0), look(10, 50, 50), look(10, 50, 50), look(20, 40, 60)].reduce(
      (known: ReturnType<typeof withLook> | undefined, each) => withLook(known, each),
      undefined,
    );
    assert.deepEqual(looks && rateOf(looks), { perSecond: 1, etaSeconds: 40 });
  });

  it('needs a second look only where something waits', () => {
    assert.equal(needsLook(withLook(undefined, look(0, 0))), false);
    assert.equal(needsLook(withLook(undefined, look(0, 5))), true);
    assert.equal(needsLook(withLook(withLook(undefined, look(0, 5)), look(9, 4))), false);
  });

  it('is by the time at which the operator wrote, and not at which it was looked', () => {
    const first = peer({ conditions: WELL, receive: { lag: 100, replayed: 0 } }, NOW - 10_000);
    const second = peer({ conditions: WELL, receive: { lag: 90, replayed: 10 } }, NOW);
    const looks = withLooks(new Map(), [first], NOW - 1);
    assert.equal(needsLooks(looks), true);
    const [found] = statusReport(
      { nodes: [], peers: [second], operator: WORKING },
      withLooks(looks, [second], NOW),
    ).peers;
    assert.equal(found?.directions[0]?.perSecond, 1);
    assert.equal(found?.directions[0]?.etaSeconds, 90);
  });
});

describe('the operator', () => {
  const lease = (renewTime: string, holderIdentity = 'operator-1') => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'lfh-sync-operator' },
    spec: { renewTime, holderIdentity },
  });

  it('works while it renews its Lease; whether one works is not guessed', () => {
    assert.equal(operatorReport(lease('2026-11-28T11:59:58.000000Z'), NOW).state, 'working');
    const late = operatorReport(lease('2026-11-28T11:50:00.000000Z'), NOW);
    assert.equal(late.state, 'not working');
    assert.match(late.message, /no operator has worked for 10m/);
    assert.equal(operatorReport(lease('2026-11-28T11:59:58.000000Z', ''), NOW).state, 'not working');
    assert.equal(operatorReport(undefined, NOW).state, 'unseen');
  });
});

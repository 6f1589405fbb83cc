import assert from 'node:assert/strict';
import fc from 'fast-check';
import { REASONS } from '../../../../common/contract/reasons.ts';
import {
  type ConditionDraft,
  summarize,
  withCondition,
  withoutCondition,
  withProgress,
} from '../../../../operator/api/conditions.ts';
import type { ReasonEntry } from '../../../../operator/api/reason-entry.ts';
import { CONDITIONS, type ConditionType, reasonEntry } from '../../../../operator/api/reasons.ts';
import type { Condition } from '../../../../operator/api/types.ts';

const T0 = Date.parse('2026-11-24T08:00:00.250Z');
const at = (seconds: number, generation = 1) => ({ now: T0 + seconds * 1000, generation });
const replaying: ConditionDraft<'ReceiveReady'> = {
  type: 'ReceiveReady',
  status: 'True',
  reason: 'Replaying',
  message: 'from tls://b:4222',
};
const refused: ConditionDraft<'ReceiveReady'> = {
  type: 'ReceiveReady',
  status: 'False',
  reason: 'KeyRefused',
  message: 'by tls://b:4222',
};
const unreachable: ConditionDraft<'ReceiveReady'> = { ...refused, reason: 'Unreachable' };
const pulling: ConditionDraft<'SendReady'> = { type: 'SendReady', status: 'True', reason: 'Pulling', message: 'all' };
const PEER = ['ReceiveReady', 'SendReady'] as const;

function conditions(...drafts: readonly ConditionDraft[]): readonly Condition[] {
  return drafts.reduce<readonly Condition[]>((all, draft) => withCondition(all, draft, at(0)), []);
}

function typesOf(all: readonly Condition[]): string[] {
  return all.map(({ type }) => type);
}

describe('a condition', () => {
  it('has a time in whole seconds, as Kubernetes writes times', () => {
    assert.deepEqual(withCondition([], replaying, at(0, 7)), [
      { ...replaying, observedGeneration: 7, lastTransitionTime: '2026-11-24T08:00:00Z' },
    ]);
  });

  it('keeps its transition time while the status stays the same, whatever the reason is', () => {
    const later = withCondition(conditions(refused), unreachable, at(60));
    assert.deepEqual(
      later.map(({ reason, lastTransitionTime }) => [reason, lastTransitionTime]),
      [['Unreachable', '2026-11-24T08:00:00Z']],
    );
  });

  it('gets a new transition time when the status changes', () => {
    const [later] = withCondition(conditions(refused), replaying, at(60));
    assert.equal(later?.lastTransitionTime, '2026-11-24T08:01:00Z');
  });

  for (const [what, draft, generation] of [
    ['reason', unreachable, 1],
    ['message', { ...refused, message: 'by another' }, 1],
    ['generation', refused, 2],
  ] as const) {
    it(`changes when only the ${what} changes`, () => {
      const before = conditions(refused);
      assert.notEqual(withCondition(before, draft, at(60, generation)), before);
    });
  }

  it('leaves the same list object when nothing changes, so that nothing is written', () => {
    const before = conditions(refused, pulling);
    assert.equal(withCondition(before, refused, at(60)), before);
    assert.equal(withoutCondition(before, 'Stalled'), before);
    const ready = withCondition(before, summarize('Ready', PEER, before), at(0));
    const all = withProgress(ready, PEER, at(0));
    assert.equal(withProgress(all, PEER, at(60)), all);
  });

  it('is sorted by its type, in whatever order conditions are set', () => {
    assert.deepEqual(typesOf(conditions(pulling, replaying)), ['ReceiveReady', 'SendReady']);
    assert.deepEqual(typesOf(conditions(replaying, pulling)), ['ReceiveReady', 'SendReady']);
  });

  it('is removed without any other', () => {
    assert.deepEqual(typesOf(withoutCondition(conditions(replaying, pulling), 'ReceiveReady')), ['SendReady']);
  });

  it('has a message that is short enough for the API server, however long an error is', () => {
    const [condition] = conditions({ ...refused, message: 'x'.repeat(40_000) });
    assert.equal(condition?.message.length, 32_768);
  });

  it('does not take a reason of another condition', () => {
    // @ts-expect-error a peer that does not fetch is no matter of receiving
    const draft: ConditionDraft<'ReceiveReady'> = { ...refused, reason: 'NoPull' };
    assert.equal(reasonEntry(draft.type, draft.reason), undefined);
  });
});

describe('the condition Ready', () => {
  const unknown: ConditionDraft<'SendReady'> = {
    ...pulling,
    status: 'Unknown',
    reason: 'NatsUnreachable',
    message: '?',
  };

  it('is True when all others are', () => {
    assert.equal(summarize('Ready', PEER, conditions(replaying, pulling)).reason, 'AllReady');
  });

  it('has the reason and message of the condition that is False, wherever that is in the list', () => {
    const { status, reason, message } = summarize('Ready', ['SendReady', 'ReceiveReady'], conditions(unknown, refused));
    assert.deepEqual({ status, reason, message }, { status: 'False', reason: 'KeyRefused', message: refused.message });
  });

  it('has the reason of the condition that is Unknown where none is False', () => {
    assert.equal(summarize('Ready', PEER, conditions(replaying, unknown)).reason, 'NatsUnreachable');
    assert.equal(summarize('Ready', PEER, conditions(unknown)).reason, 'NatsUnreachable');
  });

  it('is Unknown while one of the others is missing, and says which', () => {
    const { status, reason, message } = summarize('Ready', PEER, conditions(replaying));
    assert.deepEqual([status, reason], ['Unknown', 'Reconciling']);
    assert.match(message, /^SendReady: /);
  });

  it('ignores conditions that it does not summarize', () => {
    const stalled: ConditionDraft = { ...refused, type: 'KeyReady' };
    assert.equal(summarize('Ready', PEER, conditions(replaying, pulling, stalled)).status, 'True');
  });

  it('is never better than the worst of the others', () => {
    const RANK = { False: 0, Unknown: 1, True: 2 } as const;
    const anyStatus = fc.constantFrom('True', 'False', 'Unknown', undefined);
    fc.assert(
      fc.property(anyStatus, anyStatus, anyStatus, (...statuses) => {
        const types: readonly ConditionType[] = ['KeyReady', 'NatsConfigLive', 'SidecarReady'];
        const drafts = types.flatMap((type, index): ConditionDraft[] => {
          const status = statuses[index];
          return status === undefined ? [] : [{ type, status, reason: 'Conflict', message: type }];
        });
        const worst = Math.min(...statuses.map((status) => RANK[status ?? 'Unknown']));
        assert.equal(RANK[summarize('Ready', types, conditions(...drafts)).status], worst);
      }),
    );
  });
});

describe('kstatus', () => {
  const progressOf = (...drafts: readonly ConditionDraft[]) =>
    withProgress(conditions(...drafts), PEER, at(0))
      .filter(({ type }) => type === 'Stalled' || type === 'Reconciling')
      .map(({ type, status, reason }) => [type, status, reason]);
  const conflict: ConditionDraft<'SendReady'> = { ...pulling, status: 'False', reason: 'Conflict' };

  it('sees neither Reconciling nor Stalled where all is well, nor while a peer is awaited', () => {
    assert.deepEqual(progressOf(replaying, pulling), []);
    assert.deepEqual(progressOf(refused, pulling), []);
  });

  it('sees Reconciling while a problem passes by itself', () => {
    assert.deepEqual(progressOf(unreachable, pulling), [['Reconciling', 'True', 'Unreachable']]);
  });

  it('sees Stalled, and not Reconciling, while somebody here must do something', () => {
    assert.deepEqual(progressOf(unreachable, conflict), [['Stalled', 'True', 'Conflict']]);
  });

  it('sees Stalled where the condition says that somebody here can end what the peer ends otherwise', () => {
    const found = conditions(refused, pulling);
    const all = withProgress(found, PEER, at(0), new Map([['ReceiveReady', 'we']]));
    assert.deepEqual(typesOf(all).includes('Stalled'), true);
  });

  it('sees neither of them when the problem is over', () => {
    const stalled = withProgress(conditions(unreachable, conflict), PEER, at(0));
    const reconciling = withProgress(withCondition(stalled, pulling, at(1)), PEER, at(1));
    assert.deepEqual(typesOf(reconciling), ['ReceiveReady', 'Reconciling', 'SendReady']);
    const over = withProgress(withCondition(reconciling, replaying, at(2)), PEER, at(2));
    assert.deepEqual(typesOf(over), ['ReceiveReady', 'SendReady']);
  });
});

describe('the list of reasons', () => {
  const entries = Object.entries(CONDITIONS).flatMap(([type, { reasons }]) =>
    Object.entries(reasons as Readonly<Record<string, ReasonEntry>>).map(([reason, entry]) => ({
      type,
      reason,
      entry,
    })),
  );

  it('has only names that the API server takes', () => {
    for (const { reason } of entries) assert.match(reason, /^[A-Z][A-Za-z]+$/);
  });

  it('explains each reason in sentences', () => {
    for (const { type, reason, entry } of entries) assert.match(entry.text, /^[A-Z`].*[.?]$/, `${type} ${reason}`);
  });

  it('says who can end a problem, and only where there is one', () => {
    for (const { type, reason, entry } of entries) {
      assert.equal(entry.endedBy === undefined, entry.statuses.includes('True'), `${type} ${reason}`);
    }
  });

  it('has every reason that a sidecar gives but NotOwned, since another sidecar replays the peer then', () => {
    const missing = REASONS.filter((reason) => reasonEntry('ReceiveReady', reason) === undefined);
    assert.deepEqual(missing, ['NotOwned']);
  });
});

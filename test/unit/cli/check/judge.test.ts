import assert from 'node:assert/strict';
import { CHECKS } from '../../../../cli/check/judge/checks.ts';
import { conditionFindings, expiryFinding, OF_REASON } from '../../../../cli/check/judge/conditions.ts';
import { exitCodeOf, type Finding, failed, fine, unknown, warning } from '../../../../cli/check/judge/finding.ts';
import { type OperatorSeen, operatorFindings } from '../../../../cli/check/judge/operator.ts';
import { jsonText, shortText } from '../../../../cli/check/judge/render.ts';
import { reasonEntry } from '../../../../operator/api/reasons.ts';
import type { Condition } from '../../../../operator/api/types.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');

describe('the exit code of check', () => {
  const [good, remark, unseen, bad] = [
    fine('image', ''),
    warning('image', ''),
    unknown('image', ''),
    failed('image', ''),
  ];
  const codes: [Finding[], number][] = [
    [[good], 0],
    [[good, remark], 0],
    [[good, remark, unseen], 3],
    [[unseen, bad], 1],
    [[], 3],
  ];
  for (const [findings, code] of codes) {
    it(`is ${code} for ${findings.map(({ outcome }) => outcome).join(', ') || 'nothing'}`, () => {
      assert.equal(exitCodeOf(findings), code);
    });
  }
});

describe('what check prints', () => {
  const findings: Finding[] = [
    { ...failed('peer-key', 'refused'), about: 'lfhpeer/b', hint: 'send the invitation' },
    fine('image', 'the image is there'),
    unknown('nats-ca', 'no right'),
  ];

  it('has the groups in their order, a mark each, and what to do with its anchor', () => {
    assert.deepEqual(shortText(findings).split('\n'), [
      'Kubernetes',
      '✓ image: the image is there',
      '',
      'NATS',
      '? nats-ca: no right',
      `    ${CHECKS['nats-ca'].hint}`,
      '    see docs/check.md#nats-ca',
      '',
      'The peers',
      '✗ peer-key (lfhpeer/b): refused',
      '    send the invitation',
      '    see docs/check.md#peer-key',
      '',
      '1 failed, 1 could not be looked at, 0 to think about, 1 fine',
    ]);
  });

  it('has the same as JSON', () => {
    const { exitCode, checks } = JSON.parse(jsonText(findings)) as { exitCode: number; checks: object[] };
    assert.equal(exitCode, 1);
    assert.deepEqual(checks.at(-1), {
      check: 'peer-key',
      about: 'lfhpeer/b',
      outcome: 'Failed',
      message: 'refused',
      hint: 'send the invitation',
      see: 'docs/check.md#peer-key',
    });
  });
});

describe('what check takes from a condition', () => {
  it('has a check for reasons that there are', () => {
    for (const [type, reasons] of Object.entries(OF_REASON)) {
      for (const reason of Object.keys(reasons))
        assert.ok(reasonEntry(type, reason), `${type} has no reason ${reason}`);
    }
  });

  const about = { about: 'lfhnode/local', kind: 'LfhSyncNode', generation: 2 } as const;
  const condition = (status: Condition['status'], reason: string, observedGeneration = 2): Condition[] => [
    { type: 'KeyReady', status, reason, message: 'm', observedGeneration, lastTransitionTime: '2026-11-28T12:00:00Z' },
  ];
  const key = (conditions: readonly Condition[], operatorWorks: boolean | undefined): Finding | undefined =>
    conditionFindings({ ...about, conditions, operatorWorks }).find(
      ({ check }) => check === 'key' || check === 'connect-key',
    );

  it('is as the operator says, while it works and has seen the newest spec', () => {
    assert.equal(key(condition('True', 'KeyMade'), true)?.outcome, 'Fine');
    assert.equal(key(condition('Unknown', 'Reconciling'), true)?.outcome, 'Unknown');
    const lost = key(condition('False', 'KeyLost'), true);
    assert.equal(lost?.outcome, 'Failed');
    assert.match(lost.hint ?? '', /Restore it/);
    assert.equal(key(condition('False', 'PublishedKey'), true)?.check, 'connect-key');
  });

  it('is unknown where it may be old, or is not there', () => {
    assert.equal(key(condition('True', 'KeyMade'), false)?.outcome, 'Unknown');
    assert.equal(key(condition('True', 'KeyMade', 1), true)?.outcome, 'Unknown');
    assert.equal(key([], true)?.outcome, 'Unknown');
  });
});

describe('what check says of a certificate', () => {
  const days = (count: number): string => new Date(NOW + count * 86_400_000).toISOString();
  const outcomes: [number, Finding['outcome']][] = [
    [31, 'Fine'],
    [29, 'Warning'],
    [-1, 'Failed'],
  ];
  for (const [left, outcome] of outcomes) {
    it(`is ${outcome} with ${left} days left`, () => {
      const [found] = expiryFinding('certificates', 'lfhnode/local', { it: days(left), other: days(365) }, NOW);
      assert.equal(found?.outcome, outcome);
    });
  }

  it('is nothing where no time is known', () => {
    assert.deepEqual(expiryFinding('certificates', '', { it: undefined }, NOW), []);
  });
});

describe('what check says of the operator', () => {
  const seen = (late: number, changed = true, holderIdentity = 'pod-1'): OperatorSeen => {
    const spec = { holderIdentity, renewTime: new Date(NOW + late).toISOString() };
    const lease = { apiVersion: 'v1', kind: 'Lease', metadata: { name: 'l' }, spec };
    const looked = { namespace: 'lfh', lease, changed, at: NOW };
    return {
      lease: { value: looked },
      ahead: 0,
      image: { value: 'r/lfh-sync:1.2.3' },
      connect: undefined,
      version: '1.2.3',
    };
  };
  const outcomes = (operator: OperatorSeen): string[] =>
    operatorFindings(operator).map(({ check, outcome }) => `${check} ${outcome}`);

  it('is fine while its lease changes, at a time that is right', () => {
    assert.deepEqual(outcomes(seen(0)), ['operator-lease Fine', 'clock-skew Fine', 'versions Fine']);
  });

  it('tells a lease that stands still, or that nobody holds, by looking and by no clock', () => {
    for (const operator of [seen(0, false), seen(0, false, '')]) {
      assert.deepEqual(outcomes(operator).slice(0, 2), ['operator-lease Failed', 'clock-skew Unknown']);
    }
    assert.deepEqual(outcomes({ ...seen(0), lease: { why: 'no right' } }).slice(0, 2), [
      'operator-lease Unknown',
      'clock-skew Unknown',
    ]);
  });

  it('tells clocks that are apart', () => {
    assert.equal(outcomes(seen(-10_000))[1], 'clock-skew Warning');
    assert.equal(outcomes(seen(61_000))[1], 'clock-skew Failed');
    assert.equal(outcomes({ ...seen(0), ahead: -90_000 })[1], 'clock-skew Failed');
  });

  it('tells versions that are apart, and knows none without a tag', () => {
    assert.equal(outcomes({ ...seen(0), version: '1.2.4' })[2], 'versions Warning');
    assert.equal(outcomes({ ...seen(0), image: { value: 'r:5000/lfh-sync@sha256:0' } })[2], 'versions Unknown');
    assert.equal(outcomes({ ...seen(0), image: { value: undefined } })[2], 'versions Unknown');
  });
});

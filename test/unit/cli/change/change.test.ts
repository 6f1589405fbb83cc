import assert from 'node:assert/strict';
import { isOver, nextId, redrivePatch, redriveText } from '../../../../cli/change/redrive.ts';
import { acceptedKeys, isWrittenByChart, nextRotation, rotationProblem } from '../../../../cli/change/rotation.ts';
import { ageText, durationText, parseDuration } from '../../../../cli/text/duration.ts';
import { printable, printableJson } from '../../../../common/clean.ts';
import { aNode, aPeer, userKey } from '../../operator/plan/fixtures.ts';

const TODAY = '2026-11-28';
const WISH = { reasons: undefined, since: undefined, dryRun: false, id: undefined };

describe('the redrive that is asked for', () => {
  const asked = (
    redrive: object | undefined,
    status: object | undefined,
    wish: Partial<typeof WISH & { dryRun: boolean }> = {},
  ) =>
    redrivePatch(
      aPeer('b', {
        spec: { receive: { ...(redrive && { redrive: redrive as { id: string } }) } },
        ...(status && { status: { redrive: status } }),
      }),
      { ...WISH, ...wish },
      TODAY,
    ).id;

  it('has an id that was not used, and that of a dry run where one was counted', () => {
    assert.equal(asked(undefined, undefined), TODAY);
    assert.equal(asked({ id: TODAY }, { id: TODAY, dryRun: false }), `${TODAY}.2`);
    assert.equal(asked({ id: 'mine', dryRun: true }, { id: 'mine', dryRun: true }), 'mine');
    assert.equal(asked({ id: TODAY, dryRun: true }, { id: TODAY, dryRun: false }), `${TODAY}.2`);
    assert.equal(nextId([TODAY, `${TODAY}.2`], TODAY), `${TODAY}.3`);
  });

  it('forgets the reasons of an earlier one', () => {
    const patch = redrivePatch(aPeer('b'), WISH, TODAY) as unknown as Record<string, unknown>;
    assert.deepEqual(patch, { id: TODAY, reasons: null, since: null, dryRun: false });
  });

  it('is over when its own status says so, and not that of another', () => {
    assert.equal(isOver({ id: 'x', state: 'Done', dryRun: true }, { id: 'x' }), false);
    assert.equal(isOver({ id: 'x', state: 'Running' }, { id: 'x' }), false);
    assert.equal(isOver({ id: 'x', state: 'Done' }, { id: 'x' }), true);
    assert.equal(redriveText({ id: 'y', state: 'Done' }, { id: 'x' }), 'redrive x: not begun yet');
    assert.match(
      redriveText({ id: 'x', state: 'Waiting', found: 2, message: 'why' }, { id: 'x' }),
      /^redrive x Waiting: 2 found, .*; why$/,
    );
  });
});

describe('a rotation', () => {
  const [current, previous] = [userKey('new'), userKey('old')];

  it('is not asked for where it would cut a peer off, or where the key was brought', () => {
    assert.equal(rotationProblem(aNode()), undefined);
    const brought = aNode({ spec: { ...aNode().spec, key: { secretRef: { name: 'ours' } } } });
    assert.match(rotationProblem(brought) ?? '', /in the Secret ours: put the new seed/);
    const under = aNode({ status: { publicKeys: [current, previous], previousKeyInUseBy: ['b'] } });
    assert.match(rotationProblem(under) ?? '', /b still accept only the previous key/);
  });

  it('is one more than what was', () => {
    assert.equal(nextRotation(aNode()), 1);
    assert.equal(nextRotation(aNode({ status: { rotation: 4 } })), 5);
    assert.equal(nextRotation(aNode({ spec: { ...aNode().spec, key: { rotation: 6 } } })), 7);
    const managedFields = [{ manager: 'lfh-sync-chart', fieldsV1: { 'f:spec': { 'f:key': { 'f:rotation': {} } } } }];
    assert.equal(isWrittenByChart(aNode({ metadata: { managedFields } })), true);
    assert.equal(isWrittenByChart(aNode()), false);
  });

  it('names each peer with the key that it accepts', () => {
    const node = aNode({ status: { publicKeys: [current, previous] } });
    const peers = [
      aPeer('a', { status: { receive: { key: current } } }),
      aPeer('b', { status: { receive: { key: previous } } }),
      aPeer('c'),
      aPeer('d', { spec: { servers: [] } }),
    ];
    assert.deepEqual(acceptedKeys(node, peers).slice(1), [
      ['a', 'the new key', '-'],
      ['b', 'the previous key', 'send the invitation'],
      ['c', 'not seen yet', 'send the invitation'],
    ]);
  });
});

describe('durations', () => {
  it('are written as kubectl writes ages', () => {
    const texts = [0, 5_000, 150_000, 600_000, 3_700_000, 90_000_000, 86_400_000 * 12].map(durationText);
    assert.deepEqual(texts, ['0s', '5s', '2m30s', '10m', '1h1m', '1d1h', '12d']);
    assert.equal(ageText(undefined, 0), '-');
  });

  it('are read as they are typed', () => {
    assert.deepEqual(['90s', '5m', '1h', '2d', '5', '1w', ''].map(parseDuration), [
      90_000,
      300_000,
      3_600_000,
      172_800_000,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('text from others', () => {
  it('is no command to a terminal, and keeps its letters', () => {
    assert.equal(printable('Größe\u001b[31m\u009b\u202e\r\n\tx'), 'Größe?[31m????\n\tx'.replace('????', '???'));
    assert.deepEqual(JSON.parse(printableJson({ a: '\u009b\u202eö' })), { a: '\u009b\u202eö' });
    assert.doesNotMatch(printableJson({ a: '\u009b\u202e' }), /[\u009b\u202e]/);
  });
});

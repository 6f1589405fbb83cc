import assert from 'node:assert/strict';
import { compare, linesWith, notBefore, traces } from '../../../chaos/storm/compare.ts';

const NOTHING = { lost: [], twice: [], outOfOrder: [], leaked: [] };
const IDS = ['1', '2', '3', '4', '5'];
const expected = IDS.map((id) => ({ id }));
const found = (...ids: string[]) => ids.map((id) => ({ id, time: 1_000 }));

describe('the checker of a storm', () => {
  it('finds nothing wrong with each message once, in order', () => {
    assert.deepEqual(compare(expected, found(...IDS)), NOTHING);
  });

  it('reports a message that is missing, in the middle and at the end', () => {
    assert.deepEqual(compare(expected, found('1', '2', '4', '5')), { ...NOTHING, lost: ['3'] });
    assert.deepEqual(compare(expected, found('1', '2', '3')), { ...NOTHING, lost: ['4', '5'] });
  });

  it('reports a message that is there again, at once and later', () => {
    assert.deepEqual(compare(expected, found('1', '2', '2', '3', '4', '5')), { ...NOTHING, twice: ['2'] });
    assert.deepEqual(compare(expected, found(...IDS, '1')), { ...NOTHING, twice: ['1'] });
  });

  it('reports two messages that have changed places', () => {
    assert.deepEqual(compare(expected, found('1', '3', '2', '4', '5')), { ...NOTHING, outOfOrder: ['2'] });
  });

  it('reports a message that must not be there', () => {
    assert.deepEqual(compare(expected, found(...IDS, 'foreign')), { ...NOTHING, leaked: ['foreign'] });
  });

  it('reports a message of a time without access that is there before the access was granted again', () => {
    const revoked = [{ way: 'a>b', from: 100, to: 2_000 }];
    const stored = (storedAt: number) => ({ id: '1', notBefore: notBefore('a>b', storedAt, revoked) ?? 0 });
    assert.deepEqual(compare([stored(500)], found('1')), { ...NOTHING, leaked: ['1'] });
    assert.deepEqual(compare([stored(50)], found('1')), NOTHING);
    assert.deepEqual(compare([stored(500)], [{ id: '1', time: 2_001 }]), NOTHING);
    assert.equal(notBefore('b>a', 500, revoked), undefined);
  });

  it('finds a payload in a log, as it is and in base64 wherever it stands in there', () => {
    const marker = 'STORM-PAYLOAD';
    const wanted = traces(marker);
    for (const before of ['', 'x', 'xy', 'xyz']) {
      const content = Buffer.from(`${before}${marker} and more`).toString('base64');
      assert.equal(linesWith([`{"data": "${content}"}`], wanted).length, 1, `behind "${before}"`);
    }
    assert.deepEqual(linesWith(['nothing', `it is ${marker}-7`], wanted), [`it is ${marker}-7`]);
    assert.deepEqual(linesWith([`{"msg":"replayed"}`, Buffer.from('something else').toString('base64')], wanted), []);
  });
});

import assert from 'node:assert/strict';
import { tooLong } from '../../../lint/commit-subjects.ts';

describe('The subjects of commits', () => {
  it('may have 72 characters and not 73', () => {
    const log = [`1234567 ${'x'.repeat(72)}`, `89abcde ${'x'.repeat(73)}`, '0123456 short'];
    assert.deepEqual(tooLong(log.join('\n')), [log[1]]);
  });

  it('are all well where there are no commits', () => {
    assert.deepEqual(tooLong(''), []);
  });
});

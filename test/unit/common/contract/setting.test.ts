import assert from 'node:assert/strict';
import { decodeSetting, optional, required, setting } from '../../../../common/contract/setting.ts';
import { listOf, wholeNumber } from '../../../../common/contract/shapes.ts';
import { InvalidInputError } from '../../../../common/errors.ts';

describe('a setting', () => {
  const number = wholeNumber(1, 10);

  it('has its default when it is absent, and no value when it is optional', () => {
    assert.equal(decodeSetting(setting('NAME', number, 7, ''), undefined), 7);
    assert.equal(decodeSetting(optional('NAME', number, ''), undefined), undefined);
    assert.equal(decodeSetting(setting('NAME', number, 7, ''), '3'), 3);
  });

  it('documents its default as it would be written', () => {
    assert.equal(setting('NAME', number, 7, '').fallbackText, '7');
    assert.equal(optional('NAME', number, '').fallbackText, '');
    assert.equal(required('NAME', number, '').fallbackText, '');
  });

  it('that is required is refused with its name and shape when it is absent', () => {
    const release = required('NAME', number, '');
    assert.equal(decodeSetting(release, '3'), 3);
    assert.throws(
      () => decodeSetting(release, undefined),
      (error: unknown) => {
        assert.ok(error instanceof InvalidInputError);
        assert.equal(error.message, 'NAME: must be set; expected a whole number from 1 to 10');
        return true;
      },
    );
  });

  it('is refused with its name, the place and the shape, and without its value', () => {
    const list = optional('NAME', listOf(/^[a-z]+$/, 'words'), '');
    for (const [text, message] of [
      ['["a", "SECRET"]', 'NAME[1]: expected words'],
      ['[SECRET', 'NAME: expected JSON, found a text of 7 characters that is not'],
    ] as const) {
      assert.throws(() => decodeSetting(list, text), { name: 'InvalidInputError', message });
    }
  });
});

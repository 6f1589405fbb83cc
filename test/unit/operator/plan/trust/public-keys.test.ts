import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createAccount, createUser } from 'nkeys.js';
import { isPublished } from '../../../../../common/contract/nkeys.ts';
import { checkKeys, isUserKey } from '../../../../../operator/plan/trust/public-keys.ts';
import { PUBLISHED_KEY, userKey } from '../fixtures.ts';

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

describe('a public key of a user', () => {
  it('is recognized where nkeys.js made it for a user, and not where it is for anything else', () => {
    for (let count = 0; count < 20; count += 1) assert.equal(isUserKey(createUser().getPublicKey()), true);
    assert.equal(isUserKey(createAccount().getPublicKey()), false);
    assert.equal(isUserKey(new TextDecoder().decode(createUser().getSeed())), false);
    assert.equal(isUserKey(PUBLISHED_KEY), true);
  });

  it('is refused when a single letter is wrong, since nats-server would refuse the whole configuration', () => {
    const key = userKey('b');
    fc.assert(
      fc.property(fc.nat({ max: 55 }), fc.constantFrom(...LETTERS.split('')), (at, letter) => {
        const changed = key.slice(0, at) + letter + key.slice(at + 1);
        assert.equal(isUserKey(changed), changed === key);
      }),
    );
  });

  it('is checked by itself: the others still count, and no message quotes any of them', () => {
    const seed = new TextDecoder().decode(createUser().getSeed());
    const good = [userKey('b'), userKey('c')] as const;
    const damaged = `${good[0].slice(0, -1)}${good[0].endsWith('A') ? 'B' : 'A'}`;
    const given = [good[0], damaged, PUBLISHED_KEY, seed, '', good[1]];
    const { usable, problems } = checkKeys(given, 'spec.publicKeys');
    assert.deepEqual(usable, good);
    assert.deepEqual(
      problems.map(({ reason, message }) => [reason, message.split(/[ ,]/)[0]]),
      [
        ['InvalidSpec', 'spec.publicKeys[1]'],
        ['PublishedKey', 'spec.publicKeys[2]'],
        ['InvalidSpec', 'spec.publicKeys[3]'],
        ['InvalidSpec', 'spec.publicKeys[4]'],
      ],
    );
    for (const { message } of problems) assert.doesNotMatch(message, /[A-Z2-7]{12}/);
  });

  it('is known as published when LinuxForHealth publishes its seed', () => {
    assert.equal(isPublished(PUBLISHED_KEY), true);
    assert.equal(isPublished('UC2VSUPV3KX22XSD25K4Y2RLOXN4DGJFD5IMTQ326UZYBPEDVMTL7EER'), true);
    assert.equal(isPublished(userKey('b')), false);
  });
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { nkeyAuthenticator } from 'nats';
import { createAccount, createUser } from 'nkeys.js';
import { nonceSigner, userPublicKey } from '../../../../common/contract/nkeys.ts';

/** Many keys, because a mistake in the encoding may show with one in some only. */
const KEYS = 16;

describe("Node's Ed25519 for NKeys", () => {
  const keys = Array.from({ length: KEYS }, () => createUser());

  it('gives the public keys of nkeys.js, from a text and from bytes', () => {
    for (const key of keys) {
      assert.equal(userPublicKey(key.getSeed()), key.getPublicKey());
      assert.equal(userPublicKey(textOf(key.getSeed())), key.getPublicKey());
    }
  });

  it('answers a server with what the authenticator of the client library does', () => {
    for (const key of keys) {
      const nonce = randomBytes(11).toString('base64url');
      const signed = nonceSigner(key.getSeed())(nonce);
      assert.deepEqual(signed, nkeyAuthenticator(key.getSeed())(nonce));
      assert.ok(key.verify(Buffer.from(nonce), Buffer.from(signed.sig, 'base64')));
    }
  });

  it('signs nothing but a nonce', () => {
    const [key = createUser()] = keys;
    const sign = nonceSigner(key.getSeed());
    for (const text of [undefined, '', 'short', '{"a":"document"}', 'with a blank inside', 'x'.repeat(65)]) {
      assert.deepEqual(sign(text), { nkey: key.getPublicKey(), sig: '' }, text);
    }
  });

  it('takes no seed with a wrong letter anywhere, and only that of a user', () => {
    const [key = createUser()] = keys;
    const seed = textOf(key.getSeed());
    for (let at = 0; at < seed.length; at += 1) {
      const wrong = seed[at] === 'A' ? 'B' : 'A';
      assert.equal(userPublicKey(`${seed.slice(0, at)}${wrong}${seed.slice(at + 1)}`), undefined, `letter ${at}`);
    }
    for (const other of ['', `${seed}\n`, seed.slice(1), key.getPublicKey(), textOf(createAccount().getSeed())]) {
      assert.equal(userPublicKey(other), undefined);
      assert.throws(() => nonceSigner(other), /^Error: not the seed of a user$/);
    }
  });
});

function textOf(seed: Uint8Array): string {
  return new TextDecoder().decode(seed);
}

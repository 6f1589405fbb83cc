import assert from 'node:assert/strict';
import { createAccount, createOperator, createServer, fromSeed } from 'nkeys.js';
import { syncName } from '../../../../common/contract/names.ts';
import { localNatsSeed, sidecarNatsSeed } from '../../../../common/contract/nkeys.ts';
import { InvalidInputError } from '../../../../common/errors.ts';
import {
  canaryKey,
  localNatsKey,
  makeKey,
  probeKey,
  publicKeyOf,
  sidecarNatsKey,
  type UserKey,
} from '../../../../operator/nats/keys.ts';

const SEED = /^SU[A-Z2-7]{56}$/;
const PUBLIC_KEY = /^U[A-Z2-7]{55}$/;

describe("a node's NKey", () => {
  const node = makeKey();

  it('is made new each time, and its public key is that of its seed', () => {
    assert.match(node.seed, SEED);
    assert.match(node.publicKey, PUBLIC_KEY);
    assert.equal(publicKeyOf(node.seed), node.publicKey);
    assert.notEqual(makeKey().seed, node.seed);
  });

  function refuses(text: string, says: RegExp): void {
    assert.throws(
      () => publicKeyOf(text),
      (error) => {
        assert.ok(error instanceof InvalidInputError, String(error));
        assert.match(error.message, says);
        assert.equal(error.cause, undefined);
        // Five in a row are no chance.
        for (let at = 0; at + 5 <= text.trim().length; at += 1) {
          assert.ok(!error.message.includes(text.trim().slice(at, at + 5)), error.message);
        }
        return true;
      },
    );
  }

  it('is refused with what it is instead, and without a piece of it', () => {
    const seed = new TextDecoder();
    refuses('', /empty/);
    refuses('hunter2 is my password', /no seed.*22 characters/);
    refuses(`${node.seed}\n`, /line end/);
    refuses(` ${node.seed}`, /blank/);
    refuses(node.seed.toLowerCase(), /no seed/);
    refuses(node.seed.slice(0, -1), /no seed.*57 characters/);
    refuses(node.publicKey, /public key: the seed belongs here/);
    refuses(createAccount().getPublicKey(), /public key/);
    for (const pair of [createAccount(), createOperator(), createServer()]) {
      refuses(seed.decode(pair.getSeed()), /account, operator or server: expected a user/);
    }
    const wrong = node.seed[20] === 'A' ? 'B' : 'A';
    refuses(`${node.seed.slice(0, 20)}${wrong}${node.seed.slice(21)}`, /damaged/);
  });

  it('derives keys that nkeys.js takes, the same each time, and others for anything else', () => {
    const derived = [
      canaryKey(node.seed, 'a'),
      canaryKey(node.seed, 'b'),
      canaryKey(makeKey().seed, 'a'),
      probeKey(node.seed, 'a'),
      probeKey(node.seed, 'b'),
      localNatsKey(node.seed),
      localNatsKey(makeKey().seed),
      sidecarNatsKey(node.seed),
      sidecarNatsKey(makeKey().seed),
    ];
    for (const { seed, publicKey } of derived) {
      assert.match(seed, SEED);
      const pair = fromSeed(Buffer.from(seed));
      assert.equal(pair.getPublicKey(), publicKey);
      assert.equal(pair.verify(Buffer.from('x'), pair.sign(Buffer.from('x'))), true);
    }
    assert.equal(new Set([node.publicKey, ...derived.map(({ publicKey }) => publicKey)]).size, derived.length + 1);
    assert.deepEqual(canaryKey(node.seed, 'a'), derived[0]);
  });

  // Made up for these tests; it opens nothing.
  const seed = 'SUAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

  it('derives the same user in every version: another one would be let in nowhere before nats-server reloads', () => {
    assert.equal(localNatsKey(seed).publicKey, 'UCGLXSKMJXG7S3VHB5M3CUFHVPBLGVUUVSQZMACF2RQNHGDGYO6HFP5F');
    assert.equal(localNatsSeed(Buffer.from(seed)), localNatsKey(seed).seed, 'as the sidecar has it, in bytes');
    assert.equal(sidecarNatsKey(seed).publicKey, 'UAAHTNYG2HCFYIRDCRYTSBILH5SGRI4IPQEPD4SPA2PLEWKUKMBON423');
    assert.equal(sidecarNatsSeed(Buffer.from(seed)), sidecarNatsKey(seed).seed);
  });

  it('derives the same probe in every version, also for the longest id, whose text is too long to derive from', () => {
    const four = '\u{1f3e5}';
    assert.equal(probeKey(seed, 'hospital-b').publicKey, 'UCTD3CYWJXK2MCNVHGD4GLZ6BRQNWO2IZMCTP3UEFM5CVDX5ZWY3YXBK');
    assert.equal(
      probeKey(seed, four.repeat(252)).publicKey,
      'UCP33HZSP2U5IMH6CSDIKHYEDGR2ZTDIK6FF2VSASOM3N3DCMOBBCNYF',
    );
    const longest = probeKey(seed, four.repeat(253)).publicKey;
    assert.equal(longest, 'UBKNJMYQN2CTLWC2NWGLYJPG64XE4WLWJTENLRDRKNQX7FF233CMKHQO');
    assert.notEqual(probeKey(seed, syncName(four.repeat(253))).publicKey, longest);
  });

  it('derives the same canary in every version: another one would call each running server outdated', () => {
    const key: UserKey = canaryKey(seed, '0'.repeat(64));
    assert.equal(key.publicKey, 'UCWHO2ZDGDU7KRVSE7LMKKR57NBXQMQMLGWOFFB2PD66P652K4HR2FW5');
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KeyReading, NodeObject, ObservedKey } from '../../../../../operator/plan/observed/observed.ts';
import { type KeyStep, keyRefused, keyStep, publicKeysOf } from '../../../../../operator/plan/trust/node-key.ts';
import { aKey, aNode, HOUR_MS, NOW, OWN_KEY, PUBLISHED_KEY, userKey } from '../fixtures.ts';

const BEFORE = userKey('before');
const ago = (hours: number): string => new Date(NOW - hours * HOUR_MS).toISOString();
const of = (publicKey: string): KeyReading => ({ publicKey, published: publicKey === PUBLISHED_KEY });
const rotating = (hours: number, previous = BEFORE): ObservedKey =>
  aKey({ previous: of(previous), rotation: 1, rotatedAt: ago(hours) });

const plain = aNode();
const brings = aNode({ spec: { key: { secretRef: { name: 'mine' } } } });
const asksFor = (rotation: number, overlap?: string, overlapMax?: string): NodeObject =>
  aNode({
    spec: {
      key: { rotation, ...(overlap !== undefined && { overlap }), ...(overlapMax !== undefined && { overlapMax }) },
    },
  });
const knows = (publicKeys: readonly string[], statusRotation: number, rotation: number): NodeObject =>
  aNode({ spec: { key: { rotation } }, status: { publicKeys, rotation: statusRotation } });

interface Row {
  readonly what: string;
  readonly node: NodeObject;
  readonly key?: ObservedKey;
  readonly inUse?: readonly string[];
  readonly unseen?: readonly string[];
  readonly now?: number;
  readonly step: KeyStep['step'];
  readonly reason?: string;
  readonly says?: RegExp;
}

const ROWS: readonly Row[] = [
  { what: 'no key, and no peer that knows one', node: plain, step: 'create' },
  { what: 'no key, and a status without keys', node: knows([], 0, 0), step: 'create' },
  {
    what: 'no key, though peers know one',
    node: knows([OWN_KEY], 1, 1),
    step: 'stop',
    reason: 'KeyLost',
    says: new RegExp(`^the seed of ${OWN_KEY} is gone: the Secret local-nkey is missing or empty`),
  },
  { what: 'no key, though peers know one, and the rotation was raised', node: knows([OWN_KEY], 1, 2), step: 'create' },
  {
    what: 'a key that should have been brought',
    node: brings,
    step: 'stop',
    reason: 'MissingReference',
    says: /no Secret mine/,
  },
  { what: 'a key', node: plain, key: aKey(), step: 'use', reason: 'KeyMade', says: /local-nkey/ },
  {
    what: 'a key that was brought',
    node: brings,
    key: aKey({ secret: 'mine' }),
    step: 'use',
    reason: 'KeyBrought',
    says: /mine/,
  },
  {
    what: 'a Secret without a seed in it',
    node: plain,
    key: aKey({ current: { problem: 'it has no entry nats-server.nk' } }),
    step: 'stop',
    reason: 'InvalidKey',
    says: /^Secret local-nkey: it has no entry/,
  },
  {
    what: 'a published key',
    node: plain,
    key: aKey({ current: of(PUBLISHED_KEY) }),
    step: 'stop',
    reason: 'PublishedKey',
    says: /raise spec\.key\.rotation/,
  },
  {
    what: 'a published key that was brought, whatever the rotation',
    node: aNode({ spec: { key: { secretRef: { name: 'mine' }, rotation: 5 } } }),
    key: aKey({ secret: 'mine', current: of(PUBLISHED_KEY) }),
    step: 'stop',
    reason: 'PublishedKey',
    says: /Secret mine .*put a key of your own/,
  },
  {
    what: 'a published key to be rotated away from',
    node: asksFor(1),
    key: aKey({ current: of(PUBLISHED_KEY) }),
    step: 'rotate',
  },
  {
    what: 'a published key that somebody has put there in the middle of a rotation',
    node: asksFor(1),
    key: { ...rotating(1), current: of(PUBLISHED_KEY) },
    step: 'stop',
    reason: 'PublishedKey',
  },
  {
    what: 'a published key put there in the middle of a rotation, and the rotation raised again',
    node: asksFor(2),
    key: { ...rotating(1), current: of(PUBLISHED_KEY) },
    step: 'rotate',
  },
  { what: 'a rotation that was raised', node: asksFor(1), key: aKey(), step: 'rotate' },
  { what: 'a rotation that is lower than the one done', node: asksFor(0), key: aKey({ rotation: 3 }), step: 'use' },
  {
    what: 'a rotation raised for a key that was brought',
    node: aNode({ spec: { key: { secretRef: { name: 'mine' }, rotation: 5 } } }),
    key: aKey({ secret: 'mine' }),
    step: 'use',
    reason: 'KeyBrought',
  },
  {
    what: 'a rotation within its overlap of a day',
    node: asksFor(1),
    key: rotating(23),
    step: 'use',
    reason: 'Rotating',
    says: /accepted until 2026-11-25T13:00:00\.000Z at least/,
  },
  {
    what: 'a rotation within its overlap, and raised again: one at a time',
    node: asksFor(2),
    key: rotating(23),
    step: 'use',
    reason: 'Rotating',
  },
  { what: 'a rotation past its overlap', node: asksFor(1), key: rotating(24), step: 'dropPrevious' },
  {
    what: 'a rotation past its overlap while peers accept only the previous key',
    node: asksFor(1),
    key: rotating(48),
    inUse: ['b', 'c'],
    step: 'use',
    reason: 'Rotating',
    says: /still accept only the previous key, and need the new invitation: b, c$/,
  },
  { what: 'an overlap of 90 seconds, before', node: asksFor(1, '90s'), key: rotating(89 / 3600), step: 'use' },
  { what: 'an overlap of 90 seconds, after', node: asksFor(1, '90s'), key: rotating(91 / 3600), step: 'dropPrevious' },
  { what: 'an overlap of 30 minutes, before', node: asksFor(1, '30m'), key: rotating(0.49), step: 'use' },
  { what: 'an overlap of 30 minutes, after', node: asksFor(1, '30m'), key: rotating(0.51), step: 'dropPrevious' },
  { what: 'an overlap of 2 hours, before', node: asksFor(1, '2h'), key: rotating(1.9), step: 'use' },
  { what: 'an overlap of 2 hours, after', node: asksFor(1, '2h'), key: rotating(2.1), step: 'dropPrevious' },
  { what: 'no overlap at all', node: asksFor(1, '0s'), key: rotating(0), step: 'dropPrevious' },
  { what: 'the longest overlap there can be', node: asksFor(1, '999999h'), key: rotating(999), step: 'use' },
  {
    what: 'an overlap of years that a peer asks for, without a maximum',
    node: asksFor(1),
    key: rotating(99_999),
    inUse: ['b'],
    step: 'use',
    says: /invitation: b$/,
  },
  {
    what: 'an overlap that is over, and a new peer of which it is not known which key it accepts',
    node: asksFor(1),
    key: rotating(25),
    unseen: ['b', 'c'],
    step: 'use',
    reason: 'Rotating',
    says: /^it is not known yet of these peers whether they accept only the previous key: b, c$/,
  },
  {
    what: 'a maximum that is over, and a new peer of which it is not known which key it accepts',
    node: asksFor(1, '24h', '72h'),
    key: rotating(72),
    unseen: ['b'],
    step: 'dropPrevious',
  },
  {
    what: 'a maximum that is not over while a peer accepts only the previous key',
    node: asksFor(1, '24h', '72h'),
    key: rotating(71),
    inUse: ['b'],
    step: 'use',
    reason: 'Rotating',
    says: /the new invitation: b; it ends at 2026-11-25T13:00:00\.000Z, whatever peers accept$/,
  },
  {
    what: 'a maximum that is over while a peer accepts only the previous key',
    node: asksFor(1, '24h', '72h'),
    key: rotating(72),
    inUse: ['b'],
    step: 'dropPrevious',
  },
  {
    what: 'a maximum within the overlap',
    node: asksFor(1, '24h', '72h'),
    key: rotating(23),
    step: 'use',
    says: /until 2026-11-25T13:00:00\.000Z at least; it ends at 2026-11-27T13:00:00\.000Z, whatever peers accept$/,
  },
  {
    what: 'a maximum that is shorter than the overlap',
    node: asksFor(1, '24h', '90s'),
    key: rotating(1),
    step: 'dropPrevious',
  },
  {
    what: 'a maximum, and a time of the rotation that somebody has overwritten',
    node: asksFor(1, '24h', '72h'),
    key: { ...rotating(0), rotatedAt: 'yesterday' },
    inUse: ['b'],
    step: 'use',
  },
  {
    what: 'an overlap that cannot be read, so that a day counts',
    node: asksFor(1, 'soon'),
    key: rotating(23),
    step: 'use',
  },
  {
    what: 'a clock that was put back to before the rotation',
    node: asksFor(1),
    key: rotating(0),
    now: NOW - 1000 * HOUR_MS,
    step: 'use',
    says: /until 2026-11-26T12:00:00/,
  },
  {
    what: 'a clock that jumped ahead',
    node: asksFor(1),
    key: rotating(0),
    now: NOW + 1000 * HOUR_MS,
    step: 'dropPrevious',
  },
  {
    what: 'a rotation without the time at which it began',
    node: asksFor(1),
    key: { ...rotating(0), rotatedAt: undefined },
    step: 'dropPrevious',
  },
  {
    what: 'a rotation whose time somebody has overwritten',
    node: asksFor(1),
    key: { ...rotating(0), rotatedAt: 'yesterday' },
    step: 'dropPrevious',
  },
  {
    what: 'a rotation whose time somebody has overwritten while a peer accepts only the previous key',
    node: asksFor(1),
    key: { ...rotating(0), rotatedAt: 'yesterday' },
    inUse: ['b'],
    step: 'use',
    says: /: b$/,
  },
  {
    what: 'a previous key that cannot be read, past its overlap',
    node: asksFor(1),
    key: { ...rotating(25), previous: { problem: 'the seed is damaged' } },
    step: 'dropPrevious',
  },
];

describe('keyStep', () => {
  for (const { what, node, key, inUse = [], unseen = [], now = NOW, step, reason, says } of ROWS) {
    it(`gives ${step}${reason ? ` (${reason})` : ''} for ${what}`, () => {
      const found = keyStep(node, key, { inUse, unseen }, now);
      assert.equal(found.step, step);
      if (reason !== undefined) assert.equal('reason' in found ? found.reason : undefined, reason);
      if (says) assert.match('message' in found ? found.message : '', says);
      if (found.step === 'use' && key) assert.deepEqual(found.publicKeys, publicKeysOf(key));
    });
  }

  it('ends after a few steps, at most one of which makes a key, whatever the Secret, the spec and the clock are', () => {
    const reading = fc.constantFrom<KeyReading>(of(OWN_KEY), of(BEFORE), of(PUBLISHED_KEY), { problem: 'damaged' });
    const anyKey = fc.record({
      secret: fc.constant('local-nkey'),
      current: reading,
      previous: fc.option(reading, { nil: undefined }),
      rotation: fc.nat({ max: 2 }),
      rotatedAt: fc.constantFrom(undefined, ago(1), ago(100), ago(-100), '?'),
    });
    const anyNode = fc.record({
      rotation: fc.nat({ max: 2 }),
      overlap: fc.constantFrom('0s', '24h'),
      overlapMax: fc.constantFrom('0s', '1h', '200h'),
    });
    fc.assert(
      fc.property(fc.option(anyKey, { nil: undefined }), anyNode, fc.array(fc.constant('b')), (first, spec, inUse) => {
        const node = aNode({ spec: { key: spec } });
        let key: ObservedKey | undefined = first;
        const steps: string[] = [];
        for (;;) {
          const found = keyStep(node, key, { inUse, unseen: [] }, NOW);
          if (found.step === 'use') assert.ok(!found.publicKeys.includes(PUBLISHED_KEY));
          if (found.step === 'use' || found.step === 'stop') return;
          steps.push(found.step);
          assert.ok(steps.filter((step) => step !== 'dropPrevious').length <= 1 && steps.length <= 3, steps.join());
          const made = aKey({ rotation: spec.rotation });
          if (found.step === 'create' || !key) key = made;
          else if (found.step === 'rotate') key = { ...made, previous: key.current, rotatedAt: ago(0) };
          else key = { ...key, previous: undefined };
        }
      }),
    );
  });
});

describe('keyRefused', () => {
  const REFUSED = { hasSecret: true, problem: 'cannot' };

  it('tells how to make a Secret, where there is none, and why the one that is there cannot be filled', () => {
    const of = (hasSecret: boolean): [string, string] => {
      const refused = keyRefused(plain, undefined, { step: 'create', hasSecret, problem: 'cannot' });
      assert.ok(refused.step === 'stop');
      return [refused.reason, refused.message];
    };
    const command = 'kubectl create secret generic local-nkey -n lfh';
    const advice = `make an empty Secret, which the operator fills: ${command} (it cannot: cannot)`;
    assert.deepEqual(of(false), ['SecretMissing', advice]);
    assert.deepEqual(of(true), ['WriteRefused', 'the key cannot be written into the Secret local-nkey: cannot']);
  });

  it('leaves the key in use that is there', () => {
    const refused = keyRefused(plain, aKey(), { step: 'rotate', ...REFUSED });
    assert.deepEqual([refused.step, 'reason' in refused && refused.reason], ['use', 'KeyMade']);
  });

  it('uses no key whose seed is published, whatever the key before it is', () => {
    for (const previous of [undefined, of(BEFORE)]) {
      const published = aKey({ current: of(PUBLISHED_KEY), previous });
      const refused = keyRefused(plain, published, { step: 'rotate', ...REFUSED });
      assert.ok(refused.step === 'stop' && refused.reason === 'PublishedKey');
      assert.match(refused.message, /anybody can use it, and the Secret cannot be changed: cannot$/);
    }
  });

  it('says that the previous key has ended which cannot be removed', () => {
    const refused = keyRefused(asksFor(1), aKey({ rotation: 1 }), { step: 'dropPrevious', ...REFUSED });
    assert.ok(refused.step === 'use');
    assert.deepEqual(refused.publicKeys, [OWN_KEY]);
    assert.match(refused.message, /local-nkey, the previous key has ended, and cannot be removed from it: cannot$/);
  });
});

describe('publicKeysOf', () => {
  it('gives the key in force and the previous one, without any that is published or cannot be read', () => {
    assert.deepEqual(publicKeysOf(rotating(1)), [OWN_KEY, BEFORE]);
    assert.deepEqual(publicKeysOf(rotating(1, PUBLISHED_KEY)), [OWN_KEY]);
    assert.deepEqual(publicKeysOf(aKey({ previous: { problem: 'damaged' } })), [OWN_KEY]);
    assert.deepEqual(publicKeysOf(aKey({ current: { problem: 'damaged' } })), []);
  });
});

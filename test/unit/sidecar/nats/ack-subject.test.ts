import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ackSubjectParser } from '../../../../sidecar/nats/ack-subject.ts';

const parse = ackSubjectParser('EVENTS', 'lfh-sync-b');
const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const digits = fc.tuple(count, count, count, fc.bigInt(0n, 2n ** 63n - 1n), fc.integer({ min: 0, max: 2 ** 40 }));

describe('ack subjects', () => {
  it('gives back what the server wrote, without and with a domain, and with a random last token', () => {
    fc.assert(
      fc.property(digits, ([delivered, stream, consumer, ns, pending]) => {
        const tail = `EVENTS.lfh-sync-b.${delivered}.${stream}.${consumer}.${ns}.${pending}`;
        const expected = {
          deliveryCount: delivered,
          streamSequence: stream,
          consumerSequence: consumer,
          time: Number(ns / 1_000_000n),
          pending,
        };
        assert.deepEqual(parse(`$JS.ACK.${tail}`), expected);
        assert.deepEqual(parse(`$JS.ACK.hub.ABCHASH.${tail}`), expected);
        assert.deepEqual(parse(`$JS.ACK.hub.ABCHASH.${tail}.xyz`), expected);
      }),
    );
  });

  it('takes no other stream and no other durable', () => {
    const tail = '1.2.3.1700000000000000000.4';
    for (const owner of [
      'EVENTS.lfh-sync-c',
      'OTHER.lfh-sync-b',
      'EVENTS.lfh-sync-b2',
      'EVENTS.lfh-sync',
      '*.>',
      'EVENTS.',
    ]) {
      assert.equal(parse(`$JS.ACK.${owner}.${tail}`), undefined, owner);
      assert.equal(parse(`$JS.ACK.hub.HASH.${owner}.${tail}`), undefined, owner);
    }
    assert.equal(parse(`$JS.ACK.hub.EVENTS.lfh-sync-b.${tail}`), undefined, 'a domain without an account');
    assert.equal(parse(`$JS.ACK..HASH.EVENTS.lfh-sync-b.${tail}`), undefined, 'an empty domain');
    assert.equal(parse(`$JS.FC.EVENTS.lfh-sync-b.${tail}`), undefined);
  });

  it('takes no number that cannot be counted with', () => {
    const good = ['1', '2', '3', '1700000000000000000', '4'];
    const bad = ['', '-1', '1.5', '1e3', '0x1', ' 1', 'NaN', '+1', '٣', '9007199254740992', '99999999999999999999999'];
    for (let at = 0; at < good.length; at += 1) {
      for (const token of bad) {
        if (at === 3 && token === '9007199254740992') continue;
        const tokens = good.with(at, token);
        assert.equal(parse(`$JS.ACK.EVENTS.lfh-sync-b.${tokens.join('.')}`), undefined, tokens.join('.'));
      }
    }
    for (const at of [0, 1, 2]) {
      assert.equal(parse(`$JS.ACK.EVENTS.lfh-sync-b.${good.with(at, '0').join('.')}`), undefined, 'they start at 1');
    }
  });

  it('takes neither fewer nor more tokens', () => {
    const full = '$JS.ACK.EVENTS.lfh-sync-b.1.2.3.1700000000000000000.4';
    for (let end = 0; end < full.length - 1; end += 1)
      assert.equal(parse(full.slice(0, end)), undefined, full.slice(0, end));
    assert.equal(parse(`${full}.`), undefined);
    assert.equal(parse(`${full}.5`), undefined);
    assert.equal(parse(`$JS.ACK.hub.HASH.${full.slice(8)}.xyz.more`), undefined);
    assert.equal(parse(`$JS.ACK.hub.HASH.${full.slice(8)}.`), undefined);
  });

  it('never throws, and never gives anything but counts', () => {
    const token = fc.oneof(fc.string(), fc.constantFrom('$JS', 'ACK', 'EVENTS', 'lfh-sync-b', '1', '2', '-3', ''));
    fc.assert(
      fc.property(fc.array(token, { maxLength: 14 }), (tokens) => {
        const parsed = parse(tokens.join('.'));
        if (parsed) for (const value of Object.values(parsed)) assert.ok(Number.isSafeInteger(value) && value >= 0);
      }),
    );
  });
});

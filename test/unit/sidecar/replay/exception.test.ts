import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isSameMessage, readException } from '../../../../sidecar/replay/exception.ts';
import { exceptionRecord } from '../../../../sidecar/replay/record.ts';
import { bytesOf } from '../../../../sidecar/replay/record-value.ts';

const source = { peer: 'hospital-a', stream: 'EVENTS', identity: 'abc', sequence: 42 };
const rejection = { kind: 'reject', reason: 'FormatNotAllowed', detail: 'of a test' } as const;

/** The record as it comes back from Kafka. */
function stored(payload: Uint8Array, limit = 1_000_000, size = payload.length) {
  const { value, headers = {} } = exceptionRecord({ payload, size }, rejection, source, 0, limit);
  const bytes = Object.entries(headers).map(([name, text]): [string, Buffer] => [name, Buffer.from(text)]);
  return { partition: 1, offset: 7, time: 500, headers: Object.fromEntries(bytes), value: bytesOf(value) };
}

function contentOf(record: ReturnType<typeof stored> | { value: null }) {
  return readException({ ...stored(Buffer.from('x')), ...record }, 'hospital-a')?.content;
}

describe('a record of LFH_EXCEPTION, read back', () => {
  it('has the message to the byte, and where it is from', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ maxLength: 300 }).map((text) => new Uint8Array(Buffer.from(text))),
    );
    fc.assert(
      fc.property(bytes, (payload) => {
        assert.deepEqual(readException(stored(payload), 'hospital-a'), {
          partition: 1,
          offset: 7,
          time: 500,
          reason: 'FormatNotAllowed',
          stream: 'EVENTS',
          sequence: 42,
          size: payload.length,
          content: { kind: 'whole', payload: Buffer.from(payload) },
        });
      }),
    );
  });

  it('has the fingerprint of a message that was cut, which no other message has', () => {
    const payload = Buffer.alloc(50_000, 65);
    const other = Buffer.concat([payload.subarray(1), Buffer.from('B')]);
    const content = contentOf(stored(payload, 8_000));
    assert.ok(content?.kind === 'cut');
    assert.equal(isSameMessage(payload, payload.length, content.fingerprint), true);
    assert.equal(isSameMessage(other, other.length, content.fingerprint), false);
  });

  it('has the fingerprint of the beginning of a message of which nobody had more', () => {
    const payload = Buffer.alloc(50_000, 65);
    const content = contentOf(stored(payload.subarray(0, 6_000), 8_000, payload.length));
    assert.ok(content?.kind === 'cut');
    assert.equal(isSameMessage(payload, payload.length, content.fingerprint), true);
    assert.equal(isSameMessage(payload.subarray(1), payload.length, content.fingerprint), false, 'too short');
    const other = Buffer.concat([Buffer.from('B'), payload.subarray(1)]);
    assert.equal(isSameMessage(other, payload.length, content.fingerprint), false, 'another beginning');
  });

  it("is not taken for this peer's where it is another peer's, connect's or the transmission's", () => {
    const { headers, ...others } = stored(Buffer.from('x'));
    const of = (changed: object) => readException({ ...others, headers: { ...headers, ...changed } }, 'hospital-a');
    assert.notEqual(of({}), undefined);
    assert.equal(of({ 'lfh-sync-peer': Buffer.from('hospital-b') }), undefined);
    assert.equal(of({ 'lfh-sync-sequence': undefined }), undefined);
    assert.equal(of({ 'lfh-sync-sequence': Buffer.from('0') }), undefined);
    assert.equal(of({ 'lfh-sync-size': Buffer.from('many') }), undefined);
    assert.equal(of({ 'lfh-sync-reason': undefined }), undefined);
    assert.equal(readException({ ...others, headers: {} }, 'hospital-a'), undefined);
  });

  it('is damaged where somebody else has written its value', () => {
    for (const value of [null, Buffer.from(''), Buffer.from('{"data": 1}'), Buffer.from('{"data": "AAAA')]) {
      for (const payload of ['x', '\u0000']) {
        const found = contentOf({ ...stored(Buffer.from(payload)), value: value as Buffer });
        assert.deepEqual(found, { kind: 'damaged' }, `${value?.toString()} in place of ${payload}`);
      }
    }
  });
});

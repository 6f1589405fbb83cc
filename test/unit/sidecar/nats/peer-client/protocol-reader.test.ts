import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ConnectionError } from '../../../../../sidecar/nats/peer-client/errors.ts';
import { headerOf, type Incoming, MAX_HEADERS, statusOf } from '../../../../../sidecar/nats/peer-client/incoming.ts';
import { ProtocolReader } from '../../../../../sidecar/nats/peer-client/protocol-reader.ts';

const KEPT = 100;
const MAX_LINE = 64 * 1024;
/** Where messages of several chunks are put together. */
const SCRATCH = 32 * 1024;

/** What a reader told, as plain values. */
type Told =
  | { readonly kind: 'ping' | 'pong' }
  | { readonly kind: 'info' | 'error'; readonly text: string }
  | {
      readonly kind: 'message';
      readonly sid: number;
      readonly reply: string;
      readonly headers: string;
      readonly payload: string;
      readonly size: number;
    };

/** Reads a stream that comes in these chunks. */
function read(chunks: readonly Buffer[], onMessage: (message: Incoming) => void = () => undefined): Told[] {
  const told: Told[] = [];
  const reader = new ProtocolReader(
    {
      message: (message) => {
        onMessage(message);
        const { sid, reply, headers, payload, size } = message;
        told.push({ kind: 'message', sid, reply, headers: latin1(headers), payload: latin1(payload), size });
      },
      info: (text) => told.push({ kind: 'info', text }),
      error: (text) => told.push({ kind: 'error', text }),
      ping: () => told.push({ kind: 'ping' }),
      pong: () => told.push({ kind: 'pong' }),
    },
    KEPT,
  );
  for (const chunk of chunks) reader.read(chunk);
  return told;
}

function latin1(bytes: Buffer | undefined): string {
  return bytes?.toString('latin1') ?? '';
}

/** A piece of a stream, and what it says. */
interface Piece {
  readonly bytes: Buffer;
  readonly says: Told | undefined;
}

const subject = fc.stringMatching(/^[!-~]{1,80}$/);
const bytes = fc.uint8Array({ maxLength: 3 * KEPT, size: 'max' }).map((array) => Buffer.from(array));
const blank = fc.constantFrom(' ', '  ', '\t');
const message = fc
  .record({
    subject,
    sid: fc.nat(),
    reply: fc.option(subject, { nil: '' }),
    headers: fc.option(bytes),
    payload: bytes,
    blank,
  })
  .map(({ sid, reply, headers, payload, ...line }): Piece => {
    const sizes = headers ? [headers.length, headers.length + payload.length] : [payload.length];
    const words = [headers ? 'HMSG' : 'MSG', [line.subject, sid, ...(reply ? [reply] : []), ...sizes].join(line.blank)];
    const body = [...(headers ? [headers] : []), payload, Buffer.from('\r\n')];
    return {
      bytes: Buffer.concat([Buffer.from(`${words.join(' ')}\r\n`), ...body]),
      says: {
        kind: 'message',
        sid,
        reply,
        headers: latin1(headers ?? undefined),
        payload: latin1(payload.subarray(0, KEPT)),
        size: payload.length,
      },
    };
  });
const text = fc.stringMatching(/^[ -~]{0,100}$/);
const line = fc.oneof(
  fc.constant<Piece>({ bytes: Buffer.from('PING\r\n'), says: { kind: 'ping' } }),
  fc.constant<Piece>({ bytes: Buffer.from('PONG\r\n'), says: { kind: 'pong' } }),
  fc.constant<Piece>({ bytes: Buffer.from('+OK\r\n'), says: undefined }),
  text.map((said): Piece => ({ bytes: Buffer.from(`INFO ${said}\r\n`), says: { kind: 'info', text: said } })),
  text.map((said): Piece => ({ bytes: Buffer.from(`-ERR ${said}\r\n`), says: { kind: 'error', text: said } })),
);
const stream = fc.array(fc.oneof({ weight: 3, arbitrary: message }, line), { maxLength: 12 });

/** Cuts a stream at any places. */
function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)).sort((a, b) => a - b), whole.length];
  return at.slice(1).map((end, index) => whole.subarray(at[index], end));
}

describe("what a peer's server sends", () => {
  it('is read the same however it is cut into chunks', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 30 }), (pieces, places) => {
        const whole = Buffer.concat(pieces.map((piece) => piece.bytes));
        const expected = pieces.flatMap(({ says }) => (says ? [says] : []));
        assert.deepEqual(read([whole]), expected);
        assert.deepEqual(read(cut(whole, places)), expected);
        assert.deepEqual(read(Array.from(whole, (byte) => Buffer.of(byte))), expected);
      }),
    );
  });

  it('leads to nothing but the error of the protocol, and to no more memory than may be, whatever it is', () => {
    const mutation = fc.record({
      at: fc.nat(),
      removed: fc.nat({ max: 20 }),
      inserted: fc.uint8Array({ maxLength: 20 }),
    });
    const property = fc.property(
      stream,
      fc.array(mutation, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (pieces, mutations, places) => {
        let whole = Buffer.concat(pieces.map((piece) => piece.bytes));
        for (const { at, removed, inserted } of mutations) {
          const place = at % (whole.length + 1);
          whole = Buffer.concat([whole.subarray(0, place), inserted, whole.subarray(place + removed)]);
        }
        const chunks = cut(whole, places).map((chunk) => Buffer.from(new Uint8Array(chunk).buffer));
        const largest = Math.max(SCRATCH, ...chunks.map(({ length }) => length));
        const bounded = (found: Incoming): void => {
          assert.ok(found.payload.length <= KEPT && found.payload.buffer.byteLength <= largest);
          assert.ok((found.headers?.length ?? 0) <= MAX_HEADERS);
          statusOf(found);
          headerOf(found, 'Nats-Stream-Identity');
        };
        try {
          read(chunks, bounded);
        } catch (error) {
          assert.ok(error instanceof ConnectionError && error.code === 'NATS_PROTOCOL_ERR', String(error));
          assert.equal(error.message, 'the server does not keep to the protocol');
        }
      },
    );
    fc.assert(property, { numRuns: 2_000 });
  });

  const refused: readonly (readonly [what: string, sent: string])[] = [
    ['a line that is too long', `INFO ${'x'.repeat(MAX_LINE)}\r\n`],
    ['a line without an end', 'MSG '.padEnd(MAX_LINE + 1, 'x')],
    ['a message that is larger than any server allows', `MSG a 1 ${64 * 1024 * 1024 + 1}\r\n`],
    ['a size of many digits', 'MSG a 1 0000000000000001\r\nx\r\n'],
    ['a size that is no number', 'MSG a 1 1e3\r\n'],
    ['a negative size', 'MSG a 1 -1\r\n'],
    ['headers that are larger than their message', 'HMSG a 1 5 4\r\n'],
    ['a message without a size', 'MSG a 1\r\n'],
    ['a line with a word too many', 'MSG a 1 reply 5 5\r\nxxxxx\r\n'],
    ['a message that is longer than its size', 'MSG a 1 1\r\nxx\r\n'],
    ['a line that ends in a line feed alone', 'PING\n'],
    ['a command of a client', 'CONNECT {}\r\n'],
    ['a command with more behind it', 'PINGS\r\n'],
    ['an empty line', '\r\n'],
    ['a line feed alone', '\n'],
  ];
  for (const [what, sent] of refused) {
    it(`is refused for ${what}, in one chunk or byte by byte`, () => {
      for (const chunks of [[Buffer.from(sent)], Array.from(sent, (letter) => Buffer.from(letter))]) {
        assert.throws(() => read(chunks), { name: 'ConnectionError', code: 'NATS_PROTOCOL_ERR' });
      }
    });
  }

  it('is kept of a message of 64 MB as far as may be, and read on behind it', () => {
    const [headers, size] = [200 * 1024, 64 * 1024 * 1024];
    const chunk = Buffer.alloc(512 * 1024, 'x');
    const body = Array.from({ length: size / chunk.length }, () => chunk);
    let held = 0;
    const told = read(
      [Buffer.from(`HMSG a 1 ${headers} ${size}\r\n`), ...body, Buffer.from('\r\nPING\r\n')],
      ({ payload, headers: kept }) => (held = payload.buffer.byteLength + (kept?.buffer.byteLength ?? 0)),
    );
    assert.deepEqual(
      told.map((each) => (each.kind === 'message' ? [each.headers.length, each.payload.length, each.size] : each.kind)),
      [[MAX_HEADERS, KEPT, size - headers], 'ping'],
    );
    assert.equal(held, MAX_HEADERS + KEPT);
  });

  it('has a status and headers as nats-server writes them', () => {
    const found: Incoming[] = [];
    const send = (fields: string): void => {
      const sent = `HMSG a 1 ${fields.length} ${fields.length}\r\n${fields}\r\n`;
      read([Buffer.from(sent)], (each) => found.push(each));
    };
    send('NATS/1.0 503\r\n\r\n');
    send('NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes:2\r\n\r\n');
    send('NATS/1.0\r\nNats-Stream-Identity: abc\r\n\r\n');
    send('HTTP/1.1 200 OK\r\n\r\n');
    assert.deepEqual(found.map(statusOf), [
      { code: 503, description: '' },
      { code: 409, description: 'Message Size Exceeds MaxBytes' },
      { code: 0, description: '' },
      undefined,
    ]);
    assert.deepEqual(
      [headerOf(found[1] as Incoming, 'Nats-Pending-Bytes'), headerOf(found[2] as Incoming, 'Nats-Stream-Identity')],
      ['2', 'abc'],
    );
    assert.equal(headerOf(found[0] as Incoming, 'Nats-Stream-Identity'), undefined);
  });
});

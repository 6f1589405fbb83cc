import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { LfhMessage } from '../../../../common/contract/message.ts';
import { pythonString } from '../../../../sidecar/replay/python-json.ts';
import { dataRecordValue, exceptionRecord } from '../../../../sidecar/replay/record.ts';
import { batchBytes } from '../../../../sidecar/replay/record-size.ts';
import { bytesOf } from '../../../../sidecar/replay/record-value.ts';
import { messageFields } from './messages.ts';

const NOW = Date.parse('2026-11-23T11:42:06.789Z');
const source = { peer: 'hospital-a', stream: 'EVENTS', identity: 'abc', sequence: 42 };
const rejection = { kind: 'reject', reason: 'NotJson', detail: 'the message is not JSON' } as const;

function exceptionOf(payload: Uint8Array, limit = 1_000_000) {
  const record = exceptionRecord({ payload, size: payload.byteLength }, rejection, source, NOW, limit);
  return { record, value: JSON.parse(bytesOf(record.value).toString('utf8')) as Record<string, unknown> };
}

describe('the data record', () => {
  it('is byte for byte what connect would write', () => {
    const fields = messageFields({ consuming_endpoint_url: '/fhir/Pätient', data: 'eyJhIjoxfQ==' });
    assert.equal(
      bytesOf(dataRecordValue(fields as unknown as LfhMessage, NOW)).toString('utf8'),
      '{"uuid": "5e1a8a0f-5c4b-4c70-9d5b-0d1e9a7f5a01", "lfh_id": "hospital-a", "operation": "POST", ' +
        '"creation_date": "2026-11-23T11:42:06+00:00", "store_date": "2026-11-23T11:42:06+00:00", ' +
        '"consuming_endpoint_url": "/fhir/P\\u00e4tient", "data": "eyJhIjoxfQ==", "data_format": "FHIR-R4", ' +
        '"status": null, "data_record_location": null, "target_endpoint_urls": [], "ipfs_uri": null, ' +
        '"elapsed_storage_time": null, "transmit_date": null, "elapsed_transmit_time": null, ' +
        '"elapsed_total_time": null, "transmission_attributes": null}',
    );
  });
});

describe('a string as Python writes it', () => {
  it('is ASCII and is read back as it was, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = pythonString(text);
        assert.match(json, /^[\x20-\x7e]*$/);
        assert.equal(JSON.parse(json), text);
      }),
    );
  });

  it('escapes as json.dumps does: DEL, astral characters as two, control characters by their short names', () => {
    assert.equal(pythonString('\u007f'), '"\\u007f"');
    assert.equal(pythonString('😀'), '"\\ud83d\\ude00"');
    assert.equal(pythonString('\b\f\n\r\t\u0001"\\/'), '"\\b\\f\\n\\r\\t\\u0001\\"\\\\/"');
  });
});

describe('the exception record', () => {
  it("has connect's fields in connect's order, and headers that say where the message came from and why it was rejected", () => {
    const { record, value } = exceptionOf(Buffer.from('{"a": '));
    assert.equal(record.topic, 'LFH_EXCEPTION');
    assert.deepEqual(Object.keys(value), ['data', 'error_msg', 'uuid', 'error_date', 'data_record_location']);
    assert.deepEqual(
      { ...value, uuid: '' },
      {
        data: '{"a": ',
        error_msg: 'NotJson: the message is not JSON',
        uuid: '',
        error_date: '2026-11-23T11:42:06',
        data_record_location: null,
      },
    );
    assert.match(String(value.uuid), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(record.headers, {
      'lfh-sync-peer': 'hospital-a',
      'lfh-sync-stream': 'EVENTS',
      'lfh-sync-sequence': '42',
      'lfh-sync-reason': 'NotJson',
      'lfh-sync-size': '6',
      'lfh-sync-encoding': 'text',
    });
  });

  it('has another id for every message', () => {
    const ids = [41, 42, 43].map((sequence) => {
      const from = { ...source, sequence };
      const { value } = exceptionRecord({ payload: Buffer.from('x'), size: 1 }, rejection, from, NOW, 10_000);
      return bytesOf(value).toString();
    });
    assert.equal(new Set(ids).size, 3);
  });

  it('holds bytes that are not text in base64', () => {
    const bytes = Buffer.from([0xff, 0x00, 0xfe]);
    const { record, value } = exceptionOf(bytes);
    assert.equal(record.headers?.['lfh-sync-encoding'], 'base64');
    assert.deepEqual(Buffer.from(String(value.data), 'base64'), bytes);
  });

  it('holds text in base64 when it is not printable ASCII, since escaping it would take long', () => {
    for (const text of ['é', '\u007f', '\u0000', 'a\u0001b']) {
      const { record, value } = exceptionOf(Buffer.from(text));
      assert.equal(record.headers?.['lfh-sync-encoding'], 'base64');
      assert.equal(Buffer.from(String(value.data), 'base64').toString('utf8'), text);
    }
    assert.equal(exceptionOf(Buffer.from('a\tb\r\n~ ')).record.headers?.['lfh-sync-encoding'], 'text');
  });

  it('holds text in base64 when its escapes would not fit', () => {
    const text = '"'.repeat(4000);
    const { record, value } = exceptionOf(Buffer.from(text), 8_000);
    assert.equal(record.headers?.['lfh-sync-encoding'], 'base64');
    assert.equal(Buffer.from(String(value.data), 'base64').toString('utf8'), text);
  });

  it('is cut when even base64 does not fit, and then has the hash of the whole message', () => {
    const bytes = Buffer.alloc(50_000, 65);
    const { record, value } = exceptionOf(bytes, 8_000);
    assert.equal(record.headers?.['lfh-sync-encoding'], 'base64-cut');
    assert.equal(record.headers['lfh-sync-sha256'], createHash('sha256').update(bytes).digest('hex'));
    assert.ok(bytes.toString('latin1').startsWith(Buffer.from(String(value.data), 'base64').toString('latin1')));
  });

  it('is cut where only the beginning of the message was kept, and then has its size, and no hash', () => {
    const payload = Buffer.alloc(6_000, 65);
    const { headers } = exceptionRecord({ payload, size: 50_000 }, rejection, source, NOW, 8_000);
    assert.equal(headers?.['lfh-sync-encoding'], 'base64-cut');
    assert.equal(headers['lfh-sync-size'], '50000');
    assert.equal(headers['lfh-sync-sha256'], undefined);
  });

  it('is never larger than its topic takes, whatever it holds', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6_000 }), fc.integer({ min: 2_000, max: 6_000 }), (payload, limit) => {
        const { value, headers } = exceptionRecord(
          { payload, size: payload.byteLength },
          rejection,
          source,
          NOW,
          limit,
        );
        const headerBytes = Object.entries(headers ?? {}).reduce((sum, [k, v]) => sum + k.length + v.length + 4, 0);
        assert.ok(batchBytes(value.length) + headerBytes <= limit);
      }),
    );
  });
});

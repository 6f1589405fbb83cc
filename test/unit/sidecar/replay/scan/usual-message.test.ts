import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { MESSAGE_FIELDS } from '../../../../../common/contract/message.ts';
import { readObject } from '../../../../../common/contract/object-reader.ts';
import { readUsualMessage } from '../../../../../sidecar/replay/scan/usual-message.ts';
import { connectMessage } from '../../../../kit/sites/connect-message.ts';
import { allAtOnce, PATIENT } from '../messages.ts';
import { messages, RUNS, RUNS_TIMEOUT_MS } from './mutations.ts';

function message(overrides: Readonly<Record<string, unknown>>): Buffer {
  return connectMessage({ lfhId: 'hospital-a', content: PATIENT, overrides }).payload;
}

describe('a usual message', () => {
  it('has the fields and the content that the reader of all objects finds in it', function () {
    this.timeout(RUNS_TIMEOUT_MS);
    fc.assert(
      fc.property(messages, (payload) => {
        const usual = readUsualMessage(payload);
        if (usual === undefined) return;
        assert.ok(isUtf8(payload));
        const found = allAtOnce(readObject(payload.toString('utf8'), MESSAGE_FIELDS, { refuseRepeated: true }));
        assert.ok(found.kind === 'object', found.kind);
        for (const field of MESSAGE_FIELDS) assert.equal(usual.fields[field as 'data'], found.fields[field], field);
        const content = Buffer.from(usual.fields.data as string, 'base64');
        assert.ok(usual.content.equals(Buffer.concat([content, Buffer.alloc(1)])));
      }),
      RUNS,
    );
  });

  const usual: Record<string, Record<string, unknown>> = {
    'without an operation': { operation: undefined },
    'with nulls': { status: null, target_endpoint_urls: null, transmission_attributes: null, elapsed_total_time: null },
    'with times of any size': { elapsed_storage_time: 1.5e-7, elapsed_total_time: 12_345 },
    'with attributes as text': { transmission_attributes: 'eyJh' },
    'with attributes that need escapes': { transmission_attributes: { 'sec-ch-ua': '"Chromium";v="96"', name: 'Zoë' } },
    'with the servers that it was transmitted to': { target_endpoint_urls: ['https://a/fhir', 'https://b/fhir'] },
  };
  for (const [name, overrides] of Object.entries(usual)) {
    it(`is one ${name}`, () => assert.notEqual(readUsualMessage(message(overrides)), undefined));
  }

  const unusual: Record<string, Record<string, unknown>> = {
    'with a field that we do not know': { retransmit_count: 3 },
    'with an escape in a field that we use': { lfh_id: 'hospitäl' },
    'with a control character in a field that we use': { lfh_id: 'a\u007f' },
    'with a number in a field that we use': { data_format: 5 },
    'with what is not base64': { data: 'e30' },
    'with nested attributes': { transmission_attributes: { a: { b: 1 } } },
    'with far more attributes than HTTP has headers': { transmission_attributes: { a: 'x'.repeat(9_000) } },
    'with more data than NATS takes by default': { data: 'e30K'.repeat(300_000) },
  };
  for (const [name, overrides] of Object.entries(unusual)) {
    it(`is none ${name}`, () => assert.equal(readUsualMessage(message(overrides)), undefined));
  }

  it('is none where it is not JSON', () => {
    const text = message({ status: 'MARK' }).toString();
    for (const wrong of ['"\\x"', '"\\u00eg"', '"\n"', '"a', '', '01']) {
      assert.equal(readUsualMessage(Buffer.from(text.replace('"MARK"', wrong))), undefined, wrong);
    }
  });
});

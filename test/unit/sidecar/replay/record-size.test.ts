import assert from 'node:assert/strict';
import { readMessage } from '../../../../common/contract/message.ts';
import { EXCEPTION_TOPIC } from '../../../../common/contract/names.ts';
import { dataRecordValue, exceptionRecord } from '../../../../sidecar/replay/record.ts';
import { batchBytes, neededTopicLimit } from '../../../../sidecar/replay/record-size.ts';
import { messageBytes } from './messages.ts';

describe('the size of a record', () => {
  it('is what Kafka counts, also where a length needs one byte more', () => {
    // Measured with kafkajs's encoder: 61 for the batch, and 7 to 13 for the record.
    for (const [value, bytes] of [
      [0, 61 + 1 + 6],
      [63, 61 + 2 + 6 + 63],
      [64, 61 + 2 + 7 + 64],
      [8_191, 61 + 3 + 7 + 8_191],
      [1_048_516, 1_048_588],
      [1_048_576, 1_048_650],
    ] as const) {
      assert.equal(batchBytes(value), bytes, String(value));
    }
  });

  it('that a topic has to take holds whatever is let in as connect would write it', () => {
    // The longest that each field may be, in letters that Python writes with twelve bytes instead of four.
    const long = { lfh_id: '😀'.repeat(253), consuming_endpoint_url: '😀'.repeat(2_048), data_format: 'F'.repeat(249) };
    const payload = messageBytes({ ...long, operation: 'O'.repeat(16), data: 'QUJD'.repeat(1_000) });
    const message = readMessage(JSON.parse(String(payload)) as Record<string, unknown>);
    assert.ok('data' in message);
    assert.ok(batchBytes(dataRecordValue(message, 0).length) <= neededTopicLimit(payload.length));
  });

  it('that a topic has to take holds a rejected message of the largest size whole', () => {
    const source = { peer: 'hospital-a', stream: 'EVENTS', identity: 'abc', sequence: 1 };
    const rejection = { kind: 'reject', reason: 'NotUtf8', detail: 'the message is not UTF-8' } as const;
    for (const most of [1, 1_000, 1_048_576]) {
      const record = exceptionRecord(
        { payload: Buffer.alloc(most, 0xff), size: most },
        rejection,
        source,
        0,
        neededTopicLimit(most),
      );
      assert.deepEqual([record.topic, record.headers?.['lfh-sync-encoding']], [EXCEPTION_TOPIC, 'base64']);
    }
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatMatcher } from '../../../../common/contract/formats.ts';
import { ANNOUNCE_STATE_TOPIC, redriveTopic, syncName } from '../../../../common/contract/names.ts';
import { DEFAULT_FORMATS } from '../../../../common/contract/peers.ts';
import type { RejectReason } from '../../../../common/contract/reasons.ts';
import { type Candidate, type Decision, decide as deciding, type Rules } from '../../../../sidecar/replay/decide.ts';
import { otherVersions, realIntake } from '../../../kit/golden/messages.ts';
import { allAtOnce, base64, messageBytes, messageFields } from './messages.ts';

const rules: Rules = {
  ownLfhId: 'hospital-b',
  peerLfhId: 'hospital-a',
  allowOrigins: ['clinic.a'],
  isAllowedFormat: formatMatcher(['FHIR-*', 'X12*', 'HL7*', 'DICOM*', 'LFH_*', '*']),
  maxMessageBytes: 10_000,
};
const beginning = { sequence: 0, from: 0 };

/** The fields that the sidecar does not use. */
const UNUSED = [
  'creation_date',
  'store_date',
  'status',
  'data_record_location',
  'target_endpoint_urls',
  'ipfs_uri',
  'elapsed_storage_time',
  'transmit_date',
  'elapsed_transmit_time',
  'elapsed_total_time',
  'transmission_attributes',
];

function decide(...asked: Parameters<typeof deciding>): Decision {
  return allAtOnce(deciding(...asked));
}

/** A resource with so many levels, itself included. */
function nested(levels: number): string {
  return `{"resourceType": "Patient", "x": ${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
}

function candidate(payload: Uint8Array, streamSequence = 1, time = 1000): Candidate {
  return { payload, size: payload.byteLength, streamSequence, time };
}

describe('a delivered message', () => {
  describe('is replayed:', () => {
    const accepted: Record<string, Record<string, unknown>> = {
      'a FHIR resource': {},
      'a FHIR resource from an older node': { data_format: 'FHIR-R4_PATIENT' },
      'an X12 interchange': { data_format: 'X12-5010', data: base64('ISA*00*          *00*~') },
      'an X12 interchange from an older node': { data_format: 'X12_270', data: base64('\nISA*00*~') },
      'an HL7 v2 message': { data_format: 'HL7-V2', data: base64('MSH|^~\\&|A|B\r') },
      'an HL7 v2 message that is not UTF-8': {
        data_format: 'HL7-V2',
        data: Buffer.concat([Buffer.from('MSH|'), Buffer.from([0xe9])]).toString('base64'),
      },
      'an HL7 v2 message in its MLLP frame': { data_format: 'HL7-V2', data: base64('\vMSH|^~\\&|\r') },
      'raw bytes of a format we do not know': {
        data_format: 'DICOM',
        data: Buffer.from([0, 255, 1, 254]).toString('base64'),
      },
      "a message of the peer's allowed origin": { lfh_id: 'clinic.a' },
      'a resource that nests as deep as Python can write': { data: base64(nested(1_000)) },
      'a message with nulls where nulls may be': {
        status: null,
        data_record_location: null,
        target_endpoint_urls: null,
        transmission_attributes: null,
      },
      'a message without the optional fields': { status: undefined, target_endpoint_urls: undefined },
      'a message with fields we do not know': { retransmit_count: 3, __proto__field: {} },
      "an older node's dates": { creation_date: '2021-04-21 20:41:18Z' },
      'a bare X12 transaction set': { data_format: 'X12-5010', data: base64('ST*270*0001*005010X279A1~') },
      'an X12 transaction set behind a file separator': { data_format: 'X12-5010', data: base64('\x1cst*270~') },
      'an HL7 v2 message in lower case': { data_format: 'HL7-V2', data: base64('msh|^~\\&|\r') },
      'a C-CDA document': { data_format: 'C-CDA-2.1', data: base64('<ClinicalDocument/>') },
      'a message of an older node without an operation': { operation: undefined },
      'a message whose operation is null': { operation: null },
      'a message without its dates': { creation_date: undefined, store_date: 5 },
      'a field of ours within another field': { transmission_attributes: { lfh_id: 'x', LFH_ID: 'y' } },
      ...Object.fromEntries(
        UNUSED.flatMap((field) =>
          ['text', 5, true, null, [], {}].map((value) => [`${JSON.stringify(value)} as ${field}`, { [field]: value }]),
        ),
      ),
    };
    for (const [name, overrides] of Object.entries(accepted)) {
      it(name, () => {
        const decision = decide(candidate(messageBytes(overrides)), beginning, rules);
        assert.equal(decision.kind, 'replay', JSON.stringify(decision));
      });
    }
  });

  describe('is replayed as a real connect announced it:', () => {
    const forConnect: Rules = {
      ...rules,
      peerLfhId: 'lfh-node-a',
      allowOrigins: ['hospital-a'],
      isAllowedFormat: formatMatcher(DEFAULT_FORMATS),
      maxMessageBytes: 1_048_576,
    };
    for (const { name, bytes } of [...realIntake(), ...otherVersions()]) {
      it(name, () => {
        const decision = decide(candidate(bytes), beginning, forConnect);
        assert.equal(decision.kind, 'replay', JSON.stringify(decision));
      });
    }
  });

  describe('is rejected when its format is a topic that no peer may write to:', () => {
    const colliding = [
      'LFH.SYNC',
      `LFH.SYNC_POSITION_${syncName('hospital-c')}`,
      `LFH_SYNC.POSITION_${syncName('hospital-c')}`,
      redriveTopic(syncName('hospital-b')).replaceAll('_', '.'),
      ANNOUNCE_STATE_TOPIC.replace('_', '.'),
      '._share_group_state',
      '..consumer_offsets',
      '_.transaction_state',
    ];
    const ours = ['_schemas', '__proto__', 'Retransmit', 'LFH_X'];
    const names = [...Object.getOwnPropertyNames(Object.prototype), ...ours, ...colliding];
    for (const name of names) {
      it(name, () => {
        const decision = decide(candidate(messageBytes({ data_format: name })), beginning, rules);
        assert.equal(decision.kind === 'reject' && decision.reason, 'ForbiddenTopic');
      });
    }
  });

  describe('is rejected:', () => {
    const text = (value: string): Buffer => Buffer.from(value);
    const rejected: [name: string, RejectReason, Buffer][] = [
      ['nothing at all', 'Empty', Buffer.alloc(0)],
      ['a message one byte over the limit', 'TooLarge', Buffer.alloc(10_001, 32)],
      ['what is not UTF-8', 'NotUtf8', Buffer.from([0x7b, 0xff, 0x7d])],
      ['what is not JSON', 'NotJson', text('{"uuid": ')],
      ['an empty string', 'NotAnObject', text('""')],
      ['null', 'NotAnObject', text('null')],
      ['a list', 'NotAnObject', text('[]')],
      ['an object with nothing in it', 'MissingField', text('{}')],
      [
        'null everything',
        'WrongType',
        messageBytes(Object.fromEntries(Object.keys(messageFields()).map((k) => [k, null]))),
      ],
      ...(['uuid', 'lfh_id', 'consuming_endpoint_url', 'data', 'data_format'] as const).flatMap(
        (field): [string, RejectReason, Buffer][] => [
          [`a message without ${field}`, 'MissingField', messageBytes({ [field]: undefined })],
          [`a message with a number as ${field}`, 'WrongType', messageBytes({ [field]: 5 })],
          [`a message with an empty ${field}`, 'InvalidField', messageBytes({ [field]: '' })],
        ],
      ),
      ['a uuid that is not one', 'InvalidField', messageBytes({ uuid: 'not-a-uuid' })],
      ['a number as operation', 'WrongType', messageBytes({ operation: 5 })],
      ['an operation of 17 letters', 'InvalidField', messageBytes({ operation: 'P'.repeat(17) })],
      ['an operation with a line end', 'InvalidField', messageBytes({ operation: 'POST\n' })],
      ['an lfh_id of 254 characters', 'InvalidField', messageBytes({ lfh_id: 'a'.repeat(254) })],
      ['an lfh_id with a control character', 'InvalidField', messageBytes({ lfh_id: 'a\u0007' })],
      ['a URL of 2049 characters', 'InvalidField', messageBytes({ consuming_endpoint_url: '/'.repeat(2_049) })],
      ['a field twice', 'InvalidField', text('{"lfh_id": "hospital-c", "lfh_id": "hospital-a"}')],
      ['a field twice, once in upper case', 'InvalidField', text('{"LFH_ID": "hospital-c", "lfh_id": "hospital-a"}')],
      ['a field twice, once with escapes', 'InvalidField', text('{"lfh\\u005fid": "c", "lfh_id": "hospital-a"}')],
      ['a field with a name of 257 characters', 'InvalidField', messageBytes({ ['x'.repeat(257)]: 1 })],
      ['a message that nests 1,001 levels', 'NotJson', text(`{"a": ${'['.repeat(1_000)}${']'.repeat(1_000)}}`)],
      ["a third node's message", 'ForeignOrigin', messageBytes({ lfh_id: 'hospital-c' })],
      ['data that is not base64', 'BadBase64', messageBytes({ data: '%%%%' })],
      ['data that is not padded', 'BadBase64', messageBytes({ data: 'QUJD RA=' })],
      ['FHIR that is not JSON', 'ContentMismatch', messageBytes({ data: base64('MSH|') })],
      ['FHIR that is a list', 'ContentMismatch', messageBytes({ data: base64('[]') })],
      ['FHIR without a resourceType', 'ContentMismatch', messageBytes({ data: base64('{}') })],
      ['FHIR that nests 1,001 levels', 'ContentMismatch', messageBytes({ data: base64(nested(1_001)) })],
      ['FHIR of another resource than named', 'ContentMismatch', messageBytes({ data_format: 'FHIR-R4_OBSERVATION' })],
      ['X12 that is FHIR', 'ContentMismatch', messageBytes({ data_format: 'X12-5010' })],
      ['HL7 v2 that is FHIR', 'ContentMismatch', messageBytes({ data_format: 'HL7-V2' })],
      ['a format with a slash', 'IllegalTopic', messageBytes({ data_format: 'FHIR/R4' })],
      ['a format of two dots', 'IllegalTopic', messageBytes({ data_format: '..' })],
      ['a format of 250 characters', 'IllegalTopic', messageBytes({ data_format: 'F'.repeat(250) })],
      ['LFH_SYNC as a format', 'ForbiddenTopic', messageBytes({ data_format: 'LFH_SYNC' })],
      ['the position topic as a format', 'ForbiddenTopic', messageBytes({ data_format: 'lfh_SYNC_POSITION_x' })],
      ["Kafka's own topic as a format", 'ForbiddenTopic', messageBytes({ data_format: '__consumer_offsets' })],
      ['RETRANSMIT as a format', 'ForbiddenTopic', messageBytes({ data_format: 'RETRANSMIT' })],
    ];
    for (const [name, reason, payload] of rejected) {
      it(`${name}: ${reason}`, () => {
        const decision = decide(candidate(payload), beginning, rules);
        assert.equal(decision.kind, 'reject', JSON.stringify(decision));
        assert.equal((decision as { reason: string }).reason, reason);
      });
    }

    it('a format that is not allowed: FormatNotAllowed', () => {
      const narrow = { ...rules, isAllowedFormat: formatMatcher(['X12*']) };
      const decision = decide(candidate(messageBytes()), beginning, narrow);
      assert.deepEqual(decision.kind === 'reject' && decision.reason, 'FormatNotAllowed');
    });

    it('no detail quotes what the peer wrote', () => {
      const secret = 'Jane-Doe-1970';
      for (const field of Object.keys(messageFields())) {
        const decision = decide(candidate(messageBytes({ [field]: secret })), beginning, rules);
        if (decision.kind !== 'reject') continue;
        // The origin is beside the detail, for the status alone.
        const { origin, ...logged } = decision;
        assert.ok(!JSON.stringify(logged).includes(secret), field);
        assert.equal(origin, field === 'lfh_id' ? secret : undefined, field);
      }
    });
  });

  it('that is rejected as foreign has its origin beside it only where that is a plain id', () => {
    const originOf = (lfhId: string): string | undefined => {
      const decision = decide(candidate(messageBytes({ lfh_id: lfhId })), beginning, rules);
      assert.deepEqual([decision.kind, 'reason' in decision && decision.reason], ['reject', 'ForeignOrigin']);
      return decision.kind === 'reject' ? decision.origin : undefined;
    };
    for (const plain of ['connect-7d9f8c-abcde', 'x', 'a'.repeat(64)]) assert.equal(originOf(plain), plain);
    for (const other of ['a'.repeat(65), 'two words', 'über', '\u202eabc'])
      assert.equal(originOf(other), undefined, other);
  });

  describe('is skipped', () => {
    it('when it is at or below the position, whatever it holds', () => {
      const position = { sequence: 7, from: 0 };
      for (const sequence of [1, 6, 7]) {
        const decision = decide(candidate(Buffer.from('garbage'), sequence), position, rules);
        assert.deepEqual(decision, { kind: 'skip', reason: 'AlreadyReplayed' });
      }
      assert.equal(decide(candidate(messageBytes(), 8), position, rules).kind, 'replay');
    });

    it('when it is older than the start time, and not when it is exactly as old', () => {
      const position = { sequence: 0, from: 1000 };
      assert.deepEqual(decide(candidate(messageBytes(), 1, 999), position, rules), {
        kind: 'skip',
        reason: 'BeforeStart',
      });
      assert.equal(decide(candidate(messageBytes(), 1, 1000), position, rules).kind, 'replay');
    });

    it('when it is our own, so that messages do not go round in a loop', () => {
      const decision = decide(candidate(messageBytes({ lfh_id: 'hospital-b', data_format: 'X' })), beginning, rules);
      assert.deepEqual(decision, { kind: 'skip', reason: 'OwnMessage' });
    });
  });

  it('of any bytes at all is decided about without an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
        assert.notEqual(decide(candidate(payload), beginning, rules).kind, 'replay');
      }),
    );
  });

  it('is never replayed when its topic is illegal, forbidden or not allowed', () => {
    const formats = fc.oneof(
      fc.string(),
      fc.constantFrom('LFH_X', '__x', 'RETRANSMIT', 'retransmit', 'FHIR-R4', 'X12'),
    );
    fc.assert(
      fc.property(formats, (format) => {
        const decision = decide(candidate(messageBytes({ data_format: format })), beginning, rules);
        if (decision.kind !== 'replay') return;
        assert.match(decision.message.data_format, /^[A-Za-z0-9._-]{1,249}$/);
        assert.doesNotMatch(decision.message.data_format, /^(lfh[._]|[._]|retransmit$)/i);
      }),
    );
  });

  it('with any JSON value in any one field is replayed or rejected, and never causes an error', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(messageFields())), fc.jsonValue(), (field, value) => {
        const decision = decide(candidate(messageBytes({ [field]: value })), beginning, rules);
        assert.ok(['replay', 'reject'].includes(decision.kind));
      }),
    );
  });
});

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatMatcher } from '../../../../../common/contract/formats.ts';
import { type Decision, decide as deciding, type Rules } from '../../../../../sidecar/replay/decide.ts';
import { dataRecordValue } from '../../../../../sidecar/replay/record.ts';
import { bytesOf } from '../../../../../sidecar/replay/record-value.ts';
import { readUsualMessage } from '../../../../../sidecar/replay/scan/usual-message.ts';
import { realIntake } from '../../../../kit/golden/messages.ts';
import { connectMessage } from '../../../../kit/sites/connect-message.ts';
import { allAtOnce, PATIENT } from '../messages.ts';
import { messages, RUNS, RUNS_TIMEOUT_MS } from './mutations.ts';

const rules: Rules = {
  ownLfhId: 'hospital-b',
  peerLfhId: 'hospital-a',
  allowOrigins: ['lfh-node-a'],
  isAllowedFormat: formatMatcher(['FHIR*', 'fhir*', 'X12*', 'HL7*', 'DICOM']),
  maxMessageBytes: 1_048_576,
};

function decide(payload: Buffer): Decision {
  const candidate = { payload, size: payload.length, streamSequence: 1, time: 1 };
  return allAtOnce(deciding(candidate, { sequence: 0, from: 0 }, rules));
}

/** White space behind a message changes nothing, but the form is not connect's any more. */
function inAnotherForm(payload: Buffer): Buffer {
  return Buffer.concat([payload, Buffer.from(' ')]);
}

function dataRecord(decision: Decision): string | undefined {
  return decision.kind === 'replay' ? bytesOf(dataRecordValue(decision.message, 0)).toString('latin1') : undefined;
}

describe('a message in the usual form', () => {
  it('is decided as one in another form is, whatever was done to it, with the same record and the same words', function () {
    this.timeout(RUNS_TIMEOUT_MS);
    const usual = { replayed: 0, not: 0 };
    fc.assert(
      fc.property(messages, (payload) => {
        const other = inAnotherForm(payload);
        assert.equal(readUsualMessage(other), undefined);
        const [decision, expected] = [decide(payload), decide(other)];
        if (payload.length === 0) return;
        assert.deepEqual({ ...decision }, { ...expected });
        assert.equal(dataRecord(decision), dataRecord(expected));
        if (readUsualMessage(payload) !== undefined) usual[decision.kind === 'replay' ? 'replayed' : 'not'] += 1;
      }),
      RUNS,
    );
    // Both of it must have been tried for this to say anything.
    assert.ok(usual.replayed > RUNS.numRuns / 20 && usual.not > RUNS.numRuns / 20, JSON.stringify(usual));
  });

  it('is what connect announces', () => {
    const made = connectMessage({ lfhId: 'hospital-a', content: PATIENT }).payload;
    for (const [name, bytes] of [
      ...realIntake().map((each) => [each.name, each.bytes] as const),
      ['made', made] as const,
    ]) {
      assert.notEqual(readUsualMessage(bytes), undefined, name);
      assert.equal(readUsualMessage(inAnotherForm(bytes)), undefined, name);
    }
  });
});

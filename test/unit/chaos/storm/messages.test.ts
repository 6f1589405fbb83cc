import assert from 'node:assert/strict';
import { formatMatcher } from '../../../../common/contract/formats.ts';
import { traces } from '../../../chaos/storm/compare.ts';
import {
  allowedFormats,
  isForgotten,
  kindOf,
  MALFORMED,
  makeMessage,
  topicsFor,
  transmittedBy,
  uuidIn,
  uuidOf,
} from '../../../chaos/storm/messages.ts';

const KINDS = new Set(Array.from({ length: 10_000 }, (_, nth) => kindOf(nth / 10_000)));
const KINDS_FORGOTTEN = [...KINDS].filter(isForgotten);

describe('the messages of a storm', () => {
  it('carry their uuid and the marker, however malformed they are', () => {
    for (const kind of KINDS) {
      const { uuid, payload } = makeMessage(kind, 'hospital-a', 'the-marker');
      assert.equal(uuidIn(payload), uuid, kind);
      const text = payload.toString('latin1');
      assert.ok(
        traces('the-marker').some((trace) => text.includes(trace)),
        kind,
      );
    }
  });

  it('are of every kind', () => {
    assert.deepEqual(
      MALFORMED.filter((kind) => !KINDS.has(kind)),
      [],
    );
  });

  it('have to be in the topic of their format, except where a site does not take that', () => {
    assert.deepEqual(topicsFor('resource', 'hospital-a>hospital-b'), ['LFH_SYNC', 'FHIR-R5']);
    assert.deepEqual(topicsFor('DICOM', 'hospital-a>hospital-b'), ['LFH_SYNC', 'DICOM']);
    assert.deepEqual(topicsFor('DICOM', 'hospital-a>hospital-c'), ['LFH_EXCEPTION']);
    assert.deepEqual(topicsFor('cut off', 'hospital-a>hospital-b'), ['LFH_EXCEPTION']);
  });

  it('that were forgotten have to be redriven, and a site takes them when its administrator has thought of them', () => {
    assert.deepEqual(KINDS_FORGOTTEN, ['HL7']);
    assert.deepEqual(topicsFor('HL7', 'hospital-a>hospital-b'), ['LFH_SYNC', 'HL7-V2']);
    const isTaken = (isMended: boolean) => formatMatcher(allowedFormats('hospital-b', isMended))('HL7-V2');
    assert.deepEqual([isTaken(false), isTaken(true)], [false, true]);
  });

  it('are sent to a FHIR server where their format is for one, and they are replayed', () => {
    const waysOf = (way: string) => [...KINDS].flatMap((kind) => transmittedBy(kind, way) ?? []).sort();
    assert.deepEqual(waysOf('hospital-b>hospital-a'), ['POST', 'POST', 'POST', 'POST', 'PUT']);
    assert.equal(transmittedBy('resource', 'hospital-b>hospital-a'), undefined);
    assert.equal(transmittedBy('a list', 'hospital-b>hospital-a'), undefined);
  });

  it('of another site are rejected, except at that site, which skips them', () => {
    assert.deepEqual(topicsFor('of another site', 'hospital-a>hospital-b'), []);
    assert.deepEqual(topicsFor('of another site', 'hospital-a>hospital-c'), ['LFH_EXCEPTION']);
  });

  it('are known again in LFH_EXCEPTION, as text and in base64', () => {
    const { uuid, payload } = makeMessage('not UTF-8', 'hospital-a', 'the-marker');
    const record = Buffer.from(JSON.stringify({ data: payload.toString('base64'), uuid: 'its own' }));
    assert.equal(uuidOf('LFH_EXCEPTION', { 'lfh-sync-encoding': 'base64' }, record), uuid);
    const text = makeMessage('cut off', 'hospital-a', 'the-marker');
    const other = Buffer.from(JSON.stringify({ data: text.payload.toString('utf8'), uuid: 'its own' }));
    assert.equal(uuidOf('LFH_EXCEPTION', { 'lfh-sync-encoding': 'text' }, other), text.uuid);
  });
});

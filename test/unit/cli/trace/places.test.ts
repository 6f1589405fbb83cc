import assert from 'node:assert/strict';
import { exceptionPlace, isUuid, type Place, syncPlace, traceText } from '../../../../cli/trace/places.ts';

const UUID = '3c1a1c4e-7d8f-4a53-9d5c-2f6a5b0d7e11';
const OTHER = '00000000-7d8f-4a53-9d5c-2f6a5b0d7e11';
const TIME = String(Date.parse('2026-11-28T12:00:00Z'));

function record(value: object | string | null, headers: Readonly<Record<string, string>> = {}) {
  const text = value === null ? null : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const entries = Object.entries(headers).map(([name, header]) => [name, Buffer.from(header)]);
  return { offset: '7', timestamp: TIME, value: text, headers: Object.fromEntries(entries) as Record<string, Buffer> };
}

function text(...places: (Place | undefined)[]): string {
  const found = places.filter((place) => place !== undefined);
  return traceText({ uuid: UUID, lfhId: 'hospital-b', places: found, since: Number(TIME), sidecar: undefined });
}

describe('where a message is', () => {
  it('is asked for by a uuid', () => {
    assert.ok(isUuid(UUID));
    for (const other of ['', 'x', `${UUID}0`, UUID.replace('-', ' ')]) assert.ok(!isUuid(other));
  });

  it('is in LFH_SYNC, taken in here or replayed', () => {
    const fields = { uuid: UUID, lfh_id: 'hospital-a', data_record_location: 'FHIR-R4:0:12', data: 'secret' };
    const replayed = text(syncPlace(record(fields), 2, UUID));
    assert.match(
      replayed,
      /replayed here from hospital-a \(LFH_SYNC:2:7, at 2026-11-28T12:00:00Z; its data are in FHIR-R4:0:12\)/,
    );
    assert.ok(!replayed.includes('secret'));
    assert.match(
      text(syncPlace(record({ ...fields, lfh_id: 'hospital-b' }), 0, UUID)),
      /taken in by this node's connect/,
    );
  });

  it('is not in a record that is about another message, or is none', () => {
    for (const value of [{ uuid: OTHER, data: UUID }, `no JSON ${UUID}`, JSON.stringify(UUID), null]) {
      assert.equal(syncPlace(record(value), 0, UUID), undefined);
    }
    assert.equal(exceptionPlace(record({ uuid: OTHER, data: 'AAAA' }), 0, UUID), undefined);
  });

  it('is in LFH_EXCEPTION, as base64, cut or as text', () => {
    const headers = { 'lfh-sync-peer': 'hospital-a', 'lfh-sync-sequence': '9', 'lfh-sync-reason': 'FormatNotAllowed' };
    const message = JSON.stringify({ uuid: UUID, data: 'secret' });
    const encoded = Buffer.from(message).toString('base64');
    for (const data of [encoded, encoded.slice(0, 80), message]) {
      const said = text(exceptionPlace(record({ uuid: OTHER, data }, headers), 1, UUID));
      assert.match(
        said,
        /rejected as FormatNotAllowed \(LFH_EXCEPTION:1:7, .*the message 9 in the stream of hospital-a/,
      );
      assert.ok(!said.includes('secret'));
    }
    assert.match(text(exceptionPlace(record({ uuid: UUID }), 0, UUID)), /by something else than the replay/);
  });

  it('repeats nothing that a peer has written for people to read', () => {
    const fields = { uuid: UUID, lfh_id: 'call 555 now!\n', data_record_location: 'see http://x' };
    assert.doesNotMatch(text(syncPlace(record(fields), 0, UUID)), /555|http/);
  });

  it('is not known where no sidecar answers', () => {
    assert.match(text(), /not here since .*the sidecar does not answer/s);
  });
});

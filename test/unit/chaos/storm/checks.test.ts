import assert from 'node:assert/strict';
import { checkTransmitted, describe as describeFinding } from '../../../chaos/storm/checks.ts';

describe('the check of what was transmitted', () => {
  const KINDS = [
    ['p1', 'resource to transmit'],
    ['u1', 'resource to update'],
    ['r1', 'resource'],
    ['p2', 'resource to transmit'],
    ['u2', 'resource to update'],
  ] as const;
  const stored = KINDS.map(([id, kind], nth) => ({ id, kind, sequence: nth + 1, time: nth }));
  const resourceType = 'Patient';
  const created = (id: string) => ({ resourceType, id: `made-${id}`, meta: { tag: [{ system: 's', code: id }] } });
  const updated = (versionId: string) => ({ resourceType, id: 'hospital-b', meta: { versionId } });

  function wrong(made: readonly string[], taken: readonly string[]): string[] {
    const resourceOf = (id: string) => (id.startsWith('u') ? updated(id) : created(id));
    const fhir = { stored: made.map(created), taken: taken.map(resourceOf) };
    return checkTransmitted({ name: 'hospital-a', fhir }, new Map([['hospital-b', { stored }]]))
      .flatMap(describeFinding)
      .map((text) => text.replace('the FHIR server of hospital-a, ', ''));
  }

  it('finds nothing wrong where all was taken, in any order but for the updates, and some of it again', () => {
    assert.deepEqual(wrong(['p2', 'p1'], ['p2', 'u1', 'p1', 'u2', 'p1', 'u1', 'u2']), []);
  });

  it('reports what is missing, what was made twice, and what nobody sent', () => {
    assert.deepEqual(wrong(['p1'], ['p1', 'u1', 'u2']), ['made for hospital-b: 1 of 2 lost: p2']);
    assert.deepEqual(wrong(['p1', 'p2', 'p1'], ['p1', 'p2', 'p1', 'u1', 'u2']), [
      'made for hospital-b: 1 of 2 twice: p1',
    ]);
    assert.deepEqual(wrong(['p1', 'p2', 'r1'], ['p1', 'p2', 'r1', 'u1', 'u2']), ['from nobody: 1 of 0 leaked: r1']);
  });

  it('reports an update that came before the one before it, and one that an older one has replaced at last', () => {
    assert.deepEqual(wrong(['p1', 'p2'], ['p1', 'p2', 'u2', 'u1', 'u2']), [
      'updated for hospital-b: 1 of 2 outOfOrder: u1',
    ]);
    assert.deepEqual(wrong(['p1', 'p2'], ['p1', 'p2', 'u1', 'u2', 'u1']), [
      'at last updated for hospital-b: 1 of 1 lost: u2',
      'at last updated for hospital-b: 1 of 1 leaked: u1',
    ]);
  });
});

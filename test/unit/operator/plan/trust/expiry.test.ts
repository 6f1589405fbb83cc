import assert from 'node:assert/strict';
import { caRemarks } from '../../../../../operator/plan/trust/ca-source.ts';
import { expiryRemarks } from '../../../../../operator/plan/trust/expiry.ts';

const NOW = Date.parse('2026-11-25T12:00:00Z');
const DAY_MS = 24 * 60 * 60 * 1000;

describe('the remark on a certificate that expires', () => {
  it('is made in the last 30 days, and names the day', () => {
    assert.deepEqual(expiryRemarks('it', NOW + 29.9 * DAY_MS, NOW), [
      'it expires on 2026-12-25T09:36:00.000Z: have it replaced before that',
    ]);
    assert.deepEqual(expiryRemarks('it', NOW + 30 * DAY_MS, NOW), []);
  });

  it('is not made of one that has expired, which is a reason of its own, or of which nothing is known', () => {
    assert.deepEqual(expiryRemarks('it', NOW, NOW), []);
    assert.deepEqual(expiryRemarks('it', undefined, NOW), []);
  });

  it('stands beside the problems with a CA', () => {
    const problems = [{ reason: 'CertificateExpired', message: 'one has expired' }] as const;
    const remarks = caRemarks({ authorities: [], problems, expires: NOW + DAY_MS }, 'spec.ca', NOW);
    assert.equal(remarks[0], 'one has expired');
    assert.match(remarks[1] ?? '', /^spec\.ca: the last certificate authority in it expires on 2026-11-26T/);
    assert.deepEqual(caRemarks(undefined, 'spec.ca', NOW), []);
  });
});

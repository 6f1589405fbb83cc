import assert from 'node:assert/strict';
import { cachingCertificateReader, parseCertificate } from '../../../../../operator/plan/observed/certificate.ts';
import { createCertificateAuthority } from '../../../../kit/servers/certificates.ts';
import { aPeer, certificate, observedOf, planOf } from '../fixtures.ts';

describe('a parsed certificate', () => {
  it('says that it has no name where its subject and its issuer are empty, as they may be', async () => {
    const { ca } = await createCertificateAuthority('');
    const parsed = parseCertificate(ca);
    assert.deepEqual([parsed?.subject, parsed?.issuer], ['(no name)', '(no name)']);
    assert.equal(parsed?.isAnchor, true);
  });
});

describe('a caching certificate reader', () => {
  it('reads what parseCertificate reads, and hands out the same object for the same block', () => {
    const read = cachingCertificateReader();
    const first = read(certificate('ca-a'));
    assert.deepEqual(first, parseCertificate(certificate('ca-a')));
    assert.equal(read(certificate('ca-a')), first);
    assert.notEqual(read(certificate('ca-b')), first);
  });

  it('remembers that a block is not a certificate', () => {
    const read = cachingCertificateReader();
    assert.deepEqual(
      [read('-----BEGIN CERTIFICATE-----'), read('-----BEGIN CERTIFICATE-----')],
      [undefined, undefined],
    );
  });

  it('is the only way in which a plan reads certificates', () => {
    const plan = planOf(observedOf([aPeer('b')], { certificates: () => undefined }));
    assert.equal(plan.problem?.reason, 'CertificateInvalid');
    assert.equal(plan.peers[0]?.ca?.problems[0]?.reason, 'CertificateInvalid');
  });
});

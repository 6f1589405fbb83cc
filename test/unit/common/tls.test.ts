import assert from 'node:assert/strict';
import { InvalidInputError } from '../../../common/errors.ts';
import {
  anchors,
  errorCodes,
  isCertificateReason,
  sharedVerification,
  tlsFailure,
  verification,
} from '../../../common/tls.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../kit/servers/certificates.ts';

describe('the verification of a server', () => {
  let ca: CertificateAuthority;

  before(async () => {
    ca = await createCertificateAuthority('hospital-a');
  });

  it('demands TLS 1.2, and compares with the name given whatever Node passes', () => {
    const settings = verification('nats.example.org', undefined);
    assert.equal(settings.minVersion, 'TLSv1.2');
    assert.equal(settings.rejectUnauthorized, true);
    assert.equal(settings.servername, 'nats.example.org');
    const named = (subjectaltname: string): Error | undefined =>
      settings.checkServerIdentity?.('localhost', { subjectaltname, subject: { CN: 'x' } } as never);
    assert.equal(named('DNS:nats.example.org'), undefined);
    assert.ok(named('DNS:localhost') instanceof Error);
  });

  it('sends no name where the server is named by its address', () => {
    assert.equal(verification('192.0.2.1', undefined).servername, '');
    assert.equal(verification('fd00::1', undefined).servername, '');
  });

  it("trusts Node's roots where no CA is given, and only that CA where one is", () => {
    assert.ok(!('ca' in verification('nats', undefined)));
    assert.deepEqual(verification('nats', ca.ca).ca, [ca.ca]);
    assert.equal(verification('nats', ca.ca).allowPartialTrustChain, true);
    assert.throws(() => verification('nats', ''), InvalidInputError);
  });

  it('is the same where what OpenSSL makes of a CA is shared, which is made once for each CA', async () => {
    const { ca: other } = await createCertificateAuthority('hospital-b');
    const { secureContext, ...settings } = sharedVerification('nats.example.org', ca.ca);
    assert.ok(secureContext);
    assert.equal(sharedVerification('192.0.2.1', ca.ca).secureContext, secureContext);
    for (const another of [other, undefined]) {
      assert.notEqual(sharedVerification('nats.example.org', another).secureContext, secureContext);
    }
    const unshared = verification('nats.example.org', undefined);
    assert.deepEqual(Object.keys(settings), Object.keys(unshared).slice(1));
    assert.throws(() => sharedVerification('nats', ''), InvalidInputError);
  });

  it("leaves out a server's certificate that a CA issued, and never trusts everybody for want of another", async () => {
    const { cert } = await ca.issue();
    assert.deepEqual(anchors(cert + ca.ca), { ca: [ca.ca], allowPartialTrustChain: true });
    assert.deepEqual(anchors(cert), { ca: [cert] });
  });
});

describe('a failure of TLS', () => {
  it('is found in the errors of the client libraries, which hold it', () => {
    const expired = Object.assign(new Error('certificate has expired'), { code: 'CERT_HAS_EXPIRED' });
    const chained = Object.assign(new Error('TLS'), { code: 'TLS', chainedError: expired });
    const original = Object.assign(new Error('retries'), { originalError: expired });
    for (const error of [expired, chained, original, new Error('outer', { cause: original })]) {
      assert.equal(tlsFailure(error)?.reason, 'CertificateExpired');
    }
    assert.deepEqual(errorCodes(chained), ['TLS', 'CERT_HAS_EXPIRED']);
  });

  it("has OpenSSL's words where Node has no code of its own, without what stands before them", () => {
    const weak = Object.assign(new Error('Connection error: EE certificate key too weak'), { code: 'UNSPECIFIED' });
    assert.equal(tlsFailure(weak)?.what, 'its certificate is refused by OpenSSL: EE certificate key too weak');
  });

  it('is not what else an error can be about', () => {
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'TIMEOUT', 'AUTHORIZATION_VIOLATION', '']) {
      assert.equal(tlsFailure(Object.assign(new Error('x'), { code })), undefined);
    }
    assert.equal(tlsFailure(undefined), undefined);
    assert.equal(tlsFailure('CERT_HAS_EXPIRED'), undefined);
  });

  it('is looked for in no more than a few errors, also where they go round in a circle', () => {
    const circle = new Error('round and round');
    circle.cause = circle;
    assert.equal(tlsFailure(circle), undefined);
  });

  it('is one of the certificate only where it was the certificate that was refused', () => {
    for (const reason of ['NotTrusted', 'CertificateExpired', 'CertificateNotYetValid', 'HostNameMismatch'] as const) {
      assert.equal(isCertificateReason(reason), true);
    }
    for (const reason of ['TlsRequired', 'ClientCertificateRequired', undefined] as const) {
      assert.equal(isCertificateReason(reason), false);
    }
  });
});

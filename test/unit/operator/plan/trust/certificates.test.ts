import assert from 'node:assert/strict';
import { parseCertificate } from '../../../../../operator/plan/observed/certificate.ts';
import { bundle, type ReadCertificates, readCertificates } from '../../../../../operator/plan/trust/certificates.ts';
import {
  createCertificateAuthority,
  createSelfSigned,
  createVersion1Authority,
} from '../../../../kit/servers/certificates.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('readCertificates', () => {
  let ca: string;
  let other: string;
  let server: { cert: string; key: string };

  before(async () => {
    const authority = await createCertificateAuthority('hospital-a');
    ca = authority.ca;
    other = (await createCertificateAuthority('hospital-b')).ca;
    server = await authority.issue();
  });

  function read(pem: string, days = 0): ReadCertificates {
    return readCertificates(pem, 'spec.ca.inline', Date.now() + days * DAY_MS, parseCertificate);
  }

  function problemsOf(pem: string, days = 0): string[] {
    return read(pem, days).problems.map(({ reason }) => reason);
  }

  it('reads every authority of a text once, in the order of the text', () => {
    const { authorities, problems } = read(`comment\r\n${other}\r\n${ca.replaceAll('\n', '\r\n')}\n${ca}`);
    assert.deepEqual(problems, []);
    assert.equal(authorities.length, 2);
    const [first, second] = [read(other), read(ca)];
    assert.deepEqual(authorities, [...first.authorities, ...second.authorities]);
  });

  it('finds the same authority in texts that differ in their line ends, so that a bundle has it once', () => {
    const one = read(ca).authorities;
    const same = read(ca.replaceAll('\n', '\r\n')).authorities;
    const text = bundle([...one, ...same]);
    assert.equal(text.match(/BEGIN CERTIFICATE/g)?.length, 1);
    assert.ok(text.endsWith('-----END CERTIFICATE-----\n'));
    assert.equal(bundle(read(text).authorities), text);
  });

  it('says when the last authority expires, also where that is over, and not of what is none', async () => {
    const old = (await createCertificateAuthority('of old', { notBefore: -800, notAfter: -10 })).ca;
    const soon = (await createCertificateAuthority('soon', { notAfter: 10 })).ca;
    const days = (pem: string): number => Math.round(((read(pem).expires ?? Number.NaN) - Date.now()) / DAY_MS);
    assert.deepEqual([soon + old, soon + ca, old].map(days), [10, 365, -10]);
    for (const pem of [server.cert, server.key, '', 'x']) assert.equal(read(pem).expires, undefined);
  });

  const BAD: readonly [what: string, pem: () => string, reason: string][] = [
    ['an empty text', () => ' \n', 'CertificateInvalid'],
    ['text that is no PEM', () => 'hospital-b', 'CertificateInvalid'],
    [
      'a block of garbage',
      () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      'CertificateInvalid',
    ],
    [
      'a block of something else',
      () => '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      'CertificateInvalid',
    ],
    ['a certificate that is cut off', () => `${other.slice(0, 200)}\n`, 'CertificateInvalid'],
    ['a private key that is cut off', () => `${server.key.slice(0, 60)}\n`, 'PrivateKeyPasted'],
    ["a server's certificate", () => server.cert, 'NotACertificateAuthority'],
    ['a private key', () => server.key, 'PrivateKeyPasted'],
  ];
  for (const [what, pem, reason] of BAD) {
    it(`reports ${what}, and still trusts the authority beside it`, () => {
      const { authorities, problems } = read(pem() + ca);
      assert.deepEqual(problemsOf(pem()), [reason]);
      assert.equal(authorities.length, 1);
      assert.equal(problems.length, pem().includes('BEGIN') ? 1 : 0);
    });
  }

  it('takes what sidecars verify servers with: intermediate CAs, self-signed certificates of servers, CAs of version 1', async () => {
    const authority = await createCertificateAuthority('hospital-a');
    const taken = [
      (await authority.issueAuthority('issuing CA of hospital-a')).ca,
      (await createSelfSigned('nats.hospital-a')).cert,
      (await createVersion1Authority('old CA of hospital-a')).ca,
    ];
    for (const pem of taken) {
      const { authorities, problems } = read(pem);
      assert.deepEqual([authorities.map((each) => each.pem), problems], [[pem], []]);
    }
  });

  it("names the CA that issued a server's certificate, where that certificate is given in its stead", () => {
    const [problem] = read(server.cert).problems;
    assert.match(problem?.message ?? '', /\(CN=nats\) is not a certificate authority: give the CA .*"CN=hospital-a"/);
  });

  it('says which certificate has expired, and which is not valid yet', () => {
    assert.deepEqual(problemsOf(other + ca, 400), ['CertificateExpired', 'CertificateExpired']);
    assert.deepEqual(problemsOf(ca, -10), ['CertificateNotYetValid']);
    const [problem] = read(other + ca, 400).problems;
    assert.match(problem?.message ?? '', /^spec\.ca\.inline, block 1 \(CN=hospital-b\) has expired on \d{4}-/);
  });

  it('reports every block that has no end, and refuses a text that is larger than a bundle of a few', () => {
    const begun = '-----BEGIN CERTIFICATE-----\n';
    const { authorities, problems } = read(begun.repeat(2_000) + ca);
    assert.deepEqual([authorities.length, problems.length], [1, 2_000]);
    const [problem, ...others] = read(begun.repeat(37_000) + ca).problems;
    assert.match(problem?.message ?? '', /^spec\.ca\.inline holds 1013 KiB, and 64 are the limit/);
    assert.deepEqual(others, []);
  });

  it('never quotes a private key that was pasted by mistake', () => {
    const secret = server.key.split('\n')[1] ?? '';
    assert.ok(secret.length > 20);
    const { authorities, problems } = read(server.key + ca);
    assert.ok(!JSON.stringify({ authorities, problems }).includes(secret));
  });
});

import assert from 'node:assert/strict';
import { bundle, readCertificates } from '../../../../../operator/plan/trust/certificates.ts';
import { createCertificateAuthority } from '../../../../kit/servers/certificates.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const WHERE = 'spec.ca.inline';

describe('trust', () => {
  let ca: string;
  let other: string;
  let server: { cert: string; key: string };

  before(async () => {
    const authority = await createCertificateAuthority('hospital-a');
    ca = authority.ca;
    other = (await createCertificateAuthority('hospital-b')).ca;
    server = await authority.issue();
  });

  function problemsOf(pem: string, days = 0): string[] {
    return readCertificates(pem, WHERE, Date.now() + days * DAY_MS).problems.map(({ reason }) => reason);
  }

  it('reads every authority of a text, in its order, each once', () => {
    const { authorities, problems } = readCertificates(
      `comment\r\n${other}\r\n${ca.replaceAll('\n', '\r\n')}\n${ca}`,
      WHERE,
      Date.now(),
    );
    assert.deepEqual(problems, []);
    assert.equal(authorities.length, 2);
    const [first, second] = [readCertificates(other, WHERE, Date.now()), readCertificates(ca, WHERE, Date.now())];
    assert.deepEqual(authorities, [...first.authorities, ...second.authorities]);
  });

  it('bundles what several texts hold, each authority once, however it was written', () => {
    const one = readCertificates(ca, WHERE, Date.now()).authorities;
    const same = readCertificates(ca.replaceAll('\n', '\r\n'), WHERE, Date.now()).authorities;
    const text = bundle([...one, ...same]);
    assert.equal(text.match(/BEGIN CERTIFICATE/g)?.length, 1);
    assert.ok(text.endsWith('-----END CERTIFICATE-----\n'));
    assert.equal(bundle(readCertificates(text, WHERE, Date.now()).authorities), text);
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
    it(`tells of ${what}, and still trusts what is beside it`, () => {
      const { authorities, problems } = readCertificates(pem() + ca, WHERE, Date.now());
      assert.deepEqual(problemsOf(pem()), [reason]);
      assert.equal(authorities.length, 1);
      assert.equal(problems.length, pem().includes('BEGIN') ? 1 : 0);
    });
  }

  it('tells which certificate has expired, and which is not valid yet', () => {
    assert.deepEqual(problemsOf(other + ca, 400), ['CertificateExpired', 'CertificateExpired']);
    assert.deepEqual(problemsOf(ca, -10), ['CertificateNotYetValid']);
    const [problem] = readCertificates(other + ca, WHERE, Date.now() + 400 * DAY_MS).problems;
    assert.match(problem?.message ?? '', /^spec\.ca\.inline, block 1 \(CN=hospital-b\) has expired on \d{4}-/);
  });

  it('reads beginnings without an end as what they are, and nothing that is larger than a bundle of a few', () => {
    const begun = '-----BEGIN CERTIFICATE-----\n';
    const { authorities, problems } = readCertificates(begun.repeat(2_000) + ca, WHERE, Date.now());
    assert.deepEqual([authorities.length, problems.length], [1, 2_000]);
    const [problem, ...others] = readCertificates(begun.repeat(37_000) + ca, WHERE, Date.now()).problems;
    assert.match(problem?.message ?? '', /^spec\.ca\.inline holds 1013 KiB, and 64 are the limit/);
    assert.deepEqual(others, []);
  });

  it('never repeats a byte of a key', () => {
    const secret = server.key.split('\n')[1] ?? '';
    assert.ok(secret.length > 20);
    const { authorities, problems } = readCertificates(server.key + ca, WHERE, Date.now());
    assert.ok(!JSON.stringify({ authorities, problems }).includes(secret));
  });
});

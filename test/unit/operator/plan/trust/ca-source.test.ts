import assert from 'node:assert/strict';
import type { CaSource } from '../../../../../operator/api/types.ts';
import { parseCertificate } from '../../../../../operator/plan/observed/certificate.ts';
import { resolveCa } from '../../../../../operator/plan/trust/ca-source.ts';
import { bundle } from '../../../../../operator/plan/trust/certificates.ts';
import { certificate, NOW, references } from '../fixtures.ts';

const B = certificate('ca-b');
const C = certificate('ca-c');
const found = {
  references: references(
    { roots: { 'ca.crt': B, 'other.pem': C }, empty: {} },
    { roots: { 'ca.crt': C, 'tls.key': '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n' } },
  ),
  certificates: parseCertificate,
};

const ROWS: readonly [
  what: string,
  source: CaSource,
  pem: string,
  problem?: readonly [reason: string, says: RegExp],
][] = [
  ['inline', { inline: B + C }, B + C],
  ['in a ConfigMap, as ca.crt', { configMapRef: { name: 'roots' } }, B],
  ['in a ConfigMap, by another key', { configMapRef: { name: 'roots', key: 'other.pem' } }, C],
  ['in a Secret, as ca.crt', { secretRef: { name: 'roots' } }, C],
  [
    'in a ConfigMap that is missing',
    { configMapRef: { name: 'x' } },
    '',
    ['MissingReference', /^spec\.ca: there is no ConfigMap x /],
  ],
  [
    'in a Secret that is missing',
    { secretRef: { name: 'empty' } },
    '',
    ['MissingReference', /^spec\.ca: there is no Secret empty /],
  ],
  [
    'in a ConfigMap without the key',
    { configMapRef: { name: 'empty' } },
    '',
    ['MissingReference', /ConfigMap empty has no entry ca\.crt/],
  ],
  ['without a source', {}, '', ['MissingReference', /^spec\.ca names no CA/]],
  [
    'in the key of a private key',
    { secretRef: { name: 'roots', key: 'tls.key' } },
    '',
    ['PrivateKeyPasted', /^Secret roots, entry tls\.key, block 1/],
  ],
  ['inline as an empty text', { inline: '' }, '', ['CertificateInvalid', /^spec\.ca\.inline is empty/]],
  ['inline beside an expired one', { inline: certificate('ca-expired') + B }, B, ['CertificateExpired', /block 1/]],
];

describe('resolveCa', () => {
  for (const [what, source, pem, problem] of ROWS) {
    it(`${pem === '' ? 'reports what is wrong with' : 'reads'} a CA ${what}`, () => {
      const resolved = resolveCa(source, 'spec.ca', found, NOW);
      assert.equal(bundle(resolved?.authorities ?? []), pem);
      assert.deepEqual(
        resolved?.problems.map(({ reason }) => reason),
        problem ? [problem[0]] : [],
      );
      if (problem) assert.match(resolved.problems[0]?.message ?? '', problem[1]);
    });
  }

  it("leaves the system's roots in force where the spec names no CA", () => {
    assert.equal(resolveCa(undefined, 'spec.ca', found, NOW), undefined);
  });

  it('accepts an authority from the moment that it is valid to the moment that it expires', () => {
    const reasonsAt = (time: string, name: Parameters<typeof certificate>[0]): readonly string[] | undefined =>
      resolveCa({ inline: certificate(name) }, 'spec.ca', found, Date.parse(time))?.problems.map(
        ({ reason }) => reason,
      );
    assert.deepEqual(reasonsAt('2020-01-01T00:00:00Z', 'ca-expired'), []);
    assert.deepEqual(reasonsAt('2021-01-01T00:00:00Z', 'ca-expired'), []);
    assert.deepEqual(reasonsAt('2021-01-01T00:00:01Z', 'ca-expired'), ['CertificateExpired']);
    assert.deepEqual(reasonsAt('2019-12-31T23:59:59Z', 'ca-expired'), ['CertificateNotYetValid']);
  });
});

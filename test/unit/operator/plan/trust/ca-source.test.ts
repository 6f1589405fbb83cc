import assert from 'node:assert/strict';
import type { CaSource } from '../../../../../operator/api/types.ts';
import { resolveCa } from '../../../../../operator/plan/trust/ca-source.ts';
import { bundle } from '../../../../../operator/plan/trust/certificates.ts';
import { certificate, NOW, references } from '../fixtures.ts';

const B = certificate('ca-b');
const C = certificate('ca-c');
const found = references(
  { roots: { 'ca.crt': B, 'other.pem': C }, empty: {} },
  { roots: { 'ca.crt': C, 'tls.key': '-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n' } },
);

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
  ['in no ConfigMap', { configMapRef: { name: 'x' } }, '', ['MissingReference', /^spec\.ca: there is no ConfigMap x /]],
  ['in no Secret', { secretRef: { name: 'empty' } }, '', ['MissingReference', /^spec\.ca: there is no Secret empty /]],
  [
    'in a ConfigMap without the key',
    { configMapRef: { name: 'empty' } },
    '',
    ['MissingReference', /ConfigMap empty has no key ca\.crt/],
  ],
  ['nowhere', {}, '', ['MissingReference', /^spec\.ca names no CA/]],
  [
    'in the wrong key',
    { secretRef: { name: 'roots', key: 'tls.key' } },
    '',
    ['PrivateKeyPasted', /^Secret roots, key tls\.key, block 1/],
  ],
  ['inline, and empty', { inline: '' }, '', ['CertificateInvalid', /^spec\.ca\.inline is empty/]],
  [
    'inline, beside one that has expired',
    { inline: certificate('ca-expired') + B },
    B,
    ['CertificateExpired', /block 1/],
  ],
];

describe('authorities', () => {
  for (const [what, source, pem, problem] of ROWS) {
    it(`that are ${what}, are ${pem === '' ? 'told to be missing' : 'read'}`, () => {
      const resolved = resolveCa(source, 'spec.ca', found, NOW);
      assert.equal(bundle(resolved?.authorities ?? []), pem);
      assert.deepEqual(
        resolved?.problems.map(({ reason }) => reason),
        problem ? [problem[0]] : [],
      );
      if (problem) assert.match(resolved.problems[0]?.message ?? '', problem[1]);
    });
  }

  it("that nobody names are the system's roots, and no problem", () => {
    assert.equal(resolveCa(undefined, 'spec.ca', found, NOW), undefined);
  });

  it('count from the moment that they are valid until the moment that they expire', () => {
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

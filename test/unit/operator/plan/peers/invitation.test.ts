import assert from 'node:assert/strict';
import fc from 'fast-check';
import { load } from 'js-yaml';
import { readDefinitions } from '../../../../../crds/read.ts';
import { parseCertificate } from '../../../../../operator/plan/observed/certificate.ts';
import type { PeerObject } from '../../../../../operator/plan/observed/observed.ts';
import { invitation } from '../../../../../operator/plan/peers/invitation.ts';
import { readCertificates } from '../../../../../operator/plan/trust/certificates.ts';
import { aNode, certificate, NOW, OWN_KEY, userKey } from '../fixtures.ts';

const CA = readCertificates(certificate('ca-a'), 'spec.nats.ca', NOW, parseCertificate).authorities;
const SERVERS = ['tls://a.example.org:4222'];

function inviteOf(lfhId: string, keys: readonly string[] = [OWN_KEY], ca: typeof CA | undefined = CA): PeerObject {
  return load(invitation(aNode({ spec: { lfhId } }), SERVERS, keys, ca)) as PeerObject;
}

describe('an invitation', () => {
  it('is an LfhSyncPeer without a namespace, and nothing else', () => {
    const { apiVersion, kind } = readDefinitions().find(({ kind }) => kind === 'LfhSyncPeer') ?? {};
    assert.deepEqual(inviteOf('hospital-a', [OWN_KEY, userKey('before')]), {
      apiVersion,
      kind,
      metadata: { name: 'hospital-a' },
      spec: {
        lfhId: 'hospital-a',
        servers: ['tls://a.example.org:4222'],
        ca: { inline: certificate('ca-a') },
        publicKeys: [OWN_KEY, userKey('before')],
      },
    });
  });

  it('names neither a server nor a CA where the node advertises no server', () => {
    assert.deepEqual(load(invitation(aNode(), [], [OWN_KEY], CA)), {
      ...inviteOf('hospital-a'),
      spec: { lfhId: 'hospital-a', publicKeys: [OWN_KEY] },
    });
  });

  it("names no CA where the system's roots vouch for the servers", () => {
    for (const none of [[], undefined]) {
      const text = invitation(aNode(), SERVERS, [OWN_KEY], none);
      assert.doesNotMatch(text, /\bca:/);
      assert.match(text, /servers:/);
    }
  });

  it('changes when the keys, the addresses or the CA change, and stays the same when nothing does', () => {
    const text = invitation(aNode(), SERVERS, [OWN_KEY], CA);
    assert.equal(invitation(aNode({ metadata: { generation: 9 } }), SERVERS, [OWN_KEY], [...CA]), text);
    assert.notEqual(invitation(aNode(), SERVERS, [userKey('new'), OWN_KEY], CA), text);
    assert.notEqual(invitation(aNode(), ['tls://192.0.2.1:4222'], [OWN_KEY], CA), text);
    assert.notEqual(
      invitation(
        aNode(),
        SERVERS,
        [OWN_KEY],
        readCertificates(certificate('ca-c'), 'x', NOW, parseCertificate).authorities,
      ),
      text,
    );
  });

  const NAMES: readonly [lfhId: string, name: string | RegExp][] = [
    ['hospital-b', 'hospital-b'],
    ['Hospital_B', 'hospital-b'],
    ['-x-', 'x'],
    ['_', 'peer'],
    ['---', 'peer'],
    ['a.b', /^[a-z2-7]{52}$/],
    ['*', /^[a-z2-7]{52}$/],
    ['Krankenhaus Süd', /^[a-z2-7]{52}$/],
    ['x'.repeat(48), 'x'.repeat(48)],
    ['x'.repeat(49), /^[a-z2-7]{52}$/],
    ['x'.repeat(300), /^[a-z2-7]{52}$/],
    ['X'.repeat(300), /^[a-z2-7]{52}$/],
  ];
  for (const [lfhId, name] of NAMES) {
    it(`has a name that Kubernetes takes, and the whole id: ${lfhId.slice(0, 20)} (${lfhId.length})`, () => {
      const { metadata, spec } = inviteOf(lfhId);
      assert.match(metadata.name, typeof name === 'string' ? new RegExp(`^${name}$`) : name);
      assert.equal(spec.lfhId, lfhId);
    });
  }

  it('has the same name for ids that differ only in case or in their marks, so that the API server refuses the second', () => {
    assert.equal(inviteOf('Hospital_B').metadata.name, inviteOf('hospital-b').metadata.name);
    assert.notEqual(inviteOf('Hospital_B').spec.lfhId, inviteOf('hospital-b').spec.lfhId);
  });

  it('is read with the same content by any version of YAML, whatever characters the id has', () => {
    const unsafe = fc.constantFrom(
      'yes',
      '0x1F',
      '1_000',
      'null',
      '~',
      '- x',
      '# x',
      'a: b',
      '\u2028spec: {}',
      'é',
      '😀',
    );
    const anyId = fc.oneof(unsafe, fc.string({ unit: 'binary', minLength: 1 }), fc.string({ minLength: 1 }));
    fc.assert(
      fc.property(anyId, (lfhId) => {
        const text = invitation(aNode({ spec: { lfhId } }), SERVERS, [OWN_KEY], undefined);
        // What YAML 1.1 takes for the end of a line, beside the plain one.
        assert.doesNotMatch(text, /[\r\u0085\u2028\u2029]/);
        const lines = text.split('\n');
        assert.ok(
          lines.slice(0, 3).every((line) => /^# ?[ -~]+$/.test(line)),
          text,
        );
        assert.equal(lines[3], 'apiVersion: sync.linuxforhealth.io/v1alpha1');
        const { metadata, spec, ...rest } = load(text) as PeerObject;
        assert.deepEqual(Object.keys(rest), ['apiVersion', 'kind']);
        assert.match(metadata.name, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
        assert.deepEqual(spec, { lfhId, servers: ['tls://a.example.org:4222'], publicKeys: [OWN_KEY] });
      }),
    );
  });
});

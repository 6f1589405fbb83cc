import assert from 'node:assert/strict';
import { UsageError } from '../../../../cli/args/parse.ts';
import { candidateOf, existingPeer, leftovers } from '../../../../cli/invitation/candidate.ts';
import { fingerprint, isSameFingerprint } from '../../../../cli/invitation/fingerprint.ts';
import { type Here, judge } from '../../../../cli/invitation/judge.ts';
import { type Invitation, readInvitation } from '../../../../cli/invitation/read.ts';
import { readiness } from '../../../../cli/invitation/ready.ts';
import { changesOf, meaningOf } from '../../../../cli/invitation/words.ts';
import { invitation } from '../../../../operator/plan/peers/invitation.ts';
import { aNode, aPeer, certificate, NOW, OWN_KEY, PUBLISHED_KEY, userKey } from '../../operator/plan/fixtures.ts';

const BOTH = { receive: true, send: true };
const HERE: Here = { node: aNode(), peers: [], now: NOW };

/** As the operator of hospital-b writes it. */
const TEXT = invitation(
  aNode({ spec: { lfhId: 'hospital-b' } }),
  ['tls://b.example.org:4222'],
  [userKey('b')],
  [{ fingerprint: 'b', pem: certificate('ca-b') }],
);
const READ = readInvitation(TEXT);
const withFields = (fields: Partial<Invitation>): Invitation => ({ ...READ, ...fields });

function problemsOf(fields: Partial<Invitation>, here: Partial<Here> = {}) {
  const changed = withFields(fields);
  const found = { ...HERE, ...here };
  return judge(changed, candidateOf(changed, changed.name, found.node, BOTH), found);
}

describe('an invitation that came', () => {
  it('is read as the operator of the other site wrote it', () => {
    assert.deepEqual(READ, {
      name: 'hospital-b',
      lfhId: 'hospital-b',
      servers: ['tls://b.example.org:4222'],
      ca: certificate('ca-b'),
      tlsServerName: undefined,
      publicKeys: [userKey('b')],
      ignored: [],
    });
    assert.deepEqual(problemsOf({}), { problems: [], remarks: [] });
  });

  it('decides nothing but what an invitation does', () => {
    const more = TEXT.replace(
      'spec:',
      'spec:\n  receive: { allowOrigins: ["*"] }\n  nodeRef: { name: other }\n  send: {}',
    ).replace('metadata:', 'metadata:\n  namespace: kube-system');
    const read = readInvitation(more);
    assert.deepEqual(read.ignored, ['metadata.namespace', 'spec.receive', 'spec.nodeRef', 'spec.send']);
    const { metadata, spec } = candidateOf(read, 'hospital-b', HERE.node, BOTH);
    assert.equal(metadata.namespace, 'lfh');
    assert.deepEqual(Object.keys(spec), ['lfhId', 'servers', 'ca', 'publicKeys']);
    assert.match(
      judge(read, candidateOf(read, 'hospital-b', HERE.node, BOTH), HERE).remarks.join(),
      /since you decide them: metadata\.namespace/,
    );
  });

  it('is refused where it is none, without a word of what is in it', () => {
    const seed = `SU${'A'.repeat(56)}`;
    for (const [text, problem] of [
      [TEXT.replace(userKey('b'), seed), /seed or a private key/],
      [`${TEXT}# -----BEGIN EC PRIVATE KEY-----`, /seed or a private key/],
      [`${TEXT}---\n${TEXT}`, /has 2 objects/],
      ['', /has 0 objects/],
      ['{a: [', /is not YAML/],
      ['- 1', /the file: expected fields/],
      [TEXT.replace('LfhSyncPeer', 'Secret'), /is no invitation/],
      [TEXT.replace('lfhId: hospital-b', 'lfhId: 7'), /spec\.lfhId: expected a text/],
      [TEXT.replace('lfhId: hospital-b', `lfhId: ${'b'.repeat(254)}`), /spec\.lfhId is longer than 253 characters/],
      [TEXT.replace(/servers:\n +- .*/, 'servers: none'), /spec\.servers: expected a list/],
      ['x'.repeat(200_001), /far too large/],
    ] as const) {
      assert.throws(
        () => readInvitation(text),
        (error) => error instanceof UsageError && problem.test(error.message) && !error.message.includes(seed),
        String(problem),
      );
    }
  });

  it('is judged as the operator would', () => {
    const [other, another] = [aPeer('hospital-c'), aPeer('hospital-d', { spec: { publicKeys: [userKey('b')] } })];
    const elsewhere = aPeer('hospital-b', { spec: { nodeRef: { name: 'second' } } });
    for (const [fields, problem, here] of [
      [{ lfhId: 'hospital-a' }, /spec\.lfhId is this node's own/],
      [{ lfhId: 'hospital-c' }, /spec\.lfhId is that of the older peer hospital-c/, { peers: [other] }],
      [{}, /spec\.publicKeys\[0\] is that of the older peer hospital-d/, { peers: [another] }],
      [{}, /hospital-b belongs to the node second: choose another name with --name/, { peers: [elsewhere] }],
      [{ publicKeys: [OWN_KEY] }, /this node's own/, { node: aNode({ status: { publicKeys: [OWN_KEY] } }) }],
      [{ publicKeys: [PUBLISHED_KEY] }, /LinuxForHealth publishes with its seed/],
      [{ publicKeys: [`${userKey('b').slice(0, -1)}A`] }, /is damaged/],
      [{ servers: ['tls://me:secret@b:4222'] }, /spec\.servers\[0\] is not tls:/],
      [{ ca: certificate('ca-expired') }, /has expired/],
      [{ ca: certificate('no-ca') }, /not a certificate authority/],
      [{ servers: [], publicKeys: [] }, /nothing would flow/],
    ] as const) {
      const { problems } = problemsOf(fields, here ?? {});
      assert.equal(problems.length, 1, `${problem}: ${problems.join('; ')}`);
      assert.match(problems[0] ?? '', problem);
    }
  });

  it('cannot push its fingerprint out of sight by what it has besides', () => {
    const fields = Array.from({ length: 300 }, (_each, index) => `  ${'x'.repeat(500)}${index}: 1`).join('\n');
    const { ignored } = readInvitation(TEXT.replace('spec:', `spec:\n${fields}`));
    assert.equal(ignored.length, 11);
    assert.equal(ignored.at(-1), '290 more');
    for (const field of ignored) assert.ok(field.length < 70, field);
  });

  it('is remarked on, where a person should know something', () => {
    assert.match(problemsOf({ ca: '' }).remarks.join(), /names no CA/);
    const both = problemsOf({ ca: certificate('ca-expired') + certificate('ca-b') });
    assert.deepEqual(both.problems, []);
    assert.match(both.remarks.join(), /has expired/);
  });

  it('is not of a peer that belongs to another node of the namespace', () => {
    const others = { nodeRef: { name: 'second' } };
    const clinic = aPeer('the-clinic', { spec: { lfhId: 'hospital-b', ...others } });
    assert.equal(existingPeer([clinic], READ, 'local'), undefined);
    assert.equal(existingPeer([clinic], READ, 'second'), clinic);
    assert.equal(existingPeer([aPeer('hospital-b', { spec: others })], READ, 'local'), undefined);
  });

  it('is of the peer that has its id, whatever that is called here', () => {
    const known = aPeer('the-clinic', { spec: { lfhId: 'hospital-b' } });
    assert.equal(existingPeer([aPeer('hospital-b', { spec: { lfhId: 'x' } }), known], READ, 'local'), known);
    assert.equal(existingPeer([aPeer('hospital-c')], READ, 'local'), undefined);
  });
});

describe('what accepting means', () => {
  const candidate = candidateOf(READ, 'hospital-b', HERE.node, BOTH);

  it('is said for both directions', () => {
    const [receives, sends] = meaningOf(candidate, undefined, HERE.node);
    assert.match(
      receives ?? '',
      /^You \("hospital-a"\) receive what "hospital-b" takes in, in the formats FHIR\*.*oldest message.* from tls:\/\/b\.example/,
    );
    assert.match(sends ?? '', /^"hospital-b" may receive everything that you take in, .*whoever has the key U/);
    const nothing = meaningOf(
      candidateOf(READ, 'hospital-b', HERE.node, { receive: false, send: false }),
      undefined,
      HERE.node,
    );
    assert.match(nothing.join(' '), /receive nothing from "hospital-b".*may not receive anything from you/);
  });

  it('is shown as what changes, with the authorities by their fingerprints', () => {
    assert.deepEqual(changesOf(candidate, candidate), []);
    const before = aPeer('hospital-b', {
      spec: { servers: ['tls://old:4222'], publicKeys: [userKey('b'), userKey('old')], ca: undefined },
    });
    assert.deepEqual(
      changesOf(before, candidate).map((line) => line.replace(/(SHA-256) .*/, '$1')),
      [
        '- servers: "tls://old:4222"',
        '+ servers: "tls://b.example.org:4222"',
        '+ ca: CN=hospital-b, until 2125-01-01, SHA-256',
        `- publicKeys: "${userKey('old')}"`,
      ].map((line) =>
        line.startsWith('+ ca')
          ? changesOf(undefined, candidate)
              .find((each) => each.startsWith('+ ca'))
              ?.replace(/(SHA-256) .*/, '$1')
          : line,
      ),
    );
  });

  it('removes what the invitation does not have, whoever has written it', () => {
    const before = aPeer('hospital-b', { spec: { ca: { configMapRef: { name: 'x' } }, tlsServerName: 'y' } });
    const inline = { ...candidate.spec.ca, configMapRef: null };
    assert.deepEqual(leftovers(before, candidate), { tlsServerName: null, ca: inline });
    const sendOnly = candidateOf(READ, 'hospital-b', HERE.node, { receive: false, send: true });
    assert.deepEqual(leftovers(before, sendOnly), { servers: null, ca: null, tlsServerName: null });
    assert.deepEqual(leftovers(candidate, candidate), {});
  });
});

describe('the fingerprint', () => {
  const of = (fields: Partial<Invitation>): string => fingerprint(withFields(fields));

  it('is of everything that the other side then trusts, and of nothing else', () => {
    const expected = of({});
    assert.match(expected, /^([0-9a-f]{4} ){5}[0-9a-f]{4}$/);
    for (const changed of [
      of({ lfhId: 'hospital-c' }),
      of({ servers: ['tls://other:4222'] }),
      of({ servers: [...READ.servers, 'tls://other:4222'] }),
      of({ ca: certificate('ca-c') }),
      of({ ca: '' }),
      of({ tlsServerName: 'other.example.org' }),
      of({ publicKeys: [userKey('other')] }),
      of({ publicKeys: [] }),
    ]) {
      assert.notEqual(changed, expected);
    }
    assert.equal(of({ name: 'other', ca: READ.ca.replaceAll('\n', '\r\n') }), expected);
    const keys = [userKey('1'), userKey('2')];
    assert.equal(of({ publicKeys: keys }), of({ publicKeys: keys.toReversed() }));
  });

  it('is the same however it is typed', () => {
    assert.ok(isSameFingerprint('AB12-cd34 ef', 'ab12 cd34 ef'));
    assert.ok(!isSameFingerprint('', 'ab12'));
  });
});

describe('the node that invites', () => {
  const well = { lastTransitionTime: '2026-11-25T12:00:00Z', message: '' };
  const conditions = [
    { type: 'KeyReady', status: 'True', reason: 'KeyMade', ...well },
    { type: 'NatsConfigLive', status: 'True', reason: 'Live', ...well },
  ] as const;
  const ready = (status: object = {}, servers: readonly string[] | undefined = ['tls://b:4222']) =>
    readiness(aNode({ status: { observedGeneration: 3, conditions, ...status } }), servers, NOW).problems;

  it('is refused while its invitation would be of no use', () => {
    assert.deepEqual(ready(), []);
    assert.match(ready({}, []).join(), /names no server, .*spec\.nats\.advertiseFrom/);
    const nothing = readiness(aNode({ status: { observedGeneration: 3, conditions } }), undefined, NOW).problems;
    assert.deepEqual(nothing, ['the operator has not written the invitation yet']);
    assert.match(ready({ observedGeneration: 2 }).join(), /has not looked at the newest spec/);
    assert.match(ready({ conditions: [conditions[0]] }).join(), /NatsConfigLive is not known yet/);
    const lost = { type: 'KeyReady', status: 'False', reason: 'KeyLost', ...well, message: 'gone' };
    assert.match(
      ready({ conditions: [lost, conditions[1]] }).join(),
      /KeyReady is KeyLost: gone\. The Secret with the key is gone/,
    );
    const inDays = (days: number) => ({
      certificateExpiry: { natsCa: new Date(NOW + days * 86_400_000).toISOString() },
    });
    assert.match(ready(inDays(29)).join(), /authority in spec\.nats\.ca expires on/);
    assert.match(ready(inDays(-1)).join(), /has expired on/);
    assert.deepEqual(ready(inDays(31)), []);
  });
});

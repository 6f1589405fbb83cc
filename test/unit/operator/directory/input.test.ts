import assert from 'node:assert/strict';
import type { KubeObject, Secret } from '../../../../operator/api/objects.ts';
import { documentsIn } from '../../../../operator/directory/documents.ts';
import { decide } from '../../../../operator/directory/input.ts';
import { FILE } from '../../../../operator/directory/layout.ts';

const SEED = 'SUAKYRHVIOREXV7EUZTBHUHL7NUMHPMAS7QMDU3GTIUWEI5LDNOXD43IZY';
const NODE = `
apiVersion: sync.linuxforhealth.io/v1alpha1
kind: LfhSyncNode
metadata: { name: local }
spec:
  lfhId: hospital-a
  nats: { servers: ["tls://nats:4222"] }
  kafka: { brokers: ["kafka:9092"] }
`;
const PEER = `
apiVersion: sync.linuxforhealth.io/v1alpha1
kind: LfhSyncPeer
metadata: { name: hospital-b }
spec: { lfhId: hospital-b, servers: ["tls://b:4222"] }
`;
const SECRET = `
apiVersion: v1
kind: Secret
metadata: { name: kafka }
data: { user: bGZo }
stringData: { password: secret }
`;

/** What is decided for files, by their names. */
function decideFor(files: Readonly<Record<string, string>>, known: readonly KubeObject[] = []) {
  return decide(
    Object.entries(files).map(([file, text]) => documentsIn(file, text)),
    known,
  );
}

function inForce(files: Readonly<Record<string, string>>): KubeObject[] {
  const { puts, refusals } = decideFor(files);
  assert.deepEqual(refusals, []);
  return [...puts];
}

function refusalsOf(files: Readonly<Record<string, string>>, known: readonly KubeObject[] = []): string[] {
  return decideFor(files, known).refusals.map(({ file, object, field, problem, inForce: what }) =>
    [file, object ?? '-', field ?? '-', problem, what].join(' | '),
  );
}

describe('the files of a directory', () => {
  it('are taken up, several documents of one file as well, with the defaults of the CRDs', () => {
    const [node, peer] = inForce({ 'all.yaml': `${NODE}---${PEER}` }) as [
      KubeObject & { spec: { key: object } },
      KubeObject,
    ];
    assert.deepEqual(node.spec.key, { rotation: 0, overlap: '24h' });
    assert.equal(node.metadata.annotations?.[FILE], 'all.yaml');
    assert.equal(peer.kind, 'LfhSyncPeer');
  });

  it('are taken up from a List, and without what an API server writes', () => {
    const list = { apiVersion: 'v1', kind: 'List', items: inForce({ 'node.yaml': NODE, 'peer.yaml': PEER }) };
    const text = JSON.stringify(list).replaceAll(
      '"metadata":{',
      '"status":{"a":1},"metadata":{"uid":"1","managedFields":[],',
    );
    const [node] = inForce({ 'list.json': text });
    assert.deepEqual(Object.keys(node?.metadata ?? {}), ['name', 'namespace', 'annotations']);
    assert.ok(node && !('status' in node));
  });

  it('may have texts of a Secret in stringData', () => {
    const [secret] = inForce({ 'secret.yaml': SECRET }) as Secret[];
    assert.deepEqual(secret?.data, { user: 'bGZo', password: Buffer.from('secret').toString('base64') });
  });

  it('are refused by file, object and field, with what to do, where the schema or a rule refuses them', () => {
    const files = {
      'node.yaml': NODE.replace('hospital-a', '5').replace('kafka: {', 'kafkas: {} \n  kafka: {'),
      'peer.yaml': PEER.replace('tls://b:4222', 'nats://b:4222'),
    };
    assert.deepEqual(refusalsOf(files), [
      'node.yaml | LfhSyncNode local | spec.kafkas | there is no such field: is it spelled as in docs/api.md, and in the right place? | nothing',
      'node.yaml | LfhSyncNode local | spec.lfhId | must be a text: put it in quotation marks | nothing',
      'peer.yaml | LfhSyncPeer hospital-b | spec.servers | each entry must be tls://host:port, such as tls://192.168.1.201:4222, with no user, password or path: our key says who we are | nothing',
    ]);
  });

  it('never have a secret quoted that somebody has put into the wrong place', () => {
    const files = {
      'a.yaml': PEER.replace('servers:', `publicKeys: [${SEED}], servers:`),
      'b.yaml': `${NODE}  seed: ${SEED}\n`,
      'c.yaml': `kind: [${SEED}`,
      'd.yaml': `seed: "${SEED}\nkey: *${SEED}`,
      'e.yaml': `- ${SEED}`,
      'f.yaml': SECRET.replace('bGZo', SEED),
      'g.yaml': `${NODE}  ${SEED}: 1\n`,
    };
    const refusals = refusalsOf(files);
    assert.equal(new Set(decideFor(files).refusals.map(({ file }) => file)).size, 7, refusals.join('\n'));
    assert.doesNotMatch(refusals.join('\n'), new RegExp(SEED.slice(0, 20)));
  });

  it('leave an object as it was while its file is refused', () => {
    const known = inForce({ 'node.yaml': NODE, 'peer.yaml': PEER });
    const broken = { 'node.yaml': NODE, 'peer.yaml': PEER.replace('tls://', '') };
    const { puts, deletes, refusals } = decideFor(broken, known);
    assert.deepEqual([puts.map(({ kind }) => kind), deletes], [['LfhSyncNode'], []]);
    assert.deepEqual(
      refusals.map((refusal) => refusal.inForce),
      ['as before'],
    );
    const unreadable = decideFor({ 'node.yaml': NODE, 'peer.yaml': 'kind: [' }, known);
    assert.deepEqual([unreadable.deletes, unreadable.refusals.map((refusal) => refusal.inForce)], [[], ['as before']]);
  });

  it('refuse what may not be changed, as it was and not as another file says', () => {
    const known = inForce({ 'node.yaml': NODE, 'peer.yaml': PEER });
    const changed = { 'node.yaml': NODE, 'peer.yaml': PEER.replace('lfhId: hospital-b', 'lfhId: hospital-c') };
    assert.match(
      refusalsOf(changed, known).join(),
      /^peer.yaml \| LfhSyncPeer hospital-b \| spec.lfhId \| cannot be changed/,
    );
    assert.deepEqual(refusalsOf({ 'peer.yaml': changed['peer.yaml'] }), []);
  });

  it('delete what is in no file any more, and only that', () => {
    const known = inForce({ 'node.yaml': NODE, 'peer.yaml': PEER });
    const { deletes } = decideFor({ 'node.yaml': NODE }, known);
    assert.deepEqual(
      deletes.map(({ metadata }) => metadata.name),
      ['hospital-b'],
    );
    assert.deepEqual(decideFor({ 'node.yaml': NODE, 'moved.yaml': PEER }, known).deletes, []);
  });

  it('take nothing back where there is no file at all, as in a volume that is not mounted', () => {
    const known = inForce({ 'node.yaml': NODE });
    const { deletes, refusals } = decideFor({}, known);
    assert.deepEqual([deletes, refusals.length], [[], 1]);
    assert.equal(decideFor({ 'empty.yaml': '# nothing\n' }, known).deletes.length, 1);
  });

  it('cannot have the same object twice, or two namespaces', () => {
    assert.deepEqual(refusalsOf({ 'a.yaml': PEER, 'b.yaml': PEER }), [
      'a.yaml | LfhSyncPeer hospital-b | - | is in another file as well: remove one of them | nothing',
      'b.yaml | LfhSyncPeer hospital-b | - | is in a.yaml as well: remove one of them | nothing',
    ]);
    assert.deepEqual(decideFor({ 'a.yaml': PEER, 'b.yaml': PEER, 'c.yaml': PEER }).puts, []);
    const elsewhere = (text: string, name: string): string =>
      text.replace('metadata: {', `metadata: { namespace: ${name},`);
    assert.deepEqual(refusalsOf({ 'a.yaml': elsewhere(PEER, 'one'), 'b.yaml': elsewhere(NODE, 'one') }), []);
    assert.match(
      refusalsOf({ 'a.yaml': elsewhere(PEER, 'one'), 'b.yaml': elsewhere(NODE, 'two') }).join(),
      /^b.yaml \| LfhSyncNode local \| metadata.namespace \| is not one as in other files/,
    );
  });

  it('name no path by a key or a label, and no node like what is in state besides', () => {
    const configMap = (metadata: string, data: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: ${metadata}\ndata: ${data}\n`;
    const label = (value: string): string => `{ name: x, labels: { sync.linuxforhealth.io/node: ${value} } }`;
    assert.deepEqual(refusalsOf({ 'a.yaml': configMap(label('local'), '{ ca.crt: text, .a_b-c.d: text }') }), []);
    for (const key of ['../../etc/x', '..', '.', 'a/b', '..data']) {
      assert.match(
        refusalsOf({ 'a.yaml': configMap('{ name: x }', `{ "${key}": text }`) }).join(),
        /\| data \| a key must/,
      );
    }
    for (const value of ['../../srv', '7', 'a/b', 'x'.repeat(64)]) {
      const [refusal = ''] = refusalsOf({ 'a.yaml': configMap(label(value), '{}') });
      assert.match(refusal, /metadata.labels \| must be texts/);
    }
    for (const name of ['objects', 'lock', 'status.yaml']) {
      const node = NODE.replace('name: local', `name: ${name}`);
      assert.match(refusalsOf({ 'a.yaml': node }).join(), /metadata.name \| is the name of something else in state/);
    }
  });

  it('have few aliases, which make a small file as large as one likes, and none in a circle', () => {
    assert.match(refusalsOf({ 'a.yaml': `a: &a [x]\nb: [${'*a, '.repeat(9)}]\n` }).join(), /is not YAML/);
    assert.match(refusalsOf({ 'a.yaml': 'kind: &a { x: *a }\n' }).join(), /an alias refers to what it is in/);
  });

  it('cannot overwrite what lfh-sync has made, but may repeat it', () => {
    const [key] = inForce({ 'key.yaml': SECRET });
    assert.ok(key);
    const { annotations: _annotations, ...metadata } = key.metadata;
    const made = [{ ...key, metadata }];
    assert.deepEqual(decideFor({ 'key.yaml': SECRET }, made), { puts: [], deletes: [], refusals: [] });
    assert.match(
      refusalsOf({ 'key.yaml': SECRET.replace('bGZo', 'AAAA') }, made).join(),
      /lfh-sync has made this object/,
    );
  });

  it('hold nothing but objects of four kinds', () => {
    const compose = 'services: {}\n';
    const deployment = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\n';
    const old = PEER.replace('v1alpha1', 'v1');
    assert.deepEqual(
      refusalsOf({
        'a.yaml': compose,
        'b.yaml': deployment,
        'c.yaml': old,
        'd.yaml': PEER.replace('name: hospital-b', 'name: B_1'),
      }),
      [
        'a.yaml | - | - | is no object of Kubernetes, with apiVersion, kind and metadata: keep other files in another directory | nothing',
        'b.yaml | - | kind | a directory has only LfhSyncNode, LfhSyncPeer, Secret, ConfigMap | nothing',
        'c.yaml | - | apiVersion | must be sync.linuxforhealth.io/v1alpha1 | nothing',
        'd.yaml | - | metadata.name | must be a name of small letters, digits, - and ., of at most 253 characters | nothing',
      ],
    );
  });
});

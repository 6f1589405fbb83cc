import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import type { LfhSyncNode, LfhSyncPeer } from '../../../operator/api/types.ts';
import { parseCertificate } from '../../../operator/plan/observed/certificate.ts';
import { readCertificates } from '../../../operator/plan/trust/certificates.ts';
import { checkKeys } from '../../../operator/plan/trust/public-keys.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const EXAMPLES = join(ROOT, 'docs', 'examples');
const OURS = ['LfhSyncNode', 'LfhSyncPeer'];
const YAML_BLOCK = /^```yaml\n([\s\S]*?)^```/gm;

type Example = readonly [where: string, text: string];
/** What is looked at of both kinds. */
interface Ours {
  readonly kind?: string;
  readonly spec?: Pick<LfhSyncPeer['spec'], 'ca' | 'publicKeys'> & Partial<Pick<LfhSyncNode['spec'], 'nats'>>;
}

describe('every example of the pages', function () {
  this.timeout(240_000);
  let plane: ControlPlane;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  async function examples(): Promise<Example[]> {
    // Those in folders are of other kinds, and have tests of their own.
    const files = (await readdir(EXAMPLES)).filter((file) => file.endsWith('.yaml'));
    return Promise.all(
      files.map(
        async (file): Promise<Example> => [`docs/examples/${file}`, await readFile(join(EXAMPLES, file), 'utf8')],
      ),
    );
  }

  /** Blocks of our kinds; what begins with other fields is a part of something, such as a chart's values. */
  async function blocks(): Promise<Example[]> {
    const inDocs = (await readdir(join(ROOT, 'docs'))).filter((file) => file.endsWith('.md'));
    const found: Example[] = [];
    for (const page of ['README.md', ...inDocs.map((file) => join('docs', file))]) {
      const text = await readFile(join(ROOT, page), 'utf8');
      for (const [, block = ''] of text.matchAll(YAML_BLOCK)) {
        if (/^kind: LfhSync/m.test(block)) found.push([page, block]);
      }
    }
    return found;
  }

  async function create(text: string): Promise<void> {
    const namespace = await plane.createNamespace('example');
    const { stdout, stderr } = await plane.kubectl(['create', '-n', namespace, '--validate=strict', '-f', '-'], text);
    assert.equal(stderr, '');
    assert.match(stdout, /lfhsync(node|peer)\.sync\.linuxforhealth\.io\/\S+ created/);
  }

  /** What the API server cannot know, and the operator would complain of. */
  function judge(text: string): void {
    const objects = loadAll(text) as Ours[];
    for (const { kind, spec } of objects.filter((object) => OURS.includes(object.kind ?? ''))) {
      const keys = [...(spec?.publicKeys ?? []), ...(spec?.nats?.users ?? [])];
      assert.deepEqual(checkKeys(keys, kind ?? '').problems, []);
      const { inline } = spec?.ca ?? {};
      if (inline !== undefined)
        assert.deepEqual(readCertificates(inline, 'ca', Date.now(), parseCertificate).problems, []);
    }
  }

  it('is accepted by a real API server as it stands', async () => {
    const [files, inPages] = [await examples(), await blocks()];
    assert.ok(files.length > 10 && inPages.length > 0, 'they were found');
    for (const [where, text] of [...files, ...inPages]) {
      await create(text).catch((error: Error) => assert.fail(`${where}: ${error.message}`));
      judge(text);
    }
  });

  it('would be refused if a field were misspelt', async () => {
    const text = await readFile(join(EXAMPLES, 'peer-paused.yaml'), 'utf8');
    await assert.rejects(create(text.replace('receive:', 'recieve:')), /unknown field "spec\.recieve"/);
  });
});

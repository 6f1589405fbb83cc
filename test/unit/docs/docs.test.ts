import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pages } from '../../../docs/generate.ts';
import { createMetrics, OPERATOR_METRICS } from '../../../operator/metrics.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const DOCS = join(ROOT, 'docs');
/** Folders in which nothing is written by hand. */
const NOT_OURS = ['**/node_modules', '.git', 'dist', 'coverage'];
/** What a page names that should be a file of ours. */
const SOURCE = /\.(?:ts|sh|js|json|cjs|ya?ml|md)$/;

describe('a generated page', () => {
  for (const [name, content] of Object.entries(pages())) {
    it(`docs/${name} says what the code says; if not: make docs`, async () => {
      assert.equal(await readFile(join(DOCS, name), 'utf8'), content);
    });
  }
});

describe('the page of metrics', () => {
  it('has all that the operator tells of itself, with their types', async () => {
    const text = await createMetrics('1.2.3').text();
    const told = [...text.matchAll(/^# TYPE (lfh_sync_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
    assert.deepEqual(
      Object.values(OPERATOR_METRICS).map(({ name, type }) => `${name} ${type}`),
      told,
    );
    for (const { name } of Object.values(OPERATOR_METRICS)) assert.match(pages()['metrics.md'] ?? '', new RegExp(name));
  });
});

describe('the page of what lfh-sync is compatible with', () => {
  const page = (): Promise<string> => readFile(join(DOCS, 'compatibility.md'), 'utf8');

  it('names in each row the tests that show it, or says that it was not tried', async () => {
    // The row after a line of dashes is the first of a table; that before it is the head.
    const rows = (await page()).split('\n').filter((line, index, lines) => {
      return line.startsWith('| ') && !line.startsWith('| ---') && !lines[index + 1]?.startsWith('| ---');
    });
    assert.ok(rows.length > 50, 'they were found');
    assert.deepEqual(
      rows.filter((row) => !/\(tests: |not tried/.test(row)),
      [],
    );
  });

  it('has in bold only versions with which the tests run', async () => {
    const read = (path: string): Promise<string> => readFile(join(ROOT, 'test/kit', path), 'utf8');
    const found = async (path: string, pattern: RegExp): Promise<string[]> =>
      [...(await read(path)).matchAll(pattern)].map(([, version = '']) => version);
    const run = [
      ...(await found('servers/nats-server.ts', /'v(\d+\.\d+\.\d+)'/g)),
      ...(await found('servers/pom.xml', /kafka_[\d.]+<\/artifactId>\s*<version>([\d.]+)</g)),
      ...(await found('build/kubernetes-programs.ts', /^const (?:KUBERNETES|HELM) = 'v(.+)'/gm)),
    ];
    assert.ok(run.length >= 5, String(run));
    const bold = [...(await page()).matchAll(/\*\*(\d[\d.]*)\*\*/g)].map(([, version = '']) => version);
    assert.ok(bold.length >= 5, String(bold));
    assert.deepEqual(
      bold.filter((version) => !run.includes(version)),
      [],
    );
  });
});

describe('a page', () => {
  /** Without the blocks of code, in which what looks like a link or a heading is none. */
  async function textOf(path: string): Promise<string> {
    return (await readFile(path, 'utf8')).replace(/^ *```[\s\S]*?^ *```/gm, '');
  }

  /** As GitHub makes them of headings. */
  async function anchorsOf(path: string): Promise<readonly string[]> {
    const headings = [...(await textOf(path)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
    return headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
  }

  async function pagesOfTree(): Promise<string[]> {
    const inDocs = await readdir(DOCS, { recursive: true });
    const names = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...inDocs.map((name) => join('docs', name))];
    return names.filter((name) => name.endsWith('.md'));
  }

  it('links only to files and headings that are there', async () => {
    const broken: string[] = [];
    for (const page of await pagesOfTree()) {
      for (const [, link = ''] of (await textOf(join(ROOT, page))).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (link.includes('://')) continue;
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? join(ROOT, page) : join(ROOT, dirname(page), file);
        const isThere = existsSync(target) && (anchor === undefined || (await anchorsOf(target)).includes(anchor));
        if (!isThere) broken.push(`${page}: ${link}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  it('names only files that are there', async () => {
    const files = globSync('**/*', { cwd: ROOT, exclude: NOT_OURS });
    const paths = new Set(files);
    const names = new Set([...paths].map((path) => basename(path)));
    const missing: string[] = [];
    for (const page of await pagesOfTree()) {
      const text = await readFile(join(ROOT, page), 'utf8');
      // A test is named by its path below test/unit or test/integration too.
      const isThere = (path: string): boolean =>
        ['', 'test/unit/', 'test/integration/'].some((folder) => paths.has(folder + path));
      for (const [path] of text.matchAll(
        /\b(?:common|operator|sidecar|test|image|lint|crds|charts|docs|demo)\/[\w./-]+\.[a-z]+\b/g,
      )) {
        if (SOURCE.test(path) && !isThere(path)) missing.push(`${page}: ${path}`);
      }
      for (const [, name = ''] of text.matchAll(/`(\w[\w.-]*)`/g)) {
        if (/\.(?:ts|sh)$/.test(name) && !names.has(name)) missing.push(`${page}: ${name}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  it('is there wherever a comment or a text of the code names one', async () => {
    const pages = new Set((await pagesOfTree()).flatMap((path) => [path, basename(path)]));
    const missing: string[] = [];
    for (const file of globSync('**/*.{ts,js,yaml}', { cwd: ROOT, exclude: NOT_OURS })) {
      const text = await readFile(join(ROOT, file), 'utf8');
      for (const [, page = ''] of text.matchAll(/(?<![\w/.-])((?:docs\/)?[\w/-]+\.md)\b/g)) {
        if (!pages.has(page)) missing.push(`${file}: ${page}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  it('of what shows something names only tests that are there', async () => {
    const missing: string[] = [];
    const files = await readdir(join(ROOT, 'test'), { recursive: true });
    // Pages name a test by its path below `test/unit` or `test/integration`.
    const known = files.map((file) => file.replace(/^(unit|integration)\//, ''));
    const showing = [
      'replaces-by-hand',
      'security',
      'install',
      'connect',
      'operator',
      'compatibility',
      'exposing-nats',
      'moving-a-stream',
    ];
    for (const page of showing.map((name) => `docs/${name}.md`)) {
      const text = (await readFile(join(ROOT, page), 'utf8')).replace(/\s+/g, ' ');
      const named = [...text.matchAll(/([\w/-]+\.test\.ts)/g)].map(([, name = '']) => name);
      const short = [...text.matchAll(/\(tests: ([a-z, /-]+)\)/g)].flatMap(([, names = '']) => names.split(', '));
      for (const name of [...named, ...short.map((each) => `${each}.test.ts`)]) {
        if (!known.includes(name)) missing.push(`${page}: ${name}`);
      }
    }
    assert.deepEqual(missing, []);
  });
});

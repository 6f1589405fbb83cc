import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

/** What crosses a border of design.md's "Layout", by the file it would stand in. */
const CROSSINGS: readonly [file: string, code: string][] = [
  ['common/a.ts', "import '../sidecar/main.ts';"],
  ['common/b.ts', "import '../operator/main.ts';"],
  ['common/c.ts', "import 'kafkajs';"],
  ['common/d.ts', "import 'pino';"],
  ['sidecar/a.ts', "import '../operator/plan/durable.ts';"],
  ['sidecar/b.ts', "import 'kafkajs';"],
  ['sidecar/c.ts', "import 'nats';"],
  ['sidecar/d.ts', "import '../test/servers/site.ts';"],
  ['sidecar/nats/a.ts', "import 'kafkajs';"],
  ['sidecar/nats/b.ts', "import '../../operator/plan/durable.ts';"],
  ['sidecar/kafka/a.ts', "import 'nats';"],
  ['operator/a.ts', "import '../sidecar/ports.ts';"],
  ['sidecar/replay/a.ts', "import 'node:fs';"],
  ['sidecar/replay/b.ts', "import '../../common/log.ts';"],
  ['sidecar/replay/c.ts', 'export const now = Date.now();'],
  ['sidecar/replay/d.ts', 'export const luck = Math.random();'],
  ['sidecar/replay/e.ts', 'setTimeout(String, 1);'],
  ['sidecar/replay/f.ts', "import '../kafka/client.ts';"],
  ['operator/plan/a.ts', "import 'nats';"],
  ['operator/plan/b.ts', 'export const now = Date.now();'],
  ['sidecar/e.ts', 'export default 1;'],
];

describe('the lint', () => {
  let directory: string;
  let findings: Map<string, string>;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-lint-'));
    await cp(join(ROOT, '.oxlintrc.json'), join(directory, '.oxlintrc.json'));
    await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    const files: (readonly [string, string])[] = [...CROSSINGS, ['sidecar/fine.ts', "import './ports.ts';"]];
    for (const [file, code] of files) {
      await mkdir(dirname(join(directory, file)), { recursive: true });
      await writeFile(join(directory, file), `${code}\n`);
    }
    findings = await lint(directory);
  });

  after(() => rm(directory, { recursive: true }));

  for (const [file, code] of CROSSINGS) {
    it(`breaks on ${code} in ${file}`, () => {
      assert.match(findings.get(file) ?? '', /no-restricted|no-default-export/);
    });
  }

  it('lets pass what crosses nothing', () => {
    assert.equal(findings.get('sidecar/fine.ts'), undefined);
  });
});

function lint(directory: string): Promise<Map<string, string>> {
  const oxlint = join(ROOT, 'node_modules', '.bin', 'oxlint');
  return new Promise((resolve) => {
    execFile(oxlint, ['-f', 'unix'], { cwd: directory }, (_error, stdout) => {
      const lines = stdout.split('\n').map((line) => /^([^:]+):\d+:\d+: (.*)$/.exec(line));
      resolve(new Map(lines.flatMap((found) => (found ? [[found[1] ?? '', found[2] ?? '']] : []))));
    });
  });
}

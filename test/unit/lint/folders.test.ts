import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** A file that must not lint: where it lies, what it says, which rule must object. */
type Crossing = readonly [path: string, source: string, rule: string];

const IMPORTS = 'eslint(no-restricted-imports)';

const CROSSINGS: Readonly<Record<string, readonly Crossing[]>> = {
  'common imports neither operator nor sidecar': [
    ['common/to-sidecar.ts', "export { there } from '../sidecar/there.ts';", IMPORTS],
    ['common/to-operator.ts', "export { there } from '../operator/there.ts';", IMPORTS],
    ['common/contract/to-sidecar.ts', "export type { There } from '../../sidecar/there.ts';", IMPORTS],
  ],
  'operator and sidecar never import each other': [
    ['operator/to-sidecar.ts', "export { there } from '../sidecar/there.ts';", IMPORTS],
    ['operator/nats/to-sidecar.ts', "export { there } from '../../sidecar/there.ts';", IMPORTS],
    ['operator/plan/to-sidecar.ts', "export { there } from '../../sidecar/there.ts';", IMPORTS],
    ['sidecar/to-operator.ts', "export { there } from '../operator/there.ts';", IMPORTS],
    ['sidecar/kafka/to-operator.ts', "export { there } from '../../operator/there.ts';", IMPORTS],
    ['sidecar/nats/to-operator.ts', "export { there } from '../../operator/there.ts';", IMPORTS],
    ['sidecar/replay/to-operator.ts', "export { there } from '../../operator/there.ts';", IMPORTS],
  ],
  'the command line imports nothing of the sidecar, and neither program imports it': [
    ['cli/commands/to-sidecar.ts', "export { there } from '../../sidecar/settings/there.ts';", IMPORTS],
    ['cli/io/to-sidecar.ts', "export { there } from '../../sidecar/there.ts';", IMPORTS],
    ['operator/to-cli.ts', "export { there } from '../cli/there.ts';", IMPORTS],
    ['operator/controller/to-cli.ts', "export { there } from '../../cli/io/there.ts';", IMPORTS],
    ['sidecar/to-cli.ts', "export { there } from '../cli/there.ts';", IMPORTS],
    ['common/to-cli.ts', "export { there } from '../cli/there.ts';", IMPORTS],
  ],
  'the product imports nothing that tests or shows it': [
    ['common/to-test.ts', "export { there } from '../test/there.ts';", IMPORTS],
    ['operator/to-test.ts', "export { there } from '../test/there.ts';", IMPORTS],
    ['sidecar/to-demo.ts', "export { there } from '../demo/there.ts';", IMPORTS],
    ['sidecar/kafka/to-test.ts', "export { there } from '../../test/there.ts';", IMPORTS],
  ],
  'nothing imports upwards': [
    ['common/contract/to-log.ts', "export { there } from '../log.ts';", IMPORTS],
    ['operator/api/to-kube.ts', "export { there } from '../kube/there.ts';", IMPORTS],
    ['operator/cluster/to-kube.ts', "export { there } from '../kube/there.ts';", IMPORTS],
    ['operator/controller/to-kube.ts', "export { there } from '../kube/there.ts';", IMPORTS],
    ['operator/kube/to-plan.ts', "export { there } from '../plan/observed/there.ts';", IMPORTS],
    ['operator/nats/to-plan.ts', "export { there } from '../plan/nats/there.ts';", IMPORTS],
    ['operator/nats/to-controller.ts', "export { there } from '../controller/there.ts';", IMPORTS],
    ['operator/plan/to-controller.ts', "export { there } from '../controller/there.ts';", IMPORTS],
    ['operator/plan/to-status.ts', "export { there } from './status/there.ts';", IMPORTS],
    ['operator/plan/observed/to-trust.ts', "export { there } from '../trust/there.ts';", IMPORTS],
    ['operator/plan/trust/to-nats.ts', "export { there } from '../nats/there.ts';", IMPORTS],
    ['operator/plan/nats/to-peers.ts', "export { there } from '../peers/there.ts';", IMPORTS],
    ['operator/plan/peers/to-node.ts', "export { there } from '../node/there.ts';", IMPORTS],
    ['operator/plan/node/to-injection.ts', "export { there } from '../injection/there.ts';", IMPORTS],
    ['operator/plan/injection/to-plan.ts', "export { there } from '../there.ts';", IMPORTS],
    ['operator/plan/injection/to-status.ts', "export { there } from '../status/there.ts';", IMPORTS],
    ['operator/controller/to-hooks.ts', "export { there } from '../hooks/there.ts';", IMPORTS],
    ['operator/hooks/to-controller.ts', "export { there } from '../controller/there.ts';", IMPORTS],
    ['operator/controller/to-run.ts', "export { there } from '../there.ts';", IMPORTS],
    ['sidecar/ports-to-kafka.ts', "export { Kafka } from 'kafkajs';", IMPORTS],
    ['sidecar/replay/to-ports.ts', "export { there } from '../ports.ts';", IMPORTS],
    ['sidecar/kafka/to-session.ts', "export { there } from '../session/there.ts';", IMPORTS],
    ['sidecar/kafka/to-nats.ts', "export { there } from '../nats/there.ts';", IMPORTS],
    ['sidecar/nats/to-kafka.ts', "export { there } from '../kafka/there.ts';", IMPORTS],
    ['sidecar/nats/peer-client/to-stream.ts', "export { there } from '../there.ts';", IMPORTS],
    ['sidecar/nats/to-settings.ts', "export { there } from '../settings/there.ts';", IMPORTS],
    ['sidecar/settings/to-session.ts', "export { there } from '../session/there.ts';", IMPORTS],
    ['sidecar/session/to-kafka.ts', "export { there } from '../kafka/there.ts';", IMPORTS],
    ['sidecar/session/to-run.ts', "export { there } from '../there.ts';", IMPORTS],
    ['cli/args/to-commands.ts', "export { there } from '../commands/there.ts';", IMPORTS],
    ['cli/io/to-commands.ts', "export { there } from '../commands/there.ts';", IMPORTS],
    ['cli/commands/to-program.ts', "export { there } from '../program.ts';", IMPORTS],
  ],
  'nothing that ships imports what tests it, nor does what builds it': [
    ['docs/to-test.ts', "export { there } from '../test/there.ts';", IMPORTS],
    ['charts/to-test.ts', "export { there } from '../test/there.ts';", IMPORTS],
  ],
  'a client library is imported only where it is wrapped': [
    ['sidecar/kafkajs.ts', "export { Kafka } from 'kafkajs';", IMPORTS],
    ['sidecar/kafkajs-inside.ts', "export { Kafka } from 'kafkajs/src/index.js';", IMPORTS],
    ['sidecar/kafkajs-type.ts', "export type { Kafka } from 'kafkajs';", IMPORTS],
    ['sidecar/kafkajs-later.ts', "export const later = () => import('kafkajs');", IMPORTS],
    ['sidecar/nats/kafkajs.ts', "export { Kafka } from 'kafkajs';", IMPORTS],
    ['operator/kafkajs.ts', "export { Kafka } from 'kafkajs';", IMPORTS],
    ['sidecar/nats.ts', "export { connect } from 'nats';", IMPORTS],
    ['sidecar/kafka/nats.ts', "export { connect } from 'nats';", IMPORTS],
    ['operator/nats.ts', "export { connect } from 'nats';", IMPORTS],
    ['sidecar/nkeys.ts', "export { createUser } from 'nkeys.js';", IMPORTS],
    ['sidecar/nats/nkeys.ts', "export { createUser } from 'nkeys.js';", IMPORTS],
    ['operator/nkeys.ts', "export { createUser } from 'nkeys.js';", IMPORTS],
    ['operator/kube.ts', "export { KubeConfig } from '@kubernetes/client-node';", IMPORTS],
    ['operator/nats/kube.ts', "export { KubeConfig } from '@kubernetes/client-node';", IMPORTS],
    ['operator/kube/nats.ts', "export { connect } from 'nats';", IMPORTS],
    ['operator/kube/to-sidecar.ts', "export { there } from '../../sidecar/there.ts';", IMPORTS],
    ['sidecar/prom.ts', "export { Counter } from 'prom-client';", IMPORTS],
    ['common/prom.ts', "export { Counter } from 'prom-client';", IMPORTS],
    ['sidecar/pino.ts', "export { pino } from 'pino';", IMPORTS],
    ['common/pino.ts', "export { pino } from 'pino';", IMPORTS],
    ['sidecar/session/net.ts', "export { connect } from 'node:net';", IMPORTS],
    ['sidecar/nats/tls.ts', "export { connect } from 'node:tls';", IMPORTS],
    ['sidecar/nats/peer-client/nats.ts', "export { connect } from 'nats';", IMPORTS],
    ['sidecar/one-nobody-wraps.ts', "export { createClient } from '@example/client';", IMPORTS],
  ],
  'decisions import no client library, logger, input or output': [
    ...['nats', 'kafkajs', 'nkeys.js', 'pino', 'prom-client', 'node:fs', 'fs', 'node:dns/promises', 'node:net'].flatMap(
      (module, n): Crossing[] => [
        [`sidecar/replay/imports-${n}.ts`, `export * as imported from '${module}';`, IMPORTS],
        [`operator/plan/imports-${n}.ts`, `export * as imported from '${module}';`, IMPORTS],
      ],
    ),
    ['sidecar/replay/to-kafka.ts', "export { there } from '../kafka/there.ts';", IMPORTS],
    ['sidecar/replay/to-shell.ts', "export { there } from '../there.ts';", IMPORTS],
    ['operator/plan/to-nats.ts', "export { there } from '../nats/there.ts';", IMPORTS],
    ['operator/plan/logger.ts', "export { there } from '../../common/log.ts';", IMPORTS],
    ['sidecar/replay/console.ts', "export const say = () => console.log('x');", 'eslint(no-console)'],
    ['cli/args/to-terminal.ts', "export { there } from '../io/terminal.ts';", IMPORTS],
    ['cli/explain/files.ts', "export { readFile } from 'node:fs/promises';", IMPORTS],
    ['cli/text/process.ts', 'export const wide = process.stdout.columns;', 'eslint(no-restricted-globals)'],
    ['operator/plan/process.ts', 'export const home = process.env.HOME;', 'eslint(no-restricted-globals)'],
    ['operator/plan/fetch.ts', "export const got = () => fetch('http://x');", 'eslint(no-restricted-globals)'],
  ],
  'decisions use no clock': [
    ['sidecar/replay/now.ts', 'export const at = Date.now();', 'eslint(no-restricted-properties)'],
    ['sidecar/replay/new-date.ts', 'export const at = new Date();', 'lfh-sync(no-clock)'],
    ['operator/plan/date.ts', 'export const at = Date();', 'lfh-sync(no-clock)'],
    ['operator/plan/global.ts', 'export const at = globalThis.Date.now();', 'eslint(no-restricted-globals)'],
    ['sidecar/replay/performance.ts', 'export const at = performance.now();', 'eslint(no-restricted-globals)'],
    ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'global.setTimeout'].map(
      (start, n): Crossing => [
        `sidecar/replay/timer-${n}.ts`,
        `${start}(() => undefined);`,
        'eslint(no-restricted-globals)',
      ],
    ),
    ['operator/plan/timers.ts', "export { setTimeout } from 'node:timers/promises';", IMPORTS],
  ],
  'decisions use no randomness': [
    ['sidecar/replay/random.ts', 'export const n = Math.random();', 'eslint(no-restricted-properties)'],
    ['operator/plan/random.ts', 'export const { random } = Math;', 'eslint(no-restricted-properties)'],
    ['operator/plan/uuid.ts', 'export const id = crypto.randomUUID();', 'eslint(no-restricted-globals)'],
    ['sidecar/replay/uuid.ts', "export { randomUUID } from 'node:crypto';", IMPORTS],
  ],
  'no file imports itself through others': [
    ['sidecar/a.ts', "export { b } from './b.ts';", 'import(no-cycle)'],
    ['sidecar/b.ts', "import { a } from './a.ts';\nexport const b = a;", 'import(no-cycle)'],
  ],
  'nothing is exported without a name': [
    ['sidecar/default.ts', 'export default 1;', 'import(no-default-export)'],
    ['test/default.ts', 'export default 1;', 'import(no-default-export)'],
  ],
  'a promise is awaited, and nothing is any': [
    ['sidecar/floating.ts', 'Promise.resolve(1);', 'typescript(no-floating-promises)'],
    ['test/floating.ts', 'Promise.resolve(1);', 'typescript(no-floating-promises)'],
    ['common/any.ts', 'export let thing: any;', 'typescript(no-explicit-any)'],
  ],
  'a file and a function stay small enough to read': [
    ['sidecar/long.ts', lines(301), 'eslint(max-lines)'],
    ['test/long.ts', lines(501), 'eslint(max-lines)'],
    ['sidecar/branches.ts', branches(13), 'eslint(complexity)'],
  ],
  'only what a person watches in a terminal prints': [
    ['sidecar/print.ts', "console.log('x');", 'eslint(no-console)'],
    ['test/unit/print.ts', "console.log('x');", 'eslint(no-console)'],
  ],
};

/** Files just inside the rules: without these, a lint that objects to everything would pass the tests above. */
const ALLOWED: Readonly<Record<string, string>> = {
  'common/log.ts': "export { pino } from 'pino';\nexport const there = 1;",
  'common/errors.ts': 'export const there = 1;',
  'common/contract/names.ts': "export { there } from '../errors.ts';",
  'common/files.ts': "export { readFile } from 'node:fs/promises';",
  'operator/there.ts': "export { there } from '../common/contract/names.ts';",
  'operator/nats/there.ts': "export { connect as there } from 'nats';\nexport { createUser } from 'nkeys.js';",
  'operator/plan/there.ts': "export { createHash } from 'node:crypto';\nexport { there } from './observed/there.ts';",
  'sidecar/there.ts': 'export const there = 1;\nexport interface There {}',
  'sidecar/ports.ts': 'export const there = Date.now();',
  'sidecar/kafka/there.ts': "export { Kafka as there } from 'kafkajs';\nexport * from 'kafkajs/src/index.js';",
  'sidecar/nats/there.ts': "export { connect as there } from 'nats';",
  'sidecar/replay/there.ts':
    "import { there } from '../../common/contract/names.ts';\nexport { there as name };\n" +
    'export const at = new Date(there).toISOString();\nexport const parsed = Date.parse(at);',
  'sidecar/session/there.ts': "export { there } from '../ports.ts';\nexport { at } from '../replay/there.ts';",
  'sidecar/session/metrics.ts': "export { Counter } from 'prom-client';",
  'sidecar/long-enough.ts': lines(300),
  'test/long-enough.ts': lines(500),
  'sidecar/branches-enough.ts': branches(12),
  'test/there.ts': "export { Kafka } from 'kafkajs';\nexport { connect as there } from 'nats';",
  'test/kit/servers/print.ts': "console.log('x');",
  'test/bench/print.ts': "console.log('x');",
  'demo/there.ts': "export { there } from '../sidecar/there.ts';\nconsole.log('x');",
};

describe('Folder rules: a file that crosses one breaks the lint', () => {
  let tree: string;
  let found: ReadonlyMap<string, readonly string[]>;

  before('lint a tree of our layout with the very rules of the repository', async () => {
    tree = await mkdtemp(join(tmpdir(), 'lfh-sync-lint-'));
    for (const part of ['oxlint.config.ts', 'lint', 'tsconfig.json', 'package.json']) {
      await cp(join(ROOT, part), join(tree, part), { recursive: true });
    }
    await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
    for (const [path, source] of Object.entries(ALLOWED)) await write(path, source);
    for (const [path, source] of Object.values(CROSSINGS).flat()) await write(path, source);
    found = await lint(tree);
  });

  after(() => rm(tree, { recursive: true, force: true }));

  async function write(path: string, source: string): Promise<void> {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), `${source}\n`);
  }

  for (const [rule, crossings] of Object.entries(CROSSINGS)) {
    it(rule, () => {
      for (const [path, source, expected] of crossings) {
        assert.ok(found.get(path)?.includes(expected), `${path}: ${source}\nfound: ${String(found.get(path))}`);
      }
    });
  }

  it('leaves alone what is allowed', () => {
    assert.deepEqual(
      Object.fromEntries(Object.keys(ALLOWED).flatMap((path) => (found.has(path) ? [[path, found.get(path)]] : []))),
      {},
    );
  });
});

/** What oxlint objects to in a tree: the rules broken, by file. */
function lint(tree: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const oxlint = join(ROOT, 'node_modules', 'oxlint', 'bin', 'oxlint');
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [oxlint, '--type-aware', '--format', 'json'],
      { cwd: tree, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        try {
          const { diagnostics } = JSON.parse(stdout) as { diagnostics: { filename: string; code: string }[] };
          const byFile = Map.groupBy(diagnostics, (diagnostic) => diagnostic.filename);
          resolve(new Map([...byFile].map(([file, those]) => [file, those.map((diagnostic) => diagnostic.code)])));
        } catch (cause) {
          reject(new Error(`oxlint did not run: ${stderr || (error?.message ?? stdout)}`, { cause }));
        }
      },
    );
  });
}

function lines(count: number): string {
  return Array.from({ length: count }, (_, n) => `export const line${n} = ${n};`).join('\n');
}

/** A function of that complexity: one, and one more for each branch. */
function branches(complexity: number): string {
  const cases = Array.from({ length: complexity - 1 }, (_, n) => `  if (n === ${n}) return ${n * 2};`);
  return `export function branches(n: number): number {\n${cases.join('\n')}\n  return n;\n}`;
}

import { posix } from 'node:path';
import type { OxlintOverride } from 'oxlint';

/**
 * Which folder may import which, and which packages. The table in docs/architecture.md is made from this one, and this is the
 * only place where it is enforced. `test/unit/lint/folders.test.ts` shows that each rule holds.
 *
 * Five ideas are in it. Operator and sidecar share `common` and nothing else. Decisions are pure. A client library is known in
 * the one folder that wraps it. Nothing imports upwards. Nothing that ships imports what tests it.
 */

export interface Folder {
  /** Files or folders of ours that its files may import, besides their neighbours; a folder means the files in it. */
  readonly imports?: readonly string[];
  readonly packages?: readonly string[];
  /** Only decisions: no clock, no randomness, no input or output. */
  readonly pure?: true;
}

/** What is pure of `common`: errors, and readers of texts. */
const TEXTS = ['common/contract', 'common/errors.ts', 'common/pem.ts', 'common/server-url.ts'];
const COMMON = ['common', 'common/contract'];
/** What opens connections, and verifies who is at their other end. Every other module of Node may be imported anywhere. */
const SOCKETS = ['node:net', 'node:tls'];

/** The lowest first: each room of a plan may import those that are listed before it. */
const PLAN = ['observed', 'trust', 'nats', 'peers', 'node', 'injection'].map((room) => `operator/plan/${room}`);
const PLAN_ROOMS = Object.fromEntries(
  PLAN.map((folder, n): [string, Folder] => [
    folder,
    { imports: ['operator/api', ...TEXTS, ...PLAN.slice(0, n)], packages: ['js-yaml'], pure: true },
  ]),
);

/** What the stages behind the replay are made with. */
const STAGES = ['sidecar/ports.ts', 'sidecar/running-work.ts', 'sidecar/take-over-again.ts'];

/** What a command decides and how it says it; the lowest first. */
const CLI_DECISIONS: Readonly<Record<string, Folder>> = {
  'cli/text': { pure: true },
  'cli/args': { imports: ['cli/text'], packages: ['node:util'], pure: true },
  'cli/status': { imports: ['cli/text', 'operator/api', 'operator/plan/observed'], pure: true },
  'cli/invitation': {
    imports: ['cli/args', 'cli/status', 'operator/api', ...PLAN, ...TEXTS],
    packages: ['js-yaml'],
    pure: true,
  },
  'cli/change': { imports: ['operator/api', 'operator/plan/observed'], pure: true },
  'cli/setup': { imports: ['operator/plan/observed', 'common/contract'], pure: true },
  'cli/explain': { imports: ['cli/text', 'operator/api', 'common/contract'], pure: true },
  'cli/check/judge': {
    imports: ['common/nats-version.ts', 'operator/api', 'operator/plan/status/fetched.ts', ...TEXTS, ...PLAN],
    pure: true,
  },
};

/** Every folder that ships, the lowest first. `docs/folders.ts` makes the picture and the table of docs/architecture.md from it. */
export const FOLDERS: Readonly<Record<string, Folder>> = {
  common: { imports: ['common/contract'], packages: SOCKETS },
  'common/contract': { imports: ['common/errors.ts', 'common/server-url.ts'] },

  'operator/api': { imports: ['common/contract'] },
  ...PLAN_ROOMS,
  'operator/plan': { imports: ['operator/api', ...TEXTS, ...PLAN], pure: true },
  'operator/plan/status': { imports: ['operator/api', ...TEXTS, ...PLAN, 'operator/plan'], pure: true },
  'operator/cluster': { imports: ['operator/api', ...COMMON] },
  'operator/kube': { imports: ['operator/api', 'operator/cluster', ...COMMON], packages: ['@kubernetes/client-node'] },
  'operator/nats': { imports: ['operator/plan/observed', ...COMMON], packages: ['nats', 'nkeys.js', 'node:net'] },
  'operator/controller': {
    imports: [
      'operator/api',
      'operator/cluster',
      'operator/nats',
      'operator/plan',
      'operator/plan/status',
      ...PLAN,
      ...COMMON,
    ],
  },
  'operator/hooks': {
    imports: [
      'operator/api',
      'operator/cluster',
      'operator/kube',
      'operator/plan',
      ...PLAN,
      ...COMMON,
      'operator/config.ts',
    ],
  },
  'operator/directory': {
    imports: [
      'operator/api',
      'operator/cluster',
      'operator/controller',
      'operator/plan',
      ...PLAN,
      ...COMMON,
      'operator/metrics.ts',
      'crds/read.ts',
    ],
    packages: ['ajv', '@marcbachmann/cel-js', 'js-yaml'],
  },
  operator: { imports: ['operator/api', 'operator/controller', 'operator/kube', ...COMMON] },

  'sidecar/replay/scan': { imports: TEXTS, pure: true },
  'sidecar/replay': { imports: ['sidecar/replay/scan', ...TEXTS], pure: true },
  'sidecar/transmit': { imports: ['sidecar/replay', 'sidecar/replay/scan', ...TEXTS], pure: true },
  'sidecar/kafka/compression': { imports: COMMON, packages: ['kafkajs'] },
  'sidecar/kafka': {
    imports: ['sidecar/kafka/compression', 'sidecar/ports.ts', 'sidecar/replay', 'sidecar/transmit', ...COMMON],
    packages: ['kafkajs', '@node-rs/crc32', ...SOCKETS],
  },
  'sidecar/nats/peer-client': { imports: COMMON, packages: SOCKETS },
  'sidecar/nats': {
    imports: ['sidecar/nats/peer-client', 'sidecar/ports.ts', 'sidecar/replay', ...COMMON],
    packages: ['nats'],
  },
  'sidecar/settings': { imports: ['sidecar/nats/public-key.ts', ...COMMON] },
  'sidecar/session': {
    imports: ['sidecar/ports.ts', 'sidecar/running-work.ts', 'sidecar/replay', 'sidecar/settings', ...COMMON],
  },
  'sidecar/announce': { imports: [...STAGES, ...COMMON] },
  'sidecar/fhir': { imports: [...STAGES, 'sidecar/transmit', 'sidecar/settings', ...COMMON] },
  sidecar: {
    imports: [
      'sidecar/announce',
      'sidecar/fhir',
      'sidecar/kafka',
      'sidecar/nats',
      'sidecar/replay',
      'sidecar/session',
      'sidecar/settings',
      ...COMMON,
    ],
  },

  ...CLI_DECISIONS,
  'cli/io': { imports: ['operator/api', 'operator/cluster', 'operator/kube', 'operator/plan/observed', ...COMMON] },
  'cli/check': {
    imports: [
      'cli/check/judge',
      'operator/api',
      'operator/cluster',
      'operator/controller/concerns.ts',
      'operator/kube',
      ...PLAN,
      ...COMMON,
    ],
    packages: ['js-yaml'],
  },
  'cli/dump': {
    imports: ['cli/check', 'cli/check/judge', 'operator/api', 'operator/kube', ...PLAN, ...COMMON],
    packages: ['js-yaml', 'nanotar'],
  },
  'cli/trace': { imports: ['sidecar/kafka', 'sidecar/settings', ...COMMON] },
  'cli/commands': {
    imports: [
      ...Object.keys(CLI_DECISIONS),
      'cli/io',
      'cli/check',
      'cli/dump',
      'cli/trace',
      'operator/api',
      'operator/directory',
      'operator/kube',
      'operator/metrics.ts',
      'operator/plan/observed',
      ...COMMON,
    ],
    packages: ['js-yaml'],
  },
  cli: { imports: ['cli/args', 'cli/io', 'cli/commands', 'operator/cluster', ...COMMON] },
};

/** Files that differ from their folder. */
export const FILES: Readonly<Record<string, Folder>> = {
  'common/log.ts': { ...FOLDERS.common, packages: ['pino'] },
  'operator/controller/concerns.ts': {
    imports: ['operator/api', 'operator/cluster/formats.ts', 'operator/plan/observed'],
    pure: true,
  },
  'operator/controller/memory.ts': {
    imports: ['operator/plan', 'operator/plan/observed', 'operator/plan/nats', 'operator/plan/status'],
    pure: true,
  },
  'operator/metrics.ts': { packages: ['prom-client'] },
  'sidecar/fhir/metrics.ts': { imports: ['common/contract'], packages: ['prom-client'] },
  'sidecar/announce/metrics.ts': { imports: ['common/contract'], packages: ['prom-client'] },
  'sidecar/ports.ts': { imports: ['sidecar/replay', 'sidecar/transmit', 'common/contract', 'common/errors.ts'] },
  'sidecar/running-work.ts': { imports: ['common'] },
  'sidecar/take-over-again.ts': { imports: ['common', 'sidecar/ports.ts'] },
  'sidecar/session/metrics.ts': { imports: ['common/contract'], packages: ['prom-client'] },
};

const PURE_CRYPTO = [
  {
    name: 'node:crypto',
    allowImportNames: ['createHash', 'X509Certificate'],
    message: 'Decisions are pure: a hash and a certificate are, randomness is not.',
  },
];

const PURE_RULES: NonNullable<OxlintOverride['rules']> = {
  'no-restricted-globals': [
    'error',
    ...[
      'crypto',
      'fetch',
      'global',
      'globalThis',
      'performance',
      'process',
      'queueMicrotask',
      'setImmediate',
      'setInterval',
      'setTimeout',
    ].map((name) => ({
      name,
      message: 'Decisions are pure: no clock, randomness, input or output; they are given what they need.',
    })),
  ],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: 'Decisions are pure: the time is given to them.' },
    { object: 'Math', property: 'random', message: 'Decisions are pure: no randomness.' },
  ],
  'lfh-sync/no-clock': 'error',
};

/** The overrides for oxlint. A later one replaces an earlier one whole, so that what is said of a file counts. */
export const FOLDER_RULES: OxlintOverride[] = [
  ...Object.entries(FOLDERS).map(([folder, rules]) => overrideOf(folder, `${folder}/*.ts`, rules)),
  ...Object.entries(FILES).map(([file, rules]) => overrideOf(posix.dirname(file), file, rules)),
  {
    files: ['charts/**', 'crds/**', 'docs/**', 'image/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ group: ['**/test/**', '**/demo/**'], message: 'Nothing that ships imports what tests it.' }] },
      ],
    },
  },
];

function overrideOf(folder: string, files: string, { imports = [], packages = [], pure }: Folder): OxlintOverride {
  // One list that bans everything and then allows some: a package that is new here is banned until a folder wraps it.
  const group = [
    '*',
    ...(pure ? ['!node:buffer', '!node:crypto'] : ['!node:*', '!node:*/**', ...SOCKETS]),
    '!./*.ts',
    ...imports.map((target) => `!${specifier(folder, target)}`),
    ...packages.flatMap((name) => [
      `!${name}`,
      `!${name}/**`,
      ...(name.includes('/') ? [`!${posix.dirname(name)}`] : []),
    ]),
  ];
  const allowed = [...imports, ...packages].join(', ') || 'nothing';
  const message = `${folder} may import: its own files, ${allowed}. See lint/folders.ts.`;
  const patterns = [{ group, message }];
  return {
    files: [files],
    rules: pure
      ? { 'no-restricted-imports': ['error', { paths: PURE_CRYPTO, patterns }], ...PURE_RULES }
      : { 'no-restricted-imports': ['error', { patterns }] },
  };
}

/** How a file in a folder writes the import of another file or folder. */
function specifier(folder: string, target: string): string {
  const path = posix.relative(folder, target);
  const relative = path.startsWith('.') ? path : `./${path}`;
  return target.endsWith('.ts') ? relative : `${relative === '' ? '.' : relative.replace(/\/$/, '')}/*.ts`;
}

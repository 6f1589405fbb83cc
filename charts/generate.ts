import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { markdownTable, wrapped } from '../docs/markdown.ts';
import { valuesSchema } from './values-schema.ts';
import { documentedValues } from './values-table.ts';

/** Writes the files of the chart that are made from other files: `make docs`. A unit test fails when one differs. */

const CHART = join(import.meta.dirname, 'lfh-sync');
const CRDS = ['lfhsyncnodes.yaml', 'lfhsyncpeers.yaml'];

/** Every generated file of the chart, by its path in it. */
export async function chartFiles(): Promise<Readonly<Record<string, string>>> {
  const values = await readFile(join(CHART, 'values.yaml'), 'utf8');
  // Copies, since a chart cannot read files outside of it, and Helm warns about every symbolic link.
  const crds = CRDS.map(async (name) => [
    `files/crds/${name}`,
    `# A copy of crds/${name}, made by \`make docs\`; a test fails when it differs.\n${await readFile(join(CHART, '..', '..', 'crds', name), 'utf8')}`,
  ]);
  return {
    'values.schema.json': `${JSON.stringify(valuesSchema(), undefined, 2)}\n`,
    'README.md': readme(values),
    ...(Object.fromEntries(await Promise.all(crds)) as Record<string, string>),
  };
}

function readme(values: string): string {
  const rows = documentedValues(values).map(({ path, meaning, fallback }) => [
    `\`${path}\``,
    `\`${JSON.stringify(fallback)}\``,
    meaning,
  ]);
  return (
    [
      '# lfh-sync',
      '<!-- Made by `make docs` from values.yaml; a test fails when it differs. -->',
      'Keeps [LinuxForHealth *connect*](https://github.com/LinuxForHealth/connect) nodes in sync: an operator sets up keys, trust and access on ' +
        'NATS from one resource per peer, and a sidecar beside each connect replays what the peers took in into the local Kafka, exactly once.',
      'In this tree: `docs/quick-start.md`, `docs/install.md` (three ways, with files to copy), `docs/operator.md` (peering, deleting), `docs/operations.md` (what to do ' +
        'when, keys, backups), `docs/security.md`, `docs/api.md` (every field and condition), `docs/alerts.md`.',
      '```\nhelm install lfh-sync charts/lfh-sync -n lfh --create-namespace -f values.yaml\nhelm test lfh-sync -n lfh\nhelm uninstall lfh-sync -n lfh    # keeps the keys, the peers and the CRDs\n```',
      'Tried with Helm 4.3.1.',
      '## Values',
      markdownTable(['value', 'default', 'meaning'], rows),
      '',
    ]
      .map(wrapped)
      .join('\n\n')
      .trimEnd() + '\n'
  );
}

if (import.meta.main) {
  for (const [name, content] of Object.entries(await chartFiles())) {
    const path = join(CHART, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}

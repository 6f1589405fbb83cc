import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { chartFiles } from '../../../charts/generate.ts';
import { documentedValues } from '../../../charts/values-table.ts';
import { ANNOUNCE_METRICS } from '../../../common/contract/announce-metric-names.ts';
import { METRICS } from '../../../common/contract/metric-names.ts';
import { TRANSMIT_METRICS } from '../../../common/contract/transmit-metric-names.ts';
import { createMetrics } from '../../../operator/metrics.ts';

const TREE = join(import.meta.dirname, '..', '..', '..');
const CHART = join(TREE, 'charts', 'lfh-sync');

function read(...path: string[]): string {
  return readFileSync(join(CHART, ...path), 'utf8');
}

interface Alert {
  readonly alert: string;
  readonly expr: string;
}

describe('the chart', () => {
  it('is up to date with the files that parts of it are made from (make docs)', async () => {
    for (const [name, content] of Object.entries(await chartFiles())) assert.equal(read(name), content, name);
  });

  it('has a copy of every CRD', () => {
    const crds = readdirSync(join(TREE, 'crds')).filter((name) => name.endsWith('.yaml'));
    assert.deepEqual(readdirSync(join(CHART, 'files', 'crds')).sort(), crds.sort());
  });

  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(TREE, 'package.json'), 'utf8')) as { version: string };
    const { version: chart, appVersion } = load(read('Chart.yaml')) as { version: string; appVersion: string };
    assert.deepEqual([chart, appVersion], [version, version]);
  });

  it('documents every value, and every value that its templates use', () => {
    const values = read('values.yaml');
    const documented = new Set(documentedValues(values).map(({ path }) => path));
    for (const path of leaves(values)) assert.ok(documented.has(path), `values.yaml: ${path} has no comment with # --`);
    const templates = readdirSync(join(CHART, 'templates')).filter((name) => /\.(?:yaml|tpl|txt)$/.test(name));
    const used = templates.flatMap((name) => [...read('templates', name).matchAll(/\.Values\.([A-Za-z.]+)/g)]);
    const known = [...documented];
    for (const [, path = ''] of used) {
      assert.ok(
        known.some((each) => each === path || each.startsWith(`${path}.`)),
        `a template uses ${path}, which values.yaml does not have`,
      );
    }
  });

  describe('for Prometheus', () => {
    /** Every series that can exist; a histogram has three. */
    async function series(): Promise<ReadonlySet<string>> {
      const operator = await createMetrics('1.2.3').text();
      const all = [METRICS, ANNOUNCE_METRICS, TRANSMIT_METRICS].flatMap((each) => Object.values(each));
      const sidecar = all.map(({ name, type }) => `# TYPE ${name} ${type}`);
      const types = [...`${operator}\n${sidecar.join('\n')}`.matchAll(/^# TYPE (lfh_sync_\w+) (\w+)$/gm)];
      return new Set(
        types.flatMap(([, name = '', type]) =>
          type === 'histogram' ? ['_bucket', '_sum', '_count'].map((ending) => name + ending) : [name],
        ),
      );
    }

    function alerts(): readonly Alert[] {
      return load(read('files', 'alerts.yaml')) as Alert[];
    }

    for (const file of ['alerts.yaml', 'dashboard.json']) {
      it(`names only series that exist in ${file}`, async () => {
        const known = await series();
        const named = new Set(read('files', file).match(/\blfh_sync_\w+/g));
        assert.ok(named.size > 4);
        for (const name of named) assert.ok(known.has(name), `${file}: there is no ${name}`);
      });
    }

    it('has the same alerts as docs/alerts.md', () => {
      const page = readFileSync(join(TREE, 'docs', 'alerts.md'), 'utf8');
      const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
      assert.deepEqual(
        headings,
        alerts().map(({ alert }) => alert),
      );
    });
  });
});

/** Paths of all values but groups of values that are documented by themselves. */
function leaves(text: string): readonly string[] {
  const documented = new Set(documentedValues(text).map(({ path }) => path));
  const walk = (value: unknown, path: string): string[] => {
    const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value) && !documented.has(path);
    if (!isGroup) return [path];
    return Object.entries(value).flatMap(([name, inner]) => walk(inner, path === '' ? name : `${path}.${name}`));
  };
  return walk(load(text), '');
}

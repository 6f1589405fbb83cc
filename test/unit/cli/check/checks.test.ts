import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { CHECK_IDS, CHECKS } from '../../../../cli/check/judge/checks.ts';
import { CREATED } from '../../../../cli/check/rights.ts';
import { type ChartValues, readWanted, repositoryOf } from '../../../../cli/check/values.ts';

const CHART = join(import.meta.dirname, '..', '..', '..', '..', 'charts', 'lfh-sync');

function templates(): string {
  return globSync('templates/**/*.{yaml,tpl}', { cwd: CHART })
    .map((file) => readFileSync(join(CHART, file), 'utf8'))
    .join('\n');
}

const NODE = { nats: { servers: ['tls://nats:4222'] }, kafka: { brokers: ['kafka:9092'] } };

describe('the table of checks', () => {
  it('has ids that are anchors of a page', () => {
    for (const id of CHECK_IDS) assert.match(id, /^[a-z]+(-[a-z]+)*$/);
  });

  it('says of each what holds, and what to do where it does not', () => {
    for (const { holds, hint } of Object.values(CHECKS)) {
      assert.match(holds, /^.*\.$/s);
      assert.ok(hint.length > 40, hint);
    }
  });
});

describe('what the chart creates', () => {
  it('is what `check --pre` asks for the right to create', () => {
    const made = new Set([...templates().matchAll(/^kind: (\w+)$/gm)].map(([, kind = '']) => kind));
    // Templates that are filled in: a binding of each kind of role, and the CRDs, which are files.
    const more = ['RoleBinding', 'ClusterRoleBinding', 'CustomResourceDefinition'];
    assert.deepEqual(new Set(CREATED.map(({ kind }) => kind)), new Set([...made, ...more]));
  });

  it('depends on the values by the names and defaults that the chart has', () => {
    const values = load(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as ChartValues;
    const withDefaults = CREATED.filter(({ when }) => when?.(values) ?? true).map(({ kind }) => kind);
    const withNothing = CREATED.filter(({ when }) => when === undefined || when({}) === true).map(({ kind }) => kind);
    assert.deepEqual(withNothing, withDefaults);
    assert.equal(repositoryOf({}), values.image?.repository);
    const { monitoring, all } = {
      monitoring: CREATED.filter(({ group }) => group === 'monitoring.coreos.com'),
      all: { serviceMonitor: { enabled: true }, podMonitor: { enabled: true }, prometheusRule: { enabled: true } },
    };
    for (const name of Object.keys(all))
      assert.ok(name in (values.metrics ?? {}), `values.yaml has no metrics.${name}`);
    assert.ok(monitoring.every(({ when }) => when?.({ metrics: all }) === true && when({}) !== true));
  });
});

describe('what is to be installed', () => {
  it('is read from values, and from a manifest among others', () => {
    assert.equal(readWanted(JSON.stringify({ node: NODE }), 'f').node.metadata.name, 'local');
    const manifest = `kind: Service\n---\nkind: LfhSyncNode\nmetadata: { name: site }\nspec: ${JSON.stringify(NODE)}\n`;
    const { node, values } = readWanted(manifest, 'f');
    assert.deepEqual([node.metadata.name, values], ['site', undefined]);
  });

  it('is refused without a node or its addresses, in a message that quotes nothing', () => {
    const refused: [string, RegExp][] = [
      ['a: [', /is not YAML/],
      ['', /expected an LfhSyncNode, or values/],
      ['password: correct-horse', /expected an LfhSyncNode, or values/],
      ['node: {}', /expected an LfhSyncNode, or values/],
      ['node: { nats: { servers: correct-horse } }', /nats\.servers and kafka\.brokers/],
    ];
    for (const [text, says] of refused) {
      assert.throws(
        () => readWanted(text, 'values.yaml'),
        (error: Error) => {
          assert.match(error.message, says);
          return !error.message.includes('correct-horse');
        },
      );
    }
  });
});

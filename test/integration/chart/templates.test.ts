import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { checkRules, rulesProgram } from '../../kit/build/prometheus-rules.ts';
import { Helm, type Manifest } from '../../kit/servers/helm.ts';
import { operatorRules } from '../../kit/sites/operator-rights.ts';

const CHART = join(import.meta.dirname, '..', '..', '..', 'charts', 'lfh-sync');

interface Container {
  readonly image: string;
  readonly command: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly securityContext: object;
  readonly [field: string]: unknown;
}

interface Workload extends Manifest {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly [Container] } } };
}

interface Role extends Manifest {
  readonly rules: readonly {
    readonly resourceNames?: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

const NODE = {
  lfhId: 'hospital-a',
  connect: { workloadRef: { name: 'connect' } },
  nats: { servers: ['tls://nats:4333'], workloadRef: { name: 'nats' } },
  kafka: { brokers: ['kafka:9092'] },
};

describe('the templates of the chart', function () {
  this.timeout(240_000);
  let directory: string;
  let helm: Helm;

  before(async function () {
    this.timeout(600_000);
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-helm-'));
    helm = await Helm.in(directory);
    await rulesProgram();
  });

  after(() => rm(directory, { recursive: true }));

  const rendered = (values: object = {}): Promise<readonly Manifest[]> => helm.template('sync', 'lfh', values);

  async function one<Value extends Manifest>(kind: string, name: string, values: object = {}): Promise<Value> {
    const found = (await rendered(values)).find((each) => each.kind === kind && each.metadata.name === name);
    assert.ok(found, `no ${kind} ${name}`);
    return found as Value;
  }

  async function container(values: object = {}): Promise<Container> {
    return (await one<Workload>('Deployment', 'sync-lfh-sync', values)).spec.template.spec.containers[0];
  }

  it('satisfy helm lint --strict with the defaults and with every values file of ci/', async () => {
    const files = (await readdir(join(CHART, 'ci'))).map((file) => ['-f', join(CHART, 'ci', file)]);
    assert.ok(files.length > 3);
    for (const values of [[], ...files]) await helm.run(['lint', '--strict', CHART, ...values]);
  });

  describe('refuse values that', () => {
    const refused = (values: object, message: RegExp): Promise<void> => assert.rejects(rendered(values), message);

    it('are unknown, by their name', async () => {
      await refused({ replica: 2 }, /additional properties 'replica' not allowed/);
      await refused({ node: { ...NODE, lfhID: 'a' } }, /at '\/node': additional properties 'lfhID' not allowed/);
      await refused({ networkPolicy: { enable: false } }, /at '\/networkPolicy': additional properties 'enable'/);
    });

    it('have another shape, and say what is expected', async () => {
      await refused({ node: { lfhId: 'a' } }, /at '\/node': missing properties 'nats', 'kafka'/);
      await refused({ node: { ...NODE, lfhId: 5 } }, /at '\/node\/lfhId': got number, want string/);
      await refused({ node: { ...NODE, nats: { servers: [] } } }, /at '\/node\/nats\/servers': minItems/);
      await refused({ logLevel: 'loud' }, /at '\/logLevel': value must be one of 'trace', 'debug'/);
      await refused({ replicas: 'two' }, /at '\/replicas': got string, want integer/);
      await refused({ image: { digest: 'abc' } }, /at '\/image\/digest': 'abc' does not match pattern/);
      await refused({ watch: { namespaces: ['A_b'] } }, /at '\/watch\/namespaces\/0': 'A_b' does not match/);
      await refused({ networkPolicy: { natsPorts: [99_999] } }, /at '\/networkPolicy\/natsPorts\/0': maximum/);
    });

    it('would have every pod of a namespace scraped', () =>
      refused({ metrics: { podMonitor: { enabled: true } } }, /metrics\.podMonitor\.selector: set it to the labels/));
  });

  describe('make an operator that', () => {
    it('runs as restricted as a pod can, with nothing to write to', async () => {
      const { spec } = (await one<Workload>('Deployment', 'sync-lfh-sync')).spec.template;
      assert.deepEqual((spec as { securityContext?: object }).securityContext, {
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      assert.deepEqual(spec.containers[0].securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    });

    it('knows its namespace, the namespaces it watches, and the image of its sidecars', async () => {
      const { env, command } = await container({ node: NODE, watch: { namespaces: ['other'] }, image: { tag: '9' } });
      assert.deepEqual(command, ['node', '/app/operator/main.js']);
      const fieldRef = (fieldPath: string): object => ({ valueFrom: { fieldRef: { fieldPath } } });
      assert.deepEqual(env, [
        { name: 'POD_NAMESPACE', ...fieldRef('metadata.namespace') },
        { name: 'POD_NAME', ...fieldRef('metadata.name') },
        { name: 'LFH_SYNC_NAMESPACES', value: '["lfh","other"]' },
        { name: 'LFH_SYNC_IMAGE', value: 'lfh-sync:9' },
        { name: 'LFH_SYNC_LOG_LEVEL', value: 'info' },
      ]);
    });

    it('watches the namespaces that are named, and its own where it has a node or none is named', async () => {
      const namespaces = async (values: object): Promise<unknown> =>
        (await container(values)).env.find(({ name }) => name === 'LFH_SYNC_NAMESPACES')?.value;
      assert.equal(await namespaces({}), '["lfh"]');
      assert.equal(await namespaces({ watch: { namespaces: ['a', 'b', 'a'] } }), '["a","b"]');
      assert.equal(await namespaces({ node: NODE, watch: { namespaces: ['a', 'lfh'] } }), '["lfh","a"]');
      const { env } = await container({ watch: { allNamespaces: true } });
      assert.ok(env.some(({ name, value }) => name === 'LFH_SYNC_ALL_NAMESPACES' && value === 'true'));
      assert.ok(!env.some(({ name }) => name === 'LFH_SYNC_NAMESPACES'));
    });

    it('has one image everywhere, by digest where one is given', async () => {
      const digest = `sha256:${'0'.repeat(64)}`;
      const objects = await rendered({ node: NODE, image: { repository: 'registry/lfh-sync', tag: '1', digest } });
      const images = JSON.stringify(objects).match(/"image":"[^"]*"/g);
      assert.equal(images?.length, 4);
      assert.deepEqual([...new Set(images)], [`"image":"registry/lfh-sync@${digest}"`]);
    });
  });

  describe('make rights that', () => {
    it('are exactly those that the operator is tested with', async () => {
      const rules = await operatorRules();
      assert.deepEqual((await one<Role>('Role', 'sync-lfh-sync', { node: NODE })).rules, rules.own);
      assert.deepEqual((await one<Role>('Role', 'sync-lfh-sync-watched', { node: NODE })).rules, rules.watched);
    });

    it('are more, or less, where the values say so', async () => {
      const verbsOf = async (resource: string, rbac: object): Promise<string> => {
        const { rules } = await one<Role>('Role', 'sync-lfh-sync-watched', { node: NODE, rbac });
        const found = rules.filter(({ resources, resourceNames }) => resources.includes(resource) && !resourceNames);
        return found.flatMap(({ verbs }) => verbs).join();
      };
      assert.equal(await verbsOf('secrets', {}), 'get,list,watch');
      assert.equal(await verbsOf('secrets', { createSecrets: true }), 'get,list,watch,create');
      assert.equal(await verbsOf('pods', {}), 'list,patch');
      assert.equal(await verbsOf('pods', { nudgePods: false }), 'list');
    });

    it('are one Role and one RoleBinding in each watched namespace', async () => {
      const objects = await rendered({ watch: { namespaces: ['a', 'b'] } });
      const found = objects
        .filter(({ kind }) => /Role/.test(kind))
        .map(({ kind, metadata }) => `${kind} ${metadata.namespace}`);
      const expected = 'Role a,Role b,Role lfh,Role lfh,RoleBinding a,RoleBinding b,RoleBinding lfh,RoleBinding lfh';
      assert.equal(found.sort().join(), expected);
      assert.ok(!objects.some(({ kind }) => kind.startsWith('ClusterRole')));
    });

    it('are a ClusterRole with the same rules where all namespaces are watched', async () => {
      const values = { watch: { allNamespaces: true, names: { connect: ['connect'], nats: ['nats'] } } };
      const { rules } = await one<Role>('ClusterRole', 'lfh-sync-lfh-sync', values);
      assert.deepEqual(rules, (await operatorRules()).watched);
    });

    it('include every name that is known, and omit a rule for names when none is known', async () => {
      const watched = (values: object): Promise<Role> => one<Role>('Role', 'sync-lfh-sync-watched', values);
      const named = (role: Role): string[] => role.rules.flatMap(({ resourceNames = [] }) => resourceNames);
      const more = named(
        await watched({ node: NODE, watch: { names: { nodes: ['second'], connect: ['x'], nats: ['y'] } } }),
      );
      for (const name of ['local-nats', 'second-nats', 'second-nkey', 'connect', 'x', 'nats', 'y']) {
        assert.ok(more.includes(name), name);
      }
      const none = await watched({});
      assert.ok(!named(none).includes(''));
      const { rules } = none;
      assert.equal(rules.length, (await operatorRules()).watched.length - 1);
      for (const { resourceNames } of rules) assert.notEqual(resourceNames?.length, 0);
    });

    it('belong to a service account of their own, not to the default one', async () => {
      const serviceAccount = { create: false };
      for (const name of ['', 'default']) {
        const given = rendered({ serviceAccount: { ...serviceAccount, name } });
        await assert.rejects(given, /serviceAccount\.name: set it to a service account that only the operator uses/);
      }
      const own = await rendered({ serviceAccount: { ...serviceAccount, name: 'mine' } });
      assert.ok(JSON.stringify(own).includes('{"kind":"ServiceAccount","name":"mine","namespace":"lfh"}'));
      await rendered({ serviceAccount, rbac: { create: false } });
    });

    it('are omitted where somebody else makes them', async () => {
      const objects = await rendered({ rbac: { create: false } });
      assert.ok(!objects.some(({ kind }) => /Role/.test(kind)));
    });
  });

  it('make an empty Secret for the key of each node that is known, which is kept and never has anything in it', async () => {
    const secrets = async (values: object): Promise<string[]> => {
      const found = (await rendered(values)).filter(({ kind }) => kind === 'Secret');
      for (const { metadata, type, apiVersion, kind, ...others } of found) {
        assert.deepEqual([apiVersion, kind, type, others], ['v1', 'Secret', 'Opaque', {}]);
        assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep');
        assert.match(metadata.annotations['argocd.argoproj.io/sync-options'] ?? '', /Prune=false,Delete=false/);
      }
      return found.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
    };
    assert.deepEqual(await secrets({ node: NODE }), ['lfh/local-nkey']);
    assert.deepEqual(await secrets({}), ['lfh/local-nkey']);
    const watch = { namespaces: ['a', 'b'], names: { nodes: ['second'] } };
    const inEach = ['a/local-nkey', 'a/second-nkey', 'b/local-nkey', 'b/second-nkey'];
    assert.deepEqual(await secrets({ watch }), inEach);
    assert.deepEqual(await secrets({ watch: { ...watch, allNamespaces: true } }), inEach);
    assert.deepEqual(await secrets({ watch: { allNamespaces: true } }), []);
    assert.deepEqual(await secrets({ node: NODE, watch: { allNamespaces: true } }), ['lfh/local-nkey']);
  });

  it('have the CRDs of the tree, and keep them unless the values say otherwise', async () => {
    const name = 'lfhsyncnodes.sync.linuxforhealth.io';
    const original = load(await readFile(join(CHART, '..', '..', 'crds', 'lfhsyncnodes.yaml'), 'utf8'));
    const kept = await one('CustomResourceDefinition', name);
    assert.deepEqual(kept.spec, (original as Manifest).spec);
    assert.deepEqual(kept.metadata.annotations, { 'helm.sh/resource-policy': 'keep' });
    assert.equal(
      (await one('CustomResourceDefinition', name, { crds: { keep: false } })).metadata.annotations,
      undefined,
    );
    const without = await rendered({ crds: { enabled: false } });
    assert.ok(!without.some(({ kind }) => kind === 'CustomResourceDefinition'));
  });

  it('make no node without a spec, and still delete one that an earlier release made', async () => {
    const names = (await rendered()).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    assert.ok(names.includes('Job sync-lfh-sync-uninstall'));
    assert.ok(!names.some((name) => name.includes('apply-node') || name === 'ConfigMap sync-lfh-sync-node'));
  });

  it('let the Jobs delete peers only where the values ask for it', async () => {
    const peers = async (values: object): Promise<unknown> =>
      (await one<Role>('Role', 'sync-lfh-sync-hooks', values)).rules.find(({ resources }) =>
        resources.includes('lfhsyncpeers'),
      );
    assert.equal(await peers({}), undefined);
    assert.ok(JSON.stringify(await peers({ uninstall: { deletePeers: true } })).includes('delete'));
  });

  it('open the ports that the values name, and no others', async () => {
    const policy = await one('NetworkPolicy', 'sync-lfh-sync-operator', {
      node: NODE,
      networkPolicy: { natsPorts: [4222, 4333] },
    });
    const { egress, ingress } = policy.spec as { egress: readonly { ports: unknown }[]; ingress: readonly object[] };
    assert.deepEqual(egress, [{ ports: [4222, 4333].map((port) => ({ port, protocol: 'TCP' })) }]);
    assert.deepEqual(ingress, [{ ports: [{ port: 9878, protocol: 'TCP' }] }]);
  });

  it('let every pod reach DNS and the API server, also on OpenShift and MicroK8s', async () => {
    const { spec } = await one('NetworkPolicy', 'sync-lfh-sync');
    const { egress } = spec as {
      egress: readonly { to?: object; ports: readonly { port: number; protocol: string }[] }[];
    };
    const [names, api] = egress.map(({ ports }) => ports.map(({ port, protocol }) => `${port}/${protocol}`));
    assert.deepEqual(names, ['53/UDP', '53/TCP', '5353/UDP', '5353/TCP']);
    assert.deepEqual(api, ['443/TCP', '6443/TCP', '8443/TCP', '16443/TCP']);
  });

  it('fill in the alerts and link each to its text', async () => {
    const runbooks = 'https://wiki.example.org/alerts.md';
    const days = { certificateWarningDays: 21, certificateCriticalDays: 3, rotationDays: 14 };
    const prometheusRule = { enabled: true, lagMessages: 250_000_000, runbooks, ...days };
    const { spec } = await one('PrometheusRule', 'sync-lfh-sync', { metrics: { prometheusRule } });
    const { rules } = (spec as { groups: { rules: Record<string, unknown>[] }[] }).groups[0] ?? { rules: [] };
    const lagging = rules.find(({ alert }) => alert === 'LfhSyncLagging') ?? {};
    assert.equal(lagging.expr, 'max by (namespace, peer) (lfh_sync_lag) > 250000000');
    assert.match(JSON.stringify(lagging), /https:\/\/wiki\.example\.org\/alerts\.md#lfhsynclagging/);
    assert.ok(!/<[a-z]+>/.test(JSON.stringify(rules)), 'a placeholder is left');
    const ends = rules.map(({ expr }) => / 86400 (.*)$/.exec(String(expr))?.[1]).filter((end) => end !== undefined);
    assert.deepEqual(ends, ['< 21 >= 3', '< 3', '> 14']);
  });

  it('make an alert for a missing sidecar, which has no series of its own, that lasts as long as one may be gone', async () => {
    const { spec } = await one('PrometheusRule', 'sync-lfh-sync', { metrics: { prometheusRule: { enabled: true } } });
    const { rules } = (spec as { groups: { rules: Record<string, string>[] }[] }).groups[0] ?? { rules: [] };
    const expressions = rules.filter(({ expr }) => expr?.includes(' unless ')).map(({ expr }) => expr);
    const before = 'group by (namespace) (last_over_time(lfh_sync_peer_connected[1d]))';
    assert.deepEqual(expressions, [`${before} unless group by (namespace) (lfh_sync_build_info)`]);
  });

  it('make alerts and a dashboard that Prometheus understands', async () => {
    const metrics = { prometheusRule: { enabled: true }, dashboard: { enabled: true } };
    const { spec } = await one('PrometheusRule', 'sync-lfh-sync', { metrics });
    await checkRules((spec as { groups: { rules: object[] }[] }).groups[0]?.rules ?? []);
    const { data } = await one('ConfigMap', 'sync-lfh-sync-dashboard', { metrics });
    const dashboard = JSON.parse((data as Record<string, string>)['lfh-sync.json'] ?? '') as {
      panels: { targets: { expr: string }[] }[];
    };
    const shown = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    assert.ok(shown.length > 10);
    // As Grafana fills it in.
    const filled = shown.map((expr) => expr.replaceAll('$__rate_interval', '1m'));
    await checkRules(filled.map((expr, index) => ({ record: `panel:${index}`, expr })));
    await assert.rejects(checkRules([{ alert: 'Broken', expr: 'sum by (peer' }]), /"Broken": could not parse/);
    await assert.rejects(
      checkRules([{ alert: 'Broken', expr: '1', annotations: { summary: '{{ $label }}' } }]),
      /\$label/,
    );
  });

  it('say what to do next in the notes', async () => {
    const notes = async (values: object): Promise<string> => {
      const args = ['install', 'sync', CHART, '-n', 'lfh', '--dry-run=client', '-f', '-'];
      return (await helm.run(args, JSON.stringify(values))).split('NOTES:')[1] ?? '';
    };
    assert.match(await notes({ node: NODE }), /local-invitation[\s\S]*kubectl get lfhpeer[\s\S]*names no server/);
    // Under one name somebody would apply their own.
    assert.match(await notes({ node: NODE }), /> our-invitation\.yaml\n.* -f their-invitation\.yaml/);
    assert.match(await notes({}), /has no node to reconcile yet/);
  });

  it('are all that a package contains', async () => {
    const printed = await helm.run(['package', CHART, '-d', directory]);
    const archive = /saved it to: (.*)$/m.exec(printed)?.[1] ?? '';
    assert.match(await helm.run(['show', 'values', archive]), /^node: \{\}$/m);
    assert.match(await helm.run(['template', 'x', archive]), /lfhsyncpeers\.sync\.linuxforhealth\.io/);
  });
});

import assert from 'node:assert/strict';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load, loadAll } from 'js-yaml';
import { type ConfigMap, KINDS, type KubeObject, type Secret } from '../../../operator/api/objects.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../../operator/api/types.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { prometheusCrds } from '../../kit/build/prometheus-crds.ts';
import { JobStandIn } from '../../kit/processes/job-stand-in.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { ServerProcess, until } from '../../kit/processes/process.ts';
import { ControlPlane } from '../../kit/servers/control-plane.ts';
import { Helm, type Manifest } from '../../kit/servers/helm.ts';

const CHART = join(import.meta.dirname, '..', '..', '..', 'charts', 'lfh-sync');
const NODE = {
  lfhId: 'hospital-a',
  connect: { workloadRef: { name: 'connect' } },
  nats: {
    servers: ['tls://nats:4222'],
    advertise: ['tls://192.168.1.200:4222'],
    workloadRef: { name: 'nats' },
  },
  kafka: { brokers: ['kafka:9092'] },
};
const PEER = {
  apiVersion: 'sync.linuxforhealth.io/v1alpha1',
  kind: 'LfhSyncPeer',
  metadata: { name: 'hospital-b' },
  spec: { lfhId: 'hospital-b', publicKeys: [makeKey().publicKey] },
};

/** A pod template, or a pod. */
interface Pod {
  readonly metadata?: { readonly labels?: object };
  readonly spec: object;
}

describe('the chart on a real API server', function () {
  this.timeout(300_000);
  let plane: ControlPlane;
  let helm: Helm;

  before(async function () {
    this.timeout(1_200_000);
    // Its own, since the CRDs of the shared one are not Helm's.
    plane = await ControlPlane.start();
    helm = await Helm.in(join(plane.directory, 'helm'), plane.kubeconfigFile);
  });

  after(() => plane?.stop());

  const get = <Value extends KubeObject>(kind: (typeof KINDS)[keyof typeof KINDS], namespace: string, name: string) =>
    plane.api.get<Value>(kind, namespace, name);

  async function has(resource: string, name: string): Promise<boolean> {
    const { stdout } = await plane.kubectl(['get', resource, name, '--ignore-not-found', '-o', 'name']);
    return stdout !== '';
  }

  describe('renders manifests that', () => {
    let values: readonly (readonly [name: string, objects: readonly Manifest[]])[];

    before(async () => {
      const files = await readdir(join(CHART, 'ci'));
      await plane.installCrds(await prometheusCrds());
      await plane.installCrds();
      for (const namespace of ['lfh', 'other']) await plane.kubectl(['create', 'namespace', namespace]);
      const texts = await Promise.all(
        files.map(async (file) => [file, await readFile(join(CHART, 'ci', file), 'utf8')] as const),
      );
      const examples = join(CHART, '..', '..', 'docs', 'examples');
      for (const name of ['new-site', 'official-chart', 'connect-manifests']) {
        texts.push([`docs/examples/${name}`, await readFile(join(examples, name, 'values.yaml'), 'utf8')]);
      }
      values = await Promise.all(
        texts.map(async ([name, text]) => {
          return [name, await helm.template('sync', 'lfh', load(text) as object)] as const;
        }),
      );
    });

    after(() =>
      plane.kubectl(['delete', 'crd', 'lfhsyncnodes.sync.linuxforhealth.io', 'lfhsyncpeers.sync.linuxforhealth.io']),
    );

    it('strict validation accepts with every values file of ci/ and of docs/examples/', async () => {
      for (const [name, objects] of values) {
        const apply = [
          'apply',
          '--server-side',
          '--force-conflicts',
          '--dry-run=server',
          '--validate=strict',
          '-f',
          '-',
        ];
        const text = objects.map((object) => JSON.stringify(object)).join('\n---\n');
        const { stdout, stderr } = await plane.kubectl(apply, text);
        assert.equal(stdout.trim().split('\n').length, objects.length, name);
        assert.doesNotMatch(stderr, /unknown|unrecognized/i, name);
      }
    });

    it('strict validation would refuse if a field were unknown', async () => {
      const [, objects = []] = values[0] ?? [];
      const deployment = objects.find(({ kind }) => kind === 'Deployment') as Manifest & { spec: object };
      const wrong = { ...deployment, spec: { ...deployment.spec, replica: 1 } };
      const apply = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'];
      await assert.rejects(plane.kubectl(apply, JSON.stringify(wrong)), /replica/);
    });

    it('make an LfhSyncNode that the API server accepts', async () => {
      const objects = values.flatMap(([, each]) => each);
      const nodes = objects.filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.endsWith('-node'));
      assert.equal(nodes.length, 5);
      for (const { data } of nodes) {
        const text = (data as Record<string, string>)['node.json'] ?? '';
        await plane.kubectl(['create', '-n', 'lfh', '--dry-run=server', '--validate=strict', '-f', '-'], text);
      }
    });

    it('make pods that Pod Security admits in a restricted namespace', async () => {
      const label = 'pod-security.kubernetes.io/enforce=restricted';
      const namespace = await plane.createNamespace('restricted');
      await plane.kubectl(['label', 'namespace', namespace, label]);
      const admit = (name: string, { metadata, spec }: Pod): Promise<unknown> => {
        const bare = { ...spec, serviceAccountName: 'default', priorityClassName: undefined };
        const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: metadata?.labels }, spec: bare };
        return plane.kubectl(['create', '-n', namespace, '--dry-run=server', '-f', '-'], JSON.stringify(pod));
      };
      const [, objects = []] = values.find(([name]) => name.startsWith('everything')) ?? [];
      const pods = objects.flatMap((object): Pod[] => {
        if (object.kind === 'Pod') return [object as unknown as Pod];
        return ['Deployment', 'Job'].includes(object.kind)
          ? [(object as unknown as { spec: { template: Pod } }).spec.template]
          : [];
      });
      assert.equal(pods.length, 4);
      for (const [index, pod] of pods.entries()) await admit(`pod-${index}`, pod);
      const open = { spec: { containers: [{ name: 'open', image: 'open' }] } };
      await assert.rejects(admit('open', open), /violates PodSecurity "restricted/);
    });
  });

  describe('a release', () => {
    const release = 'sync';
    const name = 'sync-lfh-sync';
    let namespace: string;
    let jobs: JobStandIn;
    let operator: OperatorProcess | undefined;

    beforeEach(async () => {
      namespace = await plane.createNamespace('release');
      jobs = JobStandIn.start(plane, namespace);
    });

    afterEach(async () => {
      await jobs.stop();
      await operator?.stop();
      operator = undefined;
      for (const crd of ['lfhsyncnodes', 'lfhsyncpeers']) {
        await plane.kubectl(['delete', 'crd', `${crd}.sync.linuxforhealth.io`, '--ignore-not-found']);
      }
    });

    async function all(resource: string): Promise<string[]> {
      const names = ['-o', 'jsonpath={.items[*].metadata.name}'];
      const { stdout } = await plane
        .kubectl(['get', resource, '-n', namespace, ...names])
        .catch(() => ({ stdout: '' }));
      return stdout.split(' ').filter((each) => each !== '');
    }

    /** `helm install`, `upgrade`: with its hooks. */
    async function deploy(verb: 'install' | 'upgrade', values: object, chart = CHART): Promise<string> {
      const args = [verb, release, chart, '-n', namespace, '--timeout=120s', '-f', '-'];
      return helm.run(args, JSON.stringify(values));
    }

    const uninstall = (): Promise<string> => helm.run(['uninstall', release, '-n', namespace, '--timeout=120s']);

    /** As the pod of the Deployment would: with the chart's own rights. */
    async function startOperator(): Promise<void> {
      const kubeconfig = await plane.kubeconfigFileOf(namespace, name);
      operator = await OperatorProcess.start(plane, {
        kubeconfig,
        namespace,
        namespaces: [namespace],
        image: 'lfh-sync:test',
      });
    }

    const node = () => get<LfhSyncNode & KubeObject>(KINDS.node, namespace, 'local');
    const peer = () => get<LfhSyncPeer & KubeObject>(KINDS.peer, namespace, 'hospital-b');
    const key = async () => (await get<Secret>(KINDS.secret, namespace, 'local-nkey'))?.data;
    const natsFiles = async () => (await get<ConfigMap>(KINDS.configMap, namespace, 'local-nats'))?.data ?? {};
    const invitation = async (): Promise<string> =>
      (await get<ConfigMap>(KINDS.configMap, namespace, 'local-invitation'))?.data?.['syncpeer.yaml'] ?? '';

    /** Installed, at work, and with a peer that was given access. */
    async function peered(values: object): Promise<void> {
      await deploy('install', values);
      await startOperator();
      await plane.apply([PEER], namespace);
      await until('the peer is let in', async () =>
        JSON.stringify(await natsFiles()).includes(PEER.spec.publicKeys[0] ?? ''),
      );
    }

    it('makes the node at the first install and gives the operator all the rights it needs', async () => {
      assert.match(await deploy('install', { node: NODE }), /STATUS: deployed/);
      assert.deepEqual((await node())?.spec.nats.servers, NODE.nats.servers);
      await startOperator();
      await until('there is an invitation', async () => (await invitation()).includes('tls://192.168.1.200:4222'));
      await until('there are files for NATS', async () => 'lfh-sync.conf' in (await natsFiles()));
      assert.ok(await key());
    });

    it('fails the install with the value of the node that the API server refuses, and its reason', async () => {
      const seed = `S${'U'.repeat(57)}`;
      const wrong = { ...NODE, nats: { ...NODE.nats, users: [seed] } };
      await assert.rejects(deploy('install', { node: wrong }), /apply-node/);
      const log = await readFile(jobs.logs.get(`${name}-apply-node`) ?? '', 'utf8');
      assert.match(log, /an entry begins with S: that is a seed/);
      assert.ok(!log.includes(seed));
    });

    it('recovers from a failed install by an upgrade, as docs/install.md says, and not by another install', async () => {
      await assert.rejects(deploy('install', { node: { ...NODE, nats: { ...NODE.nats, users: ['U'] } } }));
      await assert.rejects(deploy('install', { node: NODE }), /cannot re-?use a name/);
      const upgrade = ['upgrade', '--install', release, CHART, '-n', namespace, '--timeout=120s', '-f', '-'];
      assert.match(await helm.run(upgrade, JSON.stringify({ node: NODE })), /STATUS: deployed/);
      assert.ok(await node());
    });

    it('can be uninstalled without its hooks after an install whose image was missing', async () => {
      // Then no Job ever ends.
      await jobs.stop();
      const where = ['-n', namespace, '--timeout=5s'];
      const values = JSON.stringify({ node: NODE });
      await assert.rejects(helm.run(['install', release, CHART, ...where, '-f', '-'], values), /apply-node not ready/);
      await assert.rejects(helm.run(['uninstall', release, ...where]), /uninstall not ready/);
      await helm.run(['uninstall', release, '--no-hooks', ...where]);
      assert.deepEqual(await all('deployment'), []);
    });

    it('keeps the key, the peers and what others have set through an upgrade and a rollback', async () => {
      await peered({ node: NODE });
      const before = await key();
      const patch = JSON.stringify({ spec: { key: { overlap: '48h' } } });
      await plane.kubectl(['patch', 'lfhnode', 'local', '-n', namespace, '--type=merge', '-p', patch]);
      const advertise = ['tls://192.168.1.222:4222'];
      await deploy('upgrade', { node: { ...NODE, nats: { ...NODE.nats, advertise } }, logLevel: 'debug' });
      await until('the invitation is the new one', async () => (await invitation()).includes('192.168.1.222'));
      assert.equal((await node())?.spec.key?.overlap, '48h');
      const { uid } = (await node())?.metadata ?? {};
      await helm.run(['rollback', release, '1', '-n', namespace, '--timeout=120s']);
      await until('the invitation is the old one', async () => (await invitation()).includes('192.168.1.200'));
      assert.equal((await node())?.metadata.uid, uid);
      assert.deepEqual(await key(), before);
      assert.ok(JSON.stringify(await natsFiles()).includes(PEER.spec.publicKeys[0] ?? ''));
    });

    it('makes an empty Secret for the key, and touches none that is filled, however the chart is applied', async () => {
      await deploy('install', { node: NODE });
      const secret = () => get<Secret>(KINDS.secret, namespace, 'local-nkey');
      assert.deepEqual([(await secret())?.metadata.name, await key()], ['local-nkey', undefined]);
      await startOperator();
      await until('the operator fills it', async () => (await key()) !== undefined);
      const { uid } = (await secret())?.metadata ?? {};
      const before = await key();
      const unchanged = async (how: string): Promise<void> =>
        assert.deepEqual([(await secret())?.metadata.uid, await key()], [uid, before], how);
      const values = { node: NODE, watch: { names: { nodes: ['second'] } } };
      await deploy('upgrade', values);
      await unchanged('an upgrade');
      const found = (await helm.template(release, namespace, values)).filter(({ kind }) => kind === 'Secret');
      const text = found.map((object) => JSON.stringify(object)).join('\n---\n');
      for (const how of [[], ['--server-side', '--force-conflicts', '--field-manager=argocd-controller']]) {
        await plane.kubectl(['apply', '-n', namespace, ...how, '-f', '-'], text);
        await unchanged(how.join());
      }
      await helm.run(['rollback', release, '1', '-n', namespace, '--timeout=120s']);
      await unchanged('a rollback');
      await uninstall();
      await unchanged('the end of the release');
      await deploy('install', { node: NODE });
      await unchanged('the next release');
    });

    it('takes over a key that is there, with --take-ownership, and leaves it as it is', async () => {
      const data = { 'nats-server.nk': Buffer.from(makeKey().seed).toString('base64') };
      const labels = { 'app.kubernetes.io/managed-by': 'lfh-sync' };
      const made = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'local-nkey', labels }, data };
      await plane.kubectl(['create', '-n', namespace, '--field-manager=lfh-sync', '-f', '-'], JSON.stringify(made));
      await assert.rejects(
        deploy('install', { node: NODE }),
        /local-nkey.*cannot be imported into the current release/,
      );
      const take = [
        'install',
        release,
        CHART,
        '-n',
        namespace,
        '--timeout=120s',
        '--take-ownership',
        '--force-conflicts',
      ];
      await helm.run([...take, '-f', '-'], JSON.stringify({ node: NODE }));
      assert.deepEqual(await key(), data);
    });

    const otherConnect = { ...NODE, connect: { workloadRef: { name: 'connect-2' } } };

    /** As the operator writes it down. */
    async function holds(workload: string): Promise<void> {
      const status = JSON.stringify({ status: { workload } });
      const how = ['--subresource=status', '--type=merge', '-p', status];
      await plane.kubectl(['patch', 'lfhnode', 'local', '-n', namespace, ...how]);
    }

    /** Names of the workloads that the operator may change. */
    async function changeable(): Promise<string | undefined> {
      const { stdout } = await plane.kubectl(['get', 'role', `${name}-watched`, '-n', namespace, '-o', 'json']);
      const { rules } = JSON.parse(stdout) as { rules: { resources: string[]; resourceNames?: string[] }[] };
      const rule = rules.find(({ resources, resourceNames }) => resources.includes('deployments') && resourceNames);
      return rule?.resourceNames?.join();
    }

    it('keeps the right to change the workload that has the sidecar when the values name another one', async () => {
      await deploy('install', { node: NODE });
      await holds('Deployment/connect');
      await deploy('upgrade', { node: otherConnect });
      assert.equal(await changeable(), 'connect-2,connect,nats');
      // What renders without a cluster, as Argo CD does, has to be told what an upgrade sees.
      const watch = { names: { connect: ['connect'] } };
      const role = { kind: 'Role', name: `${name}-watched` };
      const rules = async (values: object): Promise<unknown> =>
        (await helm.template(release, namespace, values)).find(
          ({ kind, metadata }) => kind === role.kind && metadata.name === role.name,
        )?.rules;
      const { stdout } = await plane.kubectl(['get', 'role', role.name, '-n', namespace, '-o', 'json']);
      const { rules: upgraded } = JSON.parse(stdout) as { rules: unknown };
      assert.deepEqual(await rules({ node: otherConnect, watch }), upgraded);
      assert.notDeepEqual(await rules({ node: otherConnect }), upgraded);
    });

    it('keeps the right to change both workloads when it goes back by an upgrade, or by a rollback to values that name both', async () => {
      await deploy('install', { node: NODE });
      await deploy('upgrade', { node: otherConnect });
      await holds('Deployment/connect-2');
      const rollback = (to: string): Promise<string> =>
        helm.run(['rollback', release, to, '-n', namespace, '--timeout=120s']);
      await rollback('1');
      // As docs/install.md says.
      assert.equal(await changeable(), 'connect,nats');
      await deploy('upgrade', { node: NODE });
      assert.equal(await changeable(), 'connect,connect-2,nats');
      const watch = { names: { connect: ['connect', 'connect-2'] } };
      await holds('');
      await deploy('upgrade', { node: NODE, watch });
      await deploy('upgrade', { node: otherConnect, watch });
      await rollback('4');
      assert.equal(await changeable(), 'connect,connect-2,nats');
    });

    it('leaves the key and the peers when it is uninstalled, and goes on with them when it is installed again', async () => {
      await peered({ node: NODE });
      const before = await key();
      await uninstall();
      assert.equal(await node(), undefined);
      assert.deepEqual(await key(), before);
      assert.ok(!JSON.stringify(await natsFiles()).includes(PEER.spec.publicKeys[0] ?? ''), 'the peer kept its access');
      assert.ok(await peer(), 'the peer is gone');
      assert.ok(await has('crd', 'lfhsyncpeers.sync.linuxforhealth.io'));
      for (const kind of [
        'deployment',
        'role',
        'rolebinding',
        'job',
        'service',
        'networkpolicy',
        'poddisruptionbudget',
      ]) {
        assert.deepEqual(await all(kind), [], kind);
      }
      await operator?.stop();
      await deploy('install', { node: NODE });
      await startOperator();
      await until('the peer is let in', async () =>
        JSON.stringify(await natsFiles()).includes(PEER.spec.publicKeys[0] ?? ''),
      );
      assert.deepEqual(await key(), before);
    });

    it('deletes the peers but never the key when it is uninstalled with uninstall.deletePeers', async () => {
      await peered({ node: NODE, uninstall: { deletePeers: true } });
      await uninstall();
      assert.equal(await node(), undefined);
      assert.equal(await peer(), undefined);
      assert.ok(await key());
    });

    describe('with a Deployment of connect', () => {
      beforeEach(async () => {
        const connect = { name: 'connect', image: 'connect' };
        const labels = { app: 'connect' };
        const spec = {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [connect] } },
        };
        await plane.apply(
          [{ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'connect' }, spec }],
          namespace,
        );
      });

      async function sidecars(): Promise<string> {
        const names = 'jsonpath={.spec.template.spec.initContainers[*].name}';
        const { stdout } = await plane.kubectl(['get', 'deployment', 'connect', '-n', namespace, '-o', names]);
        return stdout;
      }

      it('injects the sidecar with the rights of the chart, and removes it when it is uninstalled', async () => {
        await peered({ node: NODE });
        await until('it is in', async () => (await sidecars()) === 'lfh-sync');
        await uninstall();
        assert.equal(await sidecars(), '');
      });

      it('removes the sidecar and deletes the peers when it is uninstalled with uninstall.deletePeers', async () => {
        await peered({ node: NODE, uninstall: { deletePeers: true, timeoutSeconds: 30 } });
        await until('it is in', async () => (await sidecars()) === 'lfh-sync');
        await uninstall();
        assert.deepEqual([await sidecars(), await node(), await peer()], ['', undefined, undefined]);
      });
    });

    it('leaves alone a node that somebody else has made', async () => {
      await deploy('install', {});
      const own = { apiVersion: PEER.apiVersion, kind: 'LfhSyncNode', metadata: { name: 'local' }, spec: NODE };
      await plane.apply([own], namespace);
      await uninstall();
      assert.ok(await node());
    });

    it('leaves alone another node that carries its label when it is uninstalled', async () => {
      await peered({ node: NODE });
      const labels = { 'app.kubernetes.io/instance': release };
      const other = {
        apiVersion: PEER.apiVersion,
        kind: 'LfhSyncNode',
        metadata: { name: 'other', labels },
        spec: NODE,
      };
      await plane.apply([other], namespace);
      await uninstall();
      assert.deepEqual(await all('lfhnode'), ['other']);
    });

    it('refuses to be uninstalled while no operator runs to revoke the access of the peers', async () => {
      await peered({ node: NODE, uninstall: { timeoutSeconds: 10 } });
      await operator?.stop();
      await assert.rejects(uninstall(), /uninstall/);
      const log = await readFile(jobs.logs.get(`${name}-uninstall`) ?? '', 'utf8');
      assert.match(log, /still lets peers in 10 s after[\s\S]*Is one running and ready/);
      assert.deepEqual(await all('deployment'), [name]);
      await assert.rejects(uninstall(), /uninstall/, 'the node is gone, and nothing was taken back');
      await startOperator();
      await uninstall();
      assert.ok(!JSON.stringify(await natsFiles()).includes(PEER.spec.publicKeys[0] ?? ''), 'the peer kept its access');
    });

    it('deletes the CRDs when it is uninstalled with crds.keep=false', async () => {
      await peered({ node: NODE, crds: { keep: false } });
      await uninstall();
      await until('they are gone', async () => !(await has('crd', 'lfhsyncnodes.sync.linuxforhealth.io')));
      assert.ok(await key());
    });

    it('upgrades the CRDs and keeps every object of them', async () => {
      await peered({ node: NODE });
      const chart = join(plane.directory, 'newer-chart');
      await cp(CHART, chart, { recursive: true });
      const file = join(chart, 'files', 'crds', 'lfhsyncpeers.yaml');
      const text = await readFile(file, 'utf8');
      await writeFile(file, text.replace('shortNames: [lfhpeer]', 'shortNames: [lfhpeer, newpeer]'));
      await deploy('upgrade', { node: NODE }, chart);
      const shortNames = ['-o', 'jsonpath={.spec.names.shortNames}'];
      const { stdout } = await plane.kubectl(['get', 'crd', 'lfhsyncpeers.sync.linuxforhealth.io', ...shortNames]);
      assert.equal(stdout, '["lfhpeer","newpeer"]');
      assert.ok(await peer());
    });

    it('takes over CRDs that somebody else has installed, with --take-ownership', async () => {
      await plane.installCrds();
      await assert.rejects(deploy('install', { node: NODE }), /cannot be imported into the current release/);
      const take = ['install', release, CHART, '-n', namespace, '--timeout=120s', '--take-ownership', '-f', '-'];
      await helm.run(take, JSON.stringify({ node: NODE }));
      assert.ok(await node());
    });

    it('passes the script that helm test runs', async () => {
      await deploy('install', { node: NODE });
      await startOperator();
      const hooks = await helm.run(['get', 'hooks', release, '-n', namespace]);
      const hook = (loadAll(hooks) as (Manifest | null)[]).find((each) => each?.kind === 'Pod');
      const spec = hook?.spec as { containers: { command: string[] }[] } | undefined;
      const script = spec?.containers[0]?.command.at(-1) ?? '';
      const told = join(plane.directory, 'helm-test.log');
      const command = [process.execPath, '--input-type=module', '--eval', script];
      const pod = new ServerProcess('helm test', command, told, { OPERATOR_URL: operator?.url });
      assert.equal(await pod.exited(), 0);
      assert.match(pod.tail(), /\/readyz: [\s\S]*\/status: .*"state":"(?:Listing|Working)"/);
    });
  });
});

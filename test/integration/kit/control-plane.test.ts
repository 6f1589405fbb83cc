import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { type ConfigMap, KINDS, type KubeObject } from '../../../operator/api/objects.ts';
import { KubeError } from '../../../operator/cluster/errors.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { kubernetesPrograms } from '../../kit/build/kubernetes-programs.ts';
import { KubeletStandIn, type VolumeSource } from '../../kit/processes/kubelet-stand-in.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';

describe('the control plane', () => {
  let plane: ControlPlane;
  let namespace: string;

  before(async function () {
    // Where it has to be built.
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    namespace = await plane.createNamespace('plane');
  });

  function configMap(name: string, values: Readonly<Record<string, string>>): ConfigMap {
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: values };
  }

  async function read(name: string): Promise<ConfigMap['data']> {
    return (await plane.api.get<ConfigMap>(KINDS.configMap, namespace, name))?.data;
  }

  function as(args: readonly string[]): Promise<string> {
    return plane.kubectl(['-n', namespace, ...args]).then(({ stdout }) => stdout.trim());
  }

  it('reports its version, and refuses a client without credentials', async () => {
    assert.match(await as(['get', '--raw', '/version']), /"gitVersion": "v1\.\d+/);
    const nobody = new KubeConfig();
    const { clusters, contexts, currentContext } = plane.kubeConfig();
    nobody.loadFromOptions({ clusters, contexts, currentContext, users: [{ name: 'admin' }] });
    await assert.rejects(
      new KubeClient(nobody).list(KINDS.configMap, namespace),
      (error: KubeError) => error.code === 401,
    );
  });

  it('removes a namespace with everything in it', async () => {
    const other = await plane.createNamespace('ends');
    await plane.apply([{ ...configMap('there', {}), metadata: { name: 'there' } }], other);
    await plane.removeNamespace(other);
    assert.equal(await plane.api.get(KINDS.configMap, other, 'there'), undefined);
    await assert.rejects(plane.kubectl(['get', 'namespace', other]), /NotFound/);
  });

  it('removes an object whose owner is gone', async () => {
    const { metadata } = await plane.api.create(configMap('owner', {}));
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: metadata.uid };
    await plane.apply([
      { ...configMap('owned', {}), metadata: { name: 'owned', namespace, ownerReferences: [owner] } },
    ]);
    await as(['delete', 'configmap', 'owner']);
    await until('it is gone', async () => !(await plane.api.get(KINDS.configMap, namespace, 'owned')));
  });

  it('makes the pods of a Deployment', async () => {
    await as(['create', 'deployment', 'web', '--image=none', '--replicas=2']);
    const pods = ['get', 'pods', '-l', 'app=web', '-o', 'name'];
    await until('there are two', async () => (await as(pods)).split('\n').length === 2);
  });

  it('gives each field to one manager of server-side apply', async () => {
    await plane.apply([configMap('shared', { a: '1', b: '2' })]);
    const other = ['apply', '--server-side', '--field-manager=other', '-f', '-'];
    const theirs = (values: Readonly<Record<string, string>>) =>
      plane.kubectl(other, JSON.stringify(configMap('shared', values)));
    await theirs({ c: '3' });
    await assert.rejects(theirs({ a: '4', c: '3' }), /conflict with "test"/);
    await plane.apply([configMap('shared', { b: '2' })]);
    assert.deepEqual(await read('shared'), { b: '2', c: '3' });
  });

  it('answers 409 to a create of what exists and to a replace of what has changed', async () => {
    const first = await plane.api.create(configMap('once', { a: '1' }));
    await assert.rejects(plane.api.create(configMap('once', {})), (error: KubeError) => error.isAlreadyExists);
    await plane.api.replace({ ...first, data: { a: '2' } });
    await assert.rejects(plane.api.replace({ ...first, data: { a: '3' } }), (error: KubeError) => error.isConflict);
  });

  it('lets a service account do what its Role says, and nothing else', async () => {
    await plane.api.create(configMap('readable', { a: '1' }));
    await as(['create', 'serviceaccount', 'reader']);
    await as(['create', 'role', 'reader', '--verb=get', '--resource=configmaps']);
    await as(['create', 'rolebinding', 'reader', '--role=reader', `--serviceaccount=${namespace}:reader`]);
    const reader = new KubeClient(await plane.kubeConfigOf(namespace, 'reader'));
    // The API server itself learns of a Role by a watch, so a moment later.
    let found: ConfigMap | undefined;
    await until('it may read', async () => {
      found = await reader.get<ConfigMap>(KINDS.configMap, namespace, 'readable');
      return true;
    });
    assert.deepEqual(found?.data, { a: '1' });
    const isForbidden = (error: KubeError): boolean => error.isForbidden;
    await assert.rejects(reader.list(KINDS.configMap, namespace), isForbidden);
    await assert.rejects(reader.list(KINDS.secret, namespace), isForbidden);
    await assert.rejects(reader.create(configMap('written', {})), isForbidden);
    await assert.rejects(reader.get(KINDS.configMap, 'kube-system', 'kube-root-ca.crt'), isForbidden);
    const file = await plane.kubeconfigFileOf(namespace, 'reader');
    assert.match(await as(['--kubeconfig', file, 'auth', 'whoami']), new RegExp(`:${namespace}:reader`));
    await assert.rejects(plane.kubeConfigOf(namespace, 'nobody'), /not found/);
  });

  it('serves and describes a kind once its CRD is installed', async () => {
    await plane.installCrds(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: beds.test.example }
spec:
  group: test.example
  scope: Namespaced
  names: { kind: Bed, plural: beds, singular: bed }
  versions:
    - { name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object } } }
`);
    await plane.apply('{ apiVersion: test.example/v1, kind: Bed, metadata: { name: one } }', namespace);
    assert.equal(await as(['get', 'beds', '-o', 'name']), 'bed.test.example/one');
    await until('it is described', async () => /KIND: +Bed/.test(await as(['explain', 'beds'])));
  });

  it('serves the kinds of this tree', async () => {
    const names = await as(['api-resources', '--api-group=sync.linuxforhealth.io', '-o', 'name']);
    assert.deepEqual(names.split('\n').sort(), [
      'lfhsyncnodes.sync.linuxforhealth.io',
      'lfhsyncpeers.sync.linuxforhealth.io',
    ]);
  });

  for (const how of ['stop', 'kill'] as const) {
    it(`keeps its objects and its port over a ${how} and start of the API server`, async () => {
      await plane.api.create(configMap(`over-${how}`, { a: '1' }));
      await plane.apiServer[how]();
      await assert.rejects(read(`over-${how}`), (error: KubeError) => error.code === 0);
      await plane.apiServer.start();
      assert.deepEqual(await read(`over-${how}`), { a: '1' });
      await plane.createNamespace('after');
    });
  }

  it('keeps its objects over a restart of etcd', async () => {
    await plane.api.create(configMap('over-etcd', { a: '1' }));
    await plane.etcd.restart();
    await until('it is read', async () => (await read('over-etcd'))?.a === '1');
    await until('it is written', () => plane.apply([configMap('over-etcd', { b: '2' })]).then(() => true));
  });

  describe('the stand-in for the kubelet', () => {
    const mounted: KubeletStandIn[] = [];
    const directories: string[] = [];

    afterEach(async () => {
      for (const kubelet of mounted.splice(0)) await kubelet.stop();
      for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
    });

    async function mount(
      sources: readonly VolumeSource[],
      onChange: () => void = () => undefined,
    ): Promise<{ file: (name: string) => Promise<string>; directory: string }> {
      const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-mount-'));
      directories.push(directory);
      mounted.push(
        await KubeletStandIn.mount({ kubeConfig: plane.kubeConfig(), namespace, directory, sources, onChange }),
      );
      return { file: (name) => readFile(join(directory, name), 'utf8'), directory };
    }

    function secret(name: string, values: Readonly<Record<string, string>>): KubeObject & { stringData: object } {
      return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData: values };
    }

    it('lays files out as a projected volume does', async () => {
      const bytes = Buffer.from([0, 0xff, 0x80]);
      await plane.apply([
        { ...configMap('settings', { one: 'Zürich ✓' }), binaryData: { two: bytes.toString('base64') } },
        secret('key', { seed: 'SU', other: 'left out' }),
      ]);
      const items = [{ key: 'seed', path: 'keys/nats.nk' }];
      const { directory, file } = await mount([{ configMap: 'settings' }, { secret: 'key', items }]);
      assert.equal(await file('one'), 'Zürich ✓');
      assert.deepEqual(await readFile(join(directory, 'two')), bytes);
      assert.equal(await file('keys/nats.nk'), 'SU');
      const generation = await readlink(join(directory, '..data'));
      assert.match(generation, /^\.\.\d{4}(_\d\d){5}\.\w+$/);
      assert.deepEqual((await readdir(directory)).sort(), [generation, '..data', 'keys', 'one', 'two'].sort());
      assert.equal(await readlink(join(directory, 'one')), '..data/one');
      assert.equal(await readlink(join(directory, 'keys')), '..data/keys');
    });

    it('follows what changes, comes and goes, and calls back for each', async () => {
      await plane.apply([configMap('following', { stays: '1', goes: '1' })]);
      let changes = 0;
      const sources = [{ configMap: 'following' }, { secret: 'late', optional: true }];
      const { directory, file } = await mount(sources, () => (changes += 1));
      assert.equal(changes, 0);

      await plane.apply([configMap('following', { stays: '2', comes: '2' })]);
      await until('it is told', () => changes === 1);
      assert.equal(await file('stays'), '2');
      assert.equal(await file('comes'), '2');
      await assert.rejects(file('goes'), { code: 'ENOENT' });

      await plane.apply([secret('late', { seed: 'SU' })]);
      await until('it is told', () => changes === 2);
      assert.equal(await file('seed'), 'SU');

      await as(['delete', 'secret', 'late']);
      await until('it is told', () => changes === 3);
      const generation = await readlink(join(directory, '..data'));
      assert.deepEqual((await readdir(directory)).sort(), [generation, '..data', 'comes', 'stays'].sort());
    });

    it('waits for a source that is not optional, and keeps its files when it is deleted', async () => {
      await plane.apply([configMap('beside', { a: '1' })]);
      let isMounted = false;
      const waiting = mount([{ secret: 'needed' }, { configMap: 'beside' }]).finally(() => (isMounted = true));
      // What was asked for later, and is there.
      await mount([{ configMap: 'beside' }]);
      await mount([{ configMap: 'beside' }]);
      assert.equal(isMounted, false);
      await plane.apply([secret('needed', { seed: 'SU' })]);
      const { file } = await waiting;
      await as(['delete', 'secret', 'needed']);
      await plane.apply([configMap('beside', { a: '2' }), secret('needed', { seed: 'SU2' })]);
      await until('both are new', async () => (await file('a')) === '2' && (await file('seed')) === 'SU2');
    });

    it('follows again after the API server was down', async () => {
      await plane.apply([configMap('away', { a: '1' })]);
      const { file } = await mount([{ configMap: 'away' }]);
      await plane.apiServer.kill();
      assert.equal(await file('a'), '1');
      await plane.apiServer.start();
      await plane.apply([configMap('away', { a: '2' })]);
      await until('the change is there', async () => (await file('a')) === '2');
    });

    it('changes all files at once', async () => {
      const LAST = 40;
      const generationOf = (n: number): ConfigMap =>
        configMap('generations', Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, String(n)])));
      await plane.api.apply(generationOf(0));
      const { directory } = await mount([{ configMap: 'generations' }]);
      const writing = (async () => {
        for (let n = 1; n <= LAST; n += 1) await plane.api.apply(generationOf(n));
      })();
      const seen = new Set<string>();
      /** What one reader finds; nothing where the generation went away meanwhile. */
      const look = async (): Promise<void> => {
        const generation = join(directory, await readlink(join(directory, '..data')));
        const files = ['a', 'b', 'c', 'd'].map((name) => readFile(join(generation, name), 'utf8'));
        const found = await Promise.all(files).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') throw error;
        });
        if (found) seen.add(found.join(' '));
      };
      const last = Array.from('abcd', () => LAST).join(' ');
      await until('the last is there', async () => (await look(), seen.has(last)), 60_000, 0);
      await writing;
      for (const found of seen) assert.match(found, /^(\d+)( \1){3}$/);
      assert.ok(seen.size > 4, `only ${seen.size} generations were seen`);
    });
  });

  describe('the search for its programs', () => {
    const { PATH, KUBEBUILDER_ASSETS } = process.env;
    let directory: string;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'lfh-sync-programs-'));
    });

    afterEach(async () => {
      process.env.PATH = PATH;
      if (KUBEBUILDER_ASSETS === undefined) delete process.env.KUBEBUILDER_ASSETS;
      else process.env.KUBEBUILDER_ASSETS = KUBEBUILDER_ASSETS;
      await rm(directory, { recursive: true });
    });

    async function assets(names: readonly string[]): Promise<void> {
      for (const name of names) await symlink('/bin/true', join(directory, name));
      process.env.KUBEBUILDER_ASSETS = directory;
    }

    it('takes the programs in KUBEBUILDER_ASSETS from there, and the others from elsewhere', async () => {
      const usual = ['etcd', 'kube-apiserver', 'kubectl'];
      await assets(usual);
      const { 'kube-controller-manager': controllers, ...found } = await kubernetesPrograms();
      assert.deepEqual(found, Object.fromEntries(usual.map((name) => [name, join(directory, name)])));
      assert.notEqual(controllers, join(directory, 'kube-controller-manager'));
    });

    it('takes a program on PATH only in the wanted version', async () => {
      await assets(['etcd', 'kube-apiserver', 'kube-controller-manager']);
      const onPath = join(directory, 'path');
      await mkdir(onPath);
      process.env.PATH = `${onPath}:${PATH}`;
      const kubectl = async (version: string): Promise<string> => {
        await writeFile(join(onPath, 'kubectl'), `#!/bin/sh\necho 'Client Version: ${version}'\n`);
        await chmod(join(onPath, 'kubectl'), 0o755);
        return (await kubernetesPrograms()).kubectl;
      };
      assert.equal(await kubectl('v1.37.2'), 'kubectl');
      assert.notEqual(await kubectl('v1.37.20'), 'kubectl');
    });
  });
});

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { KINDS, type KubeObject } from '../../../operator/api/objects.ts';
import type { VolumeSource } from '../../kit/processes/kubelet-stand-in.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';
import { connectManifest, OperatedWorkload, type SidecarState } from '../../kit/sites/operated-workload.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

const DOCS = join(import.meta.dirname, '..', '..', '..', 'docs', 'injection.md');
const IMAGE = 'registry.example.org/lfh-sync:1';
const DEPLOYMENT = { workloadRef: { name: 'connect' } };
/** Applies as Helm does. */
const APPLY = 'apply --server-side --field-manager=helm -f -';
const SUBSCRIBERS = '["tls://10.0.0.1:4222"]';

describe('an injected sidecar', function () {
  this.timeout(240_000);
  let operator: OperatorProcess | undefined;
  let site: OperatedSite | undefined;

  after(async () => {
    await site?.stop();
    await operator?.stop();
  });

  it('finds all it needs in its mounts, and the node is ready when it reports', async () => {
    const plane = await sharedControlPlane();
    const own = await plane.createNamespace('injecting');
    const namespace = await plane.createNamespace('injected');
    const kubeconfig = await grantOperatorRights(plane, own, [namespace]);
    operator = await OperatorProcess.start(plane, {
      kubeconfig,
      namespace: own,
      namespaces: [namespace],
      image: IMAGE,
    });
    const at = new OperatedWorkload(plane, namespace);
    await at.apply(connectManifest());
    site = await OperatedSite.start(plane, namespace, 'hospital-i', { spec: { connect: DEPLOYMENT } });
    const { volume } = await at.waitForInjection();
    await at.waitForReason('Injected');
    await site.startSidecar(undefined, volume?.projected.sources.map(sourceOf));
    await at.waitForReason('Reporting');
    await site.waitForReason('lfhnode', 'local', 'Ready', 'AllReady');
    // From here on the operator writes nothing any more.
    const { metadata } = await at.workload();
    await at.waitForReconcile();
    assert.deepEqual((await at.workload()).metadata.managedFields?.filter(ours), metadata.managedFields?.filter(ours));
  });

  it('takes no settings but those of its operator, and says so', async () => {
    assert.ok(site && operator);
    const at = new OperatedWorkload(await sharedControlPlane(), site.namespace);
    const [sidecar] = site.sidecars;
    assert.ok(sidecar);
    const becomes = (state: string): Promise<void> =>
      until(`the settings are ${state}`, async () => (await sidecar.status()).settings.state === state);
    await operator.stop();
    const theirs = [{ name: 'x', lfhId: 'x', servers: ['tls://127.0.0.1:1'] }];
    const data = { LFH_SYNC_PEERS: JSON.stringify(theirs), KAFKA_BOOTSTRAP_SERVERS: 'theirs:9092' };
    await site.kubectl('patch', 'configmap', 'local-sidecar', '--type=merge', '-p', JSON.stringify({ data }));
    await becomes('Refused');
    const { settings, peers } = await sidecar.status();
    assert.match(settings.message, /LFH_SYNC_SETTINGS_MAC: does not fit .*somebody else has changed their ConfigMap/);
    assert.deepEqual(peers, []);
    await operator.start();
    await becomes('Current');
    // As if the kubelet were stuck with what somebody else has written.
    await sidecar.mountInstead('LFH_SYNC_PEERS', '[]\n');
    assert.match(await at.waitForReason('SettingsNotLive'), /LFH_SYNC_SETTINGS_MAC: does not fit/);
    await site.apply(KINDS.peer, 'b', { spec: { lfhId: 'b', servers: ['tls://127.0.0.1:1'] } });
    await at.waitForReason('Reporting');
    await until('the peer is known', async () => (await sidecar.status()).peers.length === 1);
  });
});

describe("the operator's injection", function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  const free: string[] = [];

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const own = await plane.createNamespace('injecting');
    for (let n = 0; n < 21; n += 1) free.push(await plane.createNamespace('injected'));
    const known = { node: ['local', 'second', 'n'.repeat(63)], connect: ['connect', 'other'] };
    const kubeconfig = await grantOperatorRights(plane, own, free, known);
    operator = await OperatorProcess.start(plane, { kubeconfig, namespace: own, namespaces: [...free], image: IMAGE });
  });

  after(() => operator?.stop());

  function space(): OperatedWorkload {
    return new OperatedWorkload(plane, free.pop() ?? '');
  }

  /** A namespace with connect, its sidecar in it. */
  async function injected(connect: Parameters<typeof connectManifest>[0] = {}): Promise<OperatedWorkload> {
    const at = space();
    await at.apply(connectManifest(connect));
    await at.makeNode(DEPLOYMENT);
    await at.waitForInjection();
    return at;
  }

  it("adds a restricted native sidecar that needs nothing to start, and empties connect's own subscribers", async () => {
    const at = await injected();
    const { container, volume } = await at.sidecarIn();
    assert.equal(container?.image, IMAGE);
    assert.equal(container?.restartPolicy, 'Always');
    assert.equal(container?.readinessProbe, undefined);
    assert.deepEqual(container?.resources, { requests: { cpu: '50m', memory: '128Mi' } });
    assert.deepEqual(volume?.projected.sources, [
      ...['local-sidecar', 'local-sidecar-2', 'local-sidecar-3'].map((name) => ({
        configMap: { name, optional: true },
      })),
      {
        secret: {
          name: 'local-nkey',
          items: ['nats-server.nk', 'previous.nk'].map((file) => ({ key: file, path: `secrets/${file}` })),
          optional: true,
        },
      },
    ]);
    assert.equal((await at.node()).status?.workload, 'Deployment/connect');
    assert.match(await at.waitForReason('Injected'), /Deployment\/connect/);
    // The API server itself warns of what breaks the restricted standard.
    const namespace = { metadata: { name: at.namespace, labels: { 'pod-security.kubernetes.io/warn': 'restricted' } } };
    await plane.apply([{ apiVersion: 'v1', kind: 'Namespace', ...namespace }]);
    const { spec } = await at.workload();
    const template = structuredClone(spec.template) as { spec: { containers: object[] } };
    const { securityContext } = container as { securityContext?: object };
    template.spec.containers = template.spec.containers.map((each) => ({ ...each, securityContext }));
    const probe = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'probe' },
      spec: { ...spec, template },
    };
    const { stderr } = await plane.kubectl(
      ['-n', at.namespace, 'create', '--dry-run=server', '-f', '-'],
      JSON.stringify(probe),
    );
    assert.equal(stderr, '');
  });

  it('gives the sidecar the limits and requests of the node, and takes them away again', async () => {
    const at = space();
    const small = { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '1', memory: '512Mi' } };
    await at.apply(connectManifest());
    await at.makeNode({ ...DEPLOYMENT, resources: small });
    assert.deepEqual((await at.waitForInjection()).container?.resources, small);
    await at.patchNode({ connect: { resources: { limits: null } } });
    const has = (resources: object) => (found: SidecarState) =>
      isDeepStrictEqual(found.container?.resources, resources);
    await at.waitForSidecar('has no limits', has({ requests: small.requests }));
    await at.patchNode({ connect: { resources: null } });
    await at.waitForSidecar('has the default requests', has({ requests: { cpu: '50m', memory: '128Mi' } }));
  });

  it('goes into a StatefulSet, and into a workload that is created after the node', async () => {
    const at = space();
    await at.makeNode({ workloadRef: { kind: 'StatefulSet', name: 'connect' } });
    assert.match(await at.waitForReason('WorkloadMissing'), /no StatefulSet\/connect/);
    await at.apply(connectManifest());
    await at.waitForReconcile();
    assert.equal((await at.sidecarIn()).container, undefined);
    await at.apply(connectManifest({ kind: 'StatefulSet' }));
    await at.waitForInjection('connect', 'statefulSet');
    assert.equal((await at.node()).status?.workload, 'StatefulSet/connect');
  });

  it('stays, without a moment outside, through whatever a person or a tool applies', async () => {
    const at = await injected();
    const managers: [string, string][] = [
      ['kubectl apply, as before', 'apply -f -'],
      ['helm, which applies on the server', 'apply --server-side --field-manager=helm --force-conflicts -f -'],
      ['Argo CD', 'apply --server-side --field-manager=argocd-controller --force-conflicts -f -'],
    ];
    for (const [index, [who, command]] of managers.entries()) {
      await at.kubectl(command, connectManifest({ image: `connect:${index + 2}`, env: { TRIED: String(index) } }));
      const { container, subscribers, volume } = await at.sidecarIn();
      assert.deepEqual([container?.image, subscribers, volume !== undefined], [IMAGE, '[]', true], who);
      // Their change causes a rollout. Ours adds none.
      const { generation } = (await at.workload()).metadata;
      await at.waitForReconcile();
      assert.equal((await at.workload()).metadata.generation, generation, who);
    }
  });

  it('comes back after a rollout is undone and after the whole workload is replaced', async () => {
    const at = await injected();
    const sets = async (): Promise<string[]> => (await at.kubectl('get replicasets -o name')).trim().split('\n');
    await until('there is a ReplicaSet without the sidecar and one with it', async () => (await sets()).length === 2);
    await at.kubectl('rollout undo deployment/connect');
    await at.waitForInjection();
    const replacement = connectManifest({ image: 'connect:9' });
    // The controllers write to it as well, and then the replace has to be tried again.
    await until('it is replaced', () => at.kubectl('replace -f -', replacement).then(() => true));
    await at.waitForInjection();
    const [connect] = (await at.workload()).spec.template.spec.containers as readonly { readonly image?: string }[];
    assert.equal(connect?.image, 'connect:9');
    // The sidecar also goes along when connect's container gets another name.
    await at.apply(connectManifest({ container: 'app' }));
    await at.waitForInjection();
    // What comes back is owned by us again, so that it is removed as a whole.
    await at.patchNode({ connect: null });
    await at.waitForRemoval();
  });

  it("restores the sidecar's image when somebody has changed it by hand", async () => {
    const at = await injected();
    await at.kubectl('set image deployment/connect lfh-sync=elsewhere:1');
    await at.waitForSidecar('has our image', ({ container }) => container?.image === IMAGE);
  });

  it('leaves a connect alone that subscribes by itself, in whatever way it is configured, until it does not', async () => {
    const at = space();
    await at.apply(connectManifest({ env: { NATS_SYNC_SUBSCRIBERS: SUBSCRIBERS } }));
    await at.makeNode(DEPLOYMENT);
    const message = await at.waitForReason('ConnectAlsoSubscribes');
    assert.match(message, /Deployment\/connect: env of the container connect sets NATS_SYNC_SUBSCRIBERS/);
    assert.doesNotMatch(message, /10\.0\.0\.1/);
    await at.apply(connectManifest());
    await at.waitForInjection();
    // The same once more over our injection: what they wrote stays, and the sidecar is removed.
    await at.apply(connectManifest({ env: { NATS_SYNC_SUBSCRIBERS: SUBSCRIBERS } }));
    await at.waitForReason('ConnectAlsoSubscribes');
    await at.waitForRemoval('connect', SUBSCRIBERS);
    assert.equal((await at.node()).status?.workload, undefined);
    await at.waitForReconcile();
    await at.waitForRemoval('connect', SUBSCRIBERS);
    await at.apply(connectManifest());
    await at.waitForInjection();
    await at.kubectl(`set env deployment/connect NATS_SYNC_SUBSCRIBERS=["tls://a:4222"]`);
    await at.waitForRemoval('connect', '["tls://a:4222"]');
    await at.kubectl('set env deployment/connect NATS_SYNC_SUBSCRIBERS-');
    await at.waitForInjection();
    await plane.apply(
      [
        {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: 'connect-config' },
          data: { nats_sync_subscribers: SUBSCRIBERS },
        },
      ],
      at.namespace,
    );
    await at.apply(connectManifest({ envFrom: [{ configMapRef: { name: 'connect-config' } }] }));
    assert.match(await at.waitForReason('ConnectAlsoSubscribes'), /envFrom \(ConfigMap connect-config\)/);
    await at.waitForRemoval();
  });

  it('causes a conflict for a server-side apply of other subscribers, and gives way when that is forced', async () => {
    const at = space();
    await at.kubectl(APPLY, connectManifest());
    await at.makeNode(DEPLOYMENT);
    await at.waitForInjection();
    const theirs = connectManifest({ env: { NATS_SYNC_SUBSCRIBERS: SUBSCRIBERS } });
    await assert.rejects(at.kubectl(APPLY, theirs), /conflict with "lfh-sync-injection".*NATS_SYNC_SUBSCRIBERS/s);
    await at.kubectl(`${APPLY} --force-conflicts`, theirs);
    await at.waitForReason('ConnectAlsoSubscribes');
    await at.waitForRemoval('connect', SUBSCRIBERS);
    // The same list as ours causes no conflict, and stays theirs.
    await at.kubectl(APPLY, connectManifest({ env: { NATS_SYNC_SUBSCRIBERS: '[]' } }));
    await at.waitForInjection();
    await at.patchNode({ connect: null });
    await at.waitForRemoval('connect', '[]');
  });

  it('moves with workloadRef, and is removed with spec.connect and with the node', async () => {
    const at = await injected();
    await at.apply(connectManifest({ name: 'other' }));
    await at.patchNode({ connect: { workloadRef: { name: 'other' } } });
    await at.waitForRemoval();
    await at.waitForInjection('other');
    assert.equal((await at.node()).status?.workload, 'Deployment/other');
    await at.patchNode({ connect: null });
    await at.waitForRemoval('other');
    await at.waitForReason('NoReport');
    assert.equal((await at.node()).status?.workload, undefined);
    await at.patchNode({ connect: DEPLOYMENT });
    await at.waitForInjection();
    await at.kubectl('delete lfhnode local --timeout=30s');
    await at.waitForRemoval();
    const { metadata } = await at.workload();
    assert.equal(
      metadata.managedFields?.some(({ manager }) => manager === 'lfh-sync-injection'),
      false,
    );
  });

  it('is moved and removed by an operator that was killed in the middle', async () => {
    const at = await injected();
    await at.apply(connectManifest({ name: 'other' }));
    await operator.kill();
    await at.patchNode({ connect: { workloadRef: { name: 'other' } } });
    await operator.start();
    await at.waitForRemoval();
    await at.waitForInjection('other');
    await operator.kill();
    await at.patchNode({ connect: null });
    await operator.start();
    await at.waitForRemoval('other');
  });

  it('is removed from the workload of a node that was deleted and created again while no operator ran', async () => {
    for (const connect of [{ workloadRef: { name: 'other' } }, undefined]) {
      const at = await injected();
      await at.apply(connectManifest({ name: 'other' }));
      await operator.kill();
      const { apiVersion, kind, metadata, spec } = await at.node();
      const { connect: _, ...others } = spec;
      const again = {
        apiVersion,
        kind,
        metadata: { name: metadata.name },
        spec: { ...others, ...(connect && { connect }) },
      };
      await at.kubectl('replace --force -f -', again);
      await operator.start();
      await at.waitForRemoval();
      if (connect) await at.waitForInjection('other');
      await at.waitForReconcile();
      assert.equal((await at.node()).status?.workload, connect && 'Deployment/other');
      await at.kubectl('delete lfhnode local --timeout=30s');
      await at.waitForRemoval('other');
    }
  });

  it('reports NoImage, and does nothing, where the operator does not know the image', async () => {
    const own = await plane.createNamespace('imageless');
    const kubeconfig = await grantOperatorRights(plane, own, [own]);
    const imageless = await OperatorProcess.start(plane, { kubeconfig, namespace: own, namespaces: [own] });
    try {
      const at = new OperatedWorkload(plane, own);
      await at.apply(connectManifest());
      await at.makeNode(DEPLOYMENT);
      assert.match(await at.waitForReason('NoImage'), /LFH_SYNC_IMAGE/);
      assert.equal((await at.sidecarIn()).container, undefined);
      await at.patchNode({ connect: null });
      await at.waitForReason('NoReport');
    } finally {
      await imageless.stop();
    }
  });

  it('belongs to the older of two nodes, and to the other when that is deleted', async () => {
    const at = await injected();
    await at.makeNode(DEPLOYMENT, 'second');
    assert.match(
      await at.waitForReason('Conflict', 'second'),
      /Deployment\/connect is that of the older LfhSyncNode local/,
    );
    const sources = async (): Promise<string> => JSON.stringify((await at.sidecarIn()).volume);
    assert.match(await sources(), /local-sidecar/);
    await at.kubectl('delete lfhnode local --timeout=30s');
    await at.waitForReason('Injected', 'second');
    await at.waitForInjection();
    assert.match(await sources(), /second-sidecar/);
  });

  it('stays, and nothing is restarted, whatever somebody notes down for a node that never existed', async () => {
    const at = await injected();
    const nats = connectManifest({ kind: 'StatefulSet', name: 'nats' });
    await at.apply(nats);
    const generations = async (): Promise<(number | undefined)[]> =>
      [await at.workload(), await at.workload('nats', 'statefulSet')].map(({ metadata }) => metadata.generation);
    const before = await generations();
    const label = 'sync.linuxforhealth.io';
    const forged = (node: string, note: string): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: `${node}-nats`,
        labels: { [`${label}/node`]: node },
        annotations: { [`${label}/workload`]: 'Deployment/connect', [`${label}/rollout`]: note },
      },
      data: { 'lfh-sync.conf': '', 'lfh-sync-peers.conf': '', 'ca.crt': note },
    });
    // For `second`, whose ConfigMap we may write, the operator does everything that it does for a node that is gone.
    for (const note of ['Restart StatefulSet/nats', 'Restart Deployment/connect']) {
      await at.apply(forged('second', note));
      const notes = `jsonpath={.metadata.annotations['sync\\.linuxforhealth\\.io/workload']}`;
      await until('it was looked at', async () => (await at.kubectl(`get configmap second-nats -o ${notes}`)) === '');
    }
    // The operator gives up a ConfigMap that it may not write.
    await at.apply(forged('stranger', 'Restart StatefulSet/nats'));
    const refused = /"configMap":"stranger-nats".*forbidden.*cannot be revoked/;
    await until('the other was', async () => refused.test(await readFile(operator.logFile, 'utf8')));
    await at.waitForReconcile();
    await at.waitForInjection();
    assert.deepEqual(await generations(), before);
  });

  it('does not change with new peers, rolls out once for a new image, and not at all for a new operator', async () => {
    const at = await injected();
    await at.waitForReconcile();
    const sets = async (): Promise<number> =>
      (
        await plane.api.list<KubeObject>(
          { ...KINDS.deployment, kind: 'ReplicaSet', plural: 'replicasets' },
          at.namespace,
        )
      ).items.length;
    await until('connect has a ReplicaSet without the sidecar and one with it', async () => (await sets()) === 2);
    const before = await at.workload();
    for (const name of ['peer-b', 'peer-c']) {
      await at.apply({
        apiVersion: 'sync.linuxforhealth.io/v1alpha1',
        kind: 'LfhSyncPeer',
        metadata: { name },
        spec: { lfhId: name, servers: ['tls://127.0.0.1:4999'] },
      });
      await at.kubectl(`wait --for=jsonpath={.status.name}=lfh-sync-${name} lfhpeer/${name} --timeout=30s`);
    }
    const settings = (): Promise<string> => at.kubectl('get configmap local-sidecar -o jsonpath={.data}');
    await until('the settings have both peers', async () => /peer-c/.test(await settings()));
    await at.waitForReconcile();
    assert.deepEqual((await at.workload()).spec, before.spec);
    assert.equal(await sets(), 2);
    await operator.stop();
    await operator.start();
    await at.waitForReconcile();
    // Even the time of the write is the same, so nothing was written.
    assert.deepEqual(
      (await at.workload()).metadata.managedFields?.filter(ours),
      before.metadata.managedFields?.filter(ours),
    );
    assert.equal((await at.workload()).metadata.generation, before.metadata.generation);
    await operator.stop();
    await operator.start('registry.example.org/lfh-sync:2');
    await at.waitForSidecar(
      'has the new image',
      ({ container }) => container?.image === 'registry.example.org/lfh-sync:2',
    );
    await at.waitForReconcile();
    assert.equal((await at.workload()).metadata.generation, (before.metadata.generation ?? 0) + 1);
    await operator.stop();
    await operator.start();
  });

  it("asks which container is connect's when that is unclear, and accepts its name", async () => {
    const at = space();
    const proxy = { name: 'proxy', image: 'proxy:1' };
    await at.apply(connectManifest({ container: 'app', more: [proxy] }));
    await at.makeNode(DEPLOYMENT);
    assert.match(await at.waitForReason('ContainerUnknown'), /has no container connect, but app, proxy/);
    await at.patchNode({ connect: { container: 'app' } });
    await at.waitForInjection();
    const another = connectManifest({ container: 'app', more: [proxy, { name: 'lfh-sync', image: 'own:1' }] });
    await assert.rejects(at.apply(another), /Duplicate value: "lfh-sync"/);
    await at.waitForReconcile();
    await at.waitForInjection();
  });

  it('reports what is in its way: an impossible name, a container of its name, a missing right', async () => {
    const at = space();
    const hostile = ['.', '..', '../../../api/v1/secrets', 'a/b?x=y#z', '%2e', 'connect\n', 'x'.repeat(253), '✓'];
    await at.makeNode({ workloadRef: { name: hostile[0] } });
    for (const name of hostile) {
      await at.patchNode({ connect: { workloadRef: { name } } });
      await at.waitForReconcile();
      await at.waitForReason('WorkloadMissing');
    }
    await at.apply(connectManifest({ more: [{ name: 'lfh-sync', image: 'own:1' }] }));
    await at.patchNode({ connect: DEPLOYMENT });
    assert.match(await at.waitForReason('Conflict'), /has a container or volume lfh-sync of its own/);
    await at.apply(connectManifest({ name: 'unlisted' }));
    await at.patchNode({ connect: { workloadRef: { name: 'unlisted' } } });
    assert.match(
      await at.waitForReason('InjectionRefused'),
      /unlisted.*forbidden.*add unlisted to watch\.names\.connect in the values/,
    );
    // No sidecar is in a workload that would keep the node from being deleted.
    await at.kubectl('delete lfhnode local --timeout=30s');
  });

  it('gives up for a while when somebody replaces the workload again and again', async () => {
    const at = await injected();
    // The controllers write to it as well, and then the replace has to be tried again.
    const replace = (image: string): Promise<void> =>
      until(`it is replaced by ${image}`, async () => {
        await at.kubectl('replace -f -', connectManifest({ image }));
        return true;
      });
    for (let n = 0; n < 5; n += 1) {
      await replace(`connect:${n}`);
      await at.waitForInjection();
    }
    await replace('connect:last');
    assert.match(await at.waitForReason('Conflict'), /taken out of Deployment\/connect 5 times.*kubectl-replace/);
    await at.waitForReconcile();
    assert.equal((await at.sidecarIn()).container, undefined);
  });

  it('can be removed by hand, as docs/injection.md says, when there is no operator any more', async () => {
    const at = space();
    await at.kubectl(APPLY, connectManifest());
    await at.makeNode(DEPLOYMENT);
    await at.waitForInjection();
    await operator.stop();
    const [, patch = ''] = /kubectl patch deployment connect -p '([^']+)'/.exec(await readFile(DOCS, 'utf8')) ?? [];
    await at.kubectl(`patch deployment connect -p ${JSON.stringify(JSON.parse(patch))}`);
    await at.waitForRemoval();
    // The managed fields that are left say that we own the container's name too, which keeps a person from renaming it.
    const renamed = connectManifest({ container: 'app' });
    await assert.rejects(at.kubectl(APPLY, renamed), /containers\[0\]\.image: Required value/);
    const [, steps = ''] = /--type=json -p '([^']+)'/.exec(await readFile(DOCS, 'utf8')) ?? [];
    const { managedFields = [] } = (await at.workload()).metadata;
    const line = steps.replaceAll('/1', `/${managedFields.findIndex(ours)}`);
    await at.kubectl(`patch deployment connect --type=json -p ${JSON.stringify(JSON.parse(line))}`);
    await at.kubectl(APPLY, renamed);
    await operator.start();
  });
});

/** Translates a source of a projected volume for the stand-in of the kubelet. */
function sourceOf(source: object): VolumeSource {
  const { configMap, secret } = source as {
    readonly configMap?: { readonly name: string; readonly optional: boolean };
    readonly secret?: {
      readonly name: string;
      readonly optional: boolean;
      readonly items: readonly { readonly key: string; readonly path: string }[];
    };
  };
  if (configMap) return { configMap: configMap.name, optional: configMap.optional };
  assert.ok(secret);
  return { secret: secret.name, optional: secret.optional, items: secret.items };
}

function ours({ manager }: { readonly manager?: string }): boolean {
  return manager === 'lfh-sync-injection';
}

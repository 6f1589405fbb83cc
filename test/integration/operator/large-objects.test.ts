import assert from 'node:assert/strict';
import { createLogger } from '../../../common/log.ts';
import {
  type ConfigMap,
  GROUP,
  KINDS,
  type Kind,
  type KubeObject,
  type Secret,
  type Service,
} from '../../../operator/api/objects.ts';
import { Informer, type Keeping } from '../../../operator/cluster/informer.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { ControlPlane } from '../../kit/servers/control-plane.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

/** Together these are larger than the heap that Node takes in a container of 256 MiB, which is the chart's limit. */
const MANY = 160;
const LARGE = 1_000_000;
/** So are these, by annotations, which Kubernetes takes up to 256 KiB of. */
const MANY_SERVICES = 600;
const ANNOTATION = 250_000;

/** This has a control plane of its own, so that other tests need not carry its large objects. */
describe('an operator in a namespace full of large ConfigMaps, Secrets and Services', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let namespace: string;
  let operator: OperatorProcess | undefined;
  const stopping = new AbortController();

  before(async function () {
    this.timeout(1_200_000);
    plane = await ControlPlane.start();
    await plane.installCrds();
    namespace = await plane.createNamespace('full');
    await Promise.all(
      Array.from({ length: 4 }, async (_none, worker) => {
        for (let n = worker; n < MANY; n += 4)
          await plane.api.create(configMap(`large-${n}`, { text: 'x'.repeat(LARGE) }));
        for (let n = worker; n < MANY_SERVICES; n += 4) await plane.api.create(service(n));
      }),
    );
    const release = Buffer.alloc(600_000).toString('base64');
    for (let n = 0; n < 4; n += 1) await plane.api.create(secret(`release-${n}`, { release }, 'helm.sh/release.v1'));
  });

  after(async () => {
    stopping.abort();
    await operator?.stop();
    await plane?.stop();
  });

  function configMap(name: string, data: Record<string, string>): ConfigMap {
    return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
  }

  function secret(name: string, data: Record<string, string>, type: string): Secret {
    return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type, data };
  }

  function service(n: number): Service {
    const metadata = { name: `service-${n}`, namespace, annotations: { filling: 'x'.repeat(ANNOTATION) } };
    return { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 4222 }] } };
  }

  it('stays within its memory, and still follows a large ConfigMap that a peer refers to', async () => {
    const own = await plane.createNamespace('operator');
    const kubeconfig = await grantOperatorRights(plane, own, [namespace]);
    operator = await OperatorProcess.start(plane, { kubeconfig, namespace: own, namespaces: [namespace] });
    const [before, after] = [await createCertificateAuthority('before'), await createCertificateAuthority('after')];
    const more = 'x'.repeat(LARGE - 100_000);
    await plane.api.create(configMap('ca-of-b', { 'ca.crt': before.ca, more }));
    const { apiVersion } = KINDS.peer;
    const server = `tls://127.0.0.1:${await freePort()}`;
    const node = { lfhId: 'hospital-a', nats: { servers: [server] }, kafka: { brokers: ['127.0.0.1:9092'] } };
    const peer = { lfhId: 'hospital-b', servers: [server], ca: { configMapRef: { name: 'ca-of-b' } } };
    await plane.apply(
      [
        { apiVersion, kind: 'LfhSyncNode', metadata: { name: 'local' }, spec: node },
        { apiVersion, kind: 'LfhSyncPeer', metadata: { name: 'hospital-b' }, spec: peer },
      ],
      namespace,
    );
    await trusts(before.ca);
    await plane.api.apply(configMap('ca-of-b', { 'ca.crt': after.ca, more }));
    await trusts(after.ca);
    assert.ok(operator.process.running);
  });

  async function trusts(ca: string): Promise<void> {
    await until("the peer's CA is what the ConfigMap has", async () => {
      const settings = await plane.api.get<ConfigMap>(KINDS.configMap, namespace, 'local-sidecar');
      return JSON.stringify(settings?.data ?? {}).includes(JSON.stringify(ca.trim()).slice(1, -1));
    });
  }

  /** Lists objects with the operator's own informer. */
  async function listed<Value extends KubeObject>(kind: Kind, keeping: Keeping<Value>): Promise<Informer<Value>> {
    const log = createLogger({ name: 'test', level: 'fatal' });
    const informer = new Informer<Value>(plane.api, kind, namespace, log, { keep: 'identity', ...keeping });
    void informer.run(stopping.signal);
    await informer.listed;
    return informer;
  }

  it('lists objects in parts, keeps only the names of them, and follows as a whole those it is asked for', async () => {
    const annotations = {
      [`${GROUP}/workload`]: 'Deployment/connect',
      [`${GROUP}/x`]: 'x'.repeat(LARGE / 5),
      other: 'x',
    };
    const { metadata, ...rest } = configMap('noted', { text: 'x'.repeat(LARGE / 5) });
    await plane.api.create({ ...rest, metadata: { ...metadata, annotations } });
    const informer = await listed<ConfigMap>(KINDS.configMap, {});
    const whole = async (...names: string[]): Promise<ConfigMap | undefined> =>
      (await informer.whole('test', namespace, names)).get(names.at(-1) ?? '');
    const large = informer.all().filter(({ metadata }) => metadata.name.startsWith('large-'));
    assert.equal(large.length, MANY);
    assert.ok(large.every(({ data }) => data === undefined));
    // The operator notes the workload that has a sidecar in this annotation, and reads it for all nodes at once.
    const noted = informer.get(namespace, 'noted')?.metadata.annotations;
    assert.deepEqual(noted, { [`${GROUP}/workload`]: 'Deployment/connect' });
    assert.equal(textOf(await whole('large-7')).length, LARGE);
    assert.equal(textOf(informer.get(namespace, 'large-7')).length, LARGE);
    for (const name of ['large-7', 'large-8']) await plane.api.apply(configMap(name, { text: 'y'.repeat(LARGE) }));
    const now = (await plane.api.get(KINDS.configMap, namespace, 'large-8'))?.metadata.resourceVersion;
    const isSeen = (): boolean => informer.get(namespace, 'large-8')?.metadata.resourceVersion === now;
    await until('both changes are seen', isSeen);
    assert.match(textOf(informer.get(namespace, 'large-7')), /^y/);
    assert.equal(textOf(informer.get(namespace, 'large-8')), '');
    assert.match(textOf(await whole('large-7', 'large-8')), /^y/);
    assert.match(textOf(informer.get(namespace, 'large-7')), /^y/);
    // What is not asked for any more is not kept any more, unless somebody else asks for it.
    await informer.whole('another', namespace, ['large-8']);
    await whole('large-9');
    assert.deepEqual(
      ['large-7', 'large-8', 'large-9'].map((name) => textOf(informer.get(namespace, name)).length),
      [0, LARGE, LARGE],
    );
    assert.ok(informer.all().every(({ metadata }) => metadata.managedFields === undefined));
  });

  it('does not follow the Secrets in which Helm keeps its revisions', async () => {
    const informer = await listed<Secret>(KINDS.secret, { fieldSelector: 'type!=helm.sh/release.v1' });
    await plane.api.create(secret('release-9', {}, 'helm.sh/release.v1'));
    await plane.api.create(secret('small', { a: 'YQ==' }, 'Opaque'));
    await until('a Secret is seen', () => informer.get(namespace, 'small') !== undefined);
    assert.equal(informer.get(namespace, 'small')?.data, undefined);
    assert.deepEqual(
      informer
        .all()
        .map(({ metadata }) => metadata.name)
        .filter((name) => name.startsWith('release-')),
      [],
    );
  });
});

function textOf(found: ConfigMap | undefined): string {
  return found?.data?.text ?? '';
}

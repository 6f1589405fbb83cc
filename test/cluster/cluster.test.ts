import assert from 'node:assert/strict';
import { natsIncludes } from '../../operator/plan/nats/permissions.ts';
import { until } from '../kit/processes/process.ts';
import { readTopic } from '../kit/servers/topic-reader.ts';
import { Cluster } from './cluster.ts';
import { ClusterSite } from './cluster-site.ts';
import { importImages } from './images.ts';
import { siteImages } from './site-images.ts';
import { finished, RESTRICTED, workload } from './workloads.ts';

/** Tests of the product rely on this being a cluster like others. This needs `make cluster-up`. */

const PATIENCE_MS = 180_000;
/** A container that runs a line of JavaScript. */
function node(name: string, script: string, more: object = {}): object {
  const image = 'docker.io/library/lfh-sync-test-site:1';
  const args = ['--input-type=module', '--eval', script];
  return { name, image, imagePullPolicy: 'Never', args, securityContext: RESTRICTED, ...more };
}

/** A server that closes each connection, so that a Service can send the next one to another pod. */
const answering = (expression: string): string =>
  `import{createServer}from'node:http';import{readFileSync}from'node:fs';import{hostname}from'node:os';
   const server=createServer((q,r)=>r.setHeader('connection','close').end(String(${expression}))).listen(8080);
   process.once('SIGTERM',()=>{server.close();server.closeAllConnections()})`;
const READY = { readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1, timeoutSeconds: 5 } };

describe('the cluster', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let namespace: string;

  before(async () => {
    cluster = await Cluster.connect();
    await importImages(await siteImages());
    namespace = await cluster.createNamespace('cluster');
  });

  after(() => cluster.removeNamespace(namespace));

  async function text(address: string): Promise<string> {
    return (await fetch(`http://${address}:8080`, { signal: AbortSignal.timeout(5_000) })).text();
  }

  it('runs pods behind a Service, which answer to this machine', async () => {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' } };
    await cluster.apply(
      [
        workload('Deployment', 'web', { containers: [node('main', answering('hostname()'), READY)] }, { replicas: 2 }),
        { ...service, spec: { selector: { app: 'web' }, ports: [{ port: 8080 }] } },
      ],
      namespace,
    );
    await cluster.rolledOut('deployment/web', namespace, PATIENCE_MS);
    const address = await cluster.serviceAddress('web', namespace);
    const seen = new Set<string>();
    await until('both pods have answered', async () => seen.add(await text(address)).size === 2, PATIENCE_MS);
  });

  it('tells pods by DNS where Services are, and that it does not know others', async () => {
    const script = `import{lookup}from'node:dns/promises';
      const names=['web','web.${namespace}.svc','kubernetes.default.svc.cluster.local','example.org'];
      for(const name of names)console.log(await lookup(name).then(({address})=>address,({code})=>code));
      console.log(await(await fetch('http://web:8080')).text())`;
    await cluster.apply(
      [workload('Job', 'asks', { restartPolicy: 'Never', containers: [node('main', script)] })],
      namespace,
    );
    const web = await cluster.serviceAddress('web', namespace);
    const [short, long, api, unknown, answer] = (await finished(cluster, namespace, 'asks')).split('\n');
    assert.deepEqual([short, long, api, unknown], [web, web, '10.213.128.1', 'ENOTFOUND']);
    assert.match(answer ?? '', /^web-/);
  });

  it('runs a native sidecar: started before the container beside it, and ended after it', async () => {
    const startupProbe = {
      httpGet: { path: '/', port: 8080 },
      periodSeconds: 1,
      timeoutSeconds: 5,
      failureThreshold: 60,
    };
    const sidecar = node('sidecar', answering('"beside"'), { restartPolicy: 'Always', startupProbe });
    const main = node('main', `console.log(await(await fetch('http://localhost:8080')).text())`);
    const pod = { restartPolicy: 'Never', initContainers: [sidecar], containers: [main] };
    await cluster.apply([workload('Job', 'with-sidecar', pod)], namespace);
    assert.equal(await finished(cluster, namespace, 'with-sidecar'), 'beside');
  });

  it('brings a changed ConfigMap into a pod at once when the pod is annotated, and restarts nothing', async () => {
    const config = (value: string): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'mounted' },
      data: { value },
    });
    const main = node('main', answering(`readFileSync('/etc/mounted/value')`), {
      ...READY,
      volumeMounts: [{ name: 'mounted', mountPath: '/etc/mounted', readOnly: true }],
    });
    const pod = { containers: [main], volumes: [{ name: 'mounted', configMap: { name: 'mounted' } }] };
    await cluster.apply([config('before'), workload('StatefulSet', 'reads', pod, { serviceName: 'reads' })], namespace);
    await cluster.rolledOut('statefulset/reads', namespace, PATIENCE_MS);
    const found = await cluster.get<{ metadata: { uid: string }; status: { podIP: string } }>(
      'pod/reads-0',
      '-n',
      namespace,
    );
    assert.equal(await text(found.status.podIP), 'before');

    await cluster.apply([config('after')], namespace);
    const annotated = performance.now();
    await cluster.kubectl(['annotate', 'pod/reads-0', '-n', namespace, 'looks=now']);
    await until('it has arrived', async () => (await text(found.status.podIP)) === 'after', 15_000, 50);
    console.log(`      arrived ${((performance.now() - annotated) / 1000).toFixed(1)} s after the annotation`);
    const same = await cluster.get<{ metadata: { uid: string } }>('pod/reads-0', '-n', namespace);
    assert.equal(same.metadata.uid, found.metadata.uid);
  });

  it('runs a site: what connect takes in is in Kafka and on NATS, also after both have started anew; NATS reloads', async () => {
    const site = await ClusterSite.create(cluster, namespace, 'hospital');
    const access = { account: 'LFH', own: [], users: [site.connectKey], peers: [] };
    const { mainAccount, peerAccounts } = natsIncludes(access);
    const includes = (more = ''): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'local-nats' },
      data: { 'lfh-sync.conf': `${more}${mainAccount}`, 'lfh-sync-peers.conf': peerAccounts },
    });
    await cluster.apply([includes()], namespace);
    await site.running(PATIENCE_MS);
    const first = await site.takeIn('/fhir/Patient', { resourceType: 'Patient', name: [{ family: 'Ögürlü' }] });
    assert.equal(first.data_record_location, 'FHIR-R4:0:0');
    // Each is announced once, and to applications as well, which comes behind the answer; and the times of connect's five steps are published.
    const stored = async (): Promise<number> => (await monitored<{ messages: number }>('jsz')).messages;
    await until('all of the first is published', async () => (await stored()) >= 7, 10_000);

    await cluster.kubectl(['delete', 'pod', 'nats-0', '-n', namespace]);
    await cluster.kubectl(['rollout', 'restart', 'deployment/connect', '-n', namespace]);
    await site.running(PATIENCE_MS);
    // Until it is gone, a connection may still be led to the old pod, which refuses it.
    const ending = ['get', 'pods', '-n', namespace, '-l', 'app=connect', '-o', 'jsonpath={..deletionTimestamp}'];
    await until('no pod of connect is ending', async () => (await cluster.kubectl(ending)).stdout === '', PATIENCE_MS);
    const second = await site.takeIn('/fhir/Patient', { resourceType: 'Patient' });
    assert.equal(second.data_record_location, 'FHIR-R4:0:1');
    const records = await readTopic(await site.kafka(), 'FHIR-R4');
    assert.deepEqual(
      records.map(({ value }) => (JSON.parse(value.toString('utf8')) as { uuid: string }).uuid),
      [first.uuid, second.uuid],
    );
    await until('all is published', async () => (await stored()) >= 2 * 7, 10_000);
    assert.equal(await stored(), 2 * 7);

    const before = await monitored<{ config_load_time: string; start: string }>('varz');
    await cluster.apply([includes('# Changed.\n')], namespace);
    const annotated = performance.now();
    await cluster.kubectl(['annotate', 'pod/nats-0', '-n', namespace, 'looks=now']);
    let after = before;
    await until(
      'nats-server has reloaded',
      async () => {
        after = await monitored('varz');
        return after.config_load_time !== before.config_load_time;
      },
      15_000,
      100,
    );
    console.log(`      reloaded ${((performance.now() - annotated) / 1000).toFixed(1)} s after the annotation`);
    assert.equal(after.start, before.start);

    /** An answer of nats-server's monitoring port. */
    async function monitored<Answer>(what: string): Promise<Answer> {
      const { status } = await cluster.get<{ status: { podIP: string } }>('pod/nats-0', '-n', namespace);
      return (await fetch(`http://${status.podIP}:8222/${what}`)).json() as Promise<Answer>;
    }
  });
});

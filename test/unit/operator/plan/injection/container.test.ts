import assert from 'node:assert/strict';
import { fhirServerId } from '../../../../../common/contract/names.ts';
import { decodeSettings } from '../../../../../common/contract/settings.ts';
import { splitHostPort } from '../../../../../common/server-url.ts';
import { readDefinitions, type Schema } from '../../../../../crds/read.ts';
import type { NodeObject } from '../../../../../operator/plan/observed/observed.ts';
import { appliedPod } from './applied-pod.ts';
import { node, workload } from './fixtures.ts';

function schemaOf(kind: string, ...path: readonly string[]): Schema {
  let at = readDefinitions().find((definition) => definition.kind === kind)?.schema;
  for (const name of path) at = at?.properties?.[name];
  assert.ok(at, path.join('.'));
  return at;
}

describe('the injected container', () => {
  it('names the settings directory that it mounts, and the port that the sidecar listens on', () => {
    for (const [sidecar, port] of [
      [{}, splitHostPort(decodeSettings(() => undefined).httpAddress).port],
      [{ httpPort: 19_877 }, 19_877],
    ] as const) {
      const [container] = appliedPod(node(undefined, undefined, { spec: { sidecar } })).initContainers;
      const env = new Map(container?.env.map(({ name, value }) => [name, value]));
      const mounted = container?.volumeMounts[0]?.mountPath;
      assert.equal(env.get('LFH_SYNC_SETTINGS_DIR'), mounted);
      assert.equal(env.get('LFH_SYNC_SECRETS_DIR'), `${mounted}/secrets`);
      assert.equal(env.get('NODE_OPTIONS'), '--max-semi-space-size=16');
      assert.equal(decodeSettings((name) => env.get(name)).httpAddress, `[::]:${port}`);
      assert.equal(container?.ports[0]?.containerPort, port);
      assert.equal(container?.livenessProbe.httpGet.port, port);
    }
  });

  it('has a probe, with which Kubernetes refuses it where something has taken its restartPolicy: it would never end', () => {
    // "may not be set for init containers without restartPolicy=Always" (kube-apiserver 1.37.2).
    const [container] = appliedPod(node()).initContainers;
    assert.equal(container?.restartPolicy, 'Always');
    assert.ok(container.livenessProbe);
  });

  it('never runs as root, and runs as the user of the image or the cluster in any other pod', () => {
    const userIn = (securityContext: object): number | undefined =>
      appliedPod(node(), workload({ securityContext })).initContainers[0]?.securityContext.runAsUser;
    assert.deepEqual([userIn({}), userIn({ runAsUser: 1000 })], [undefined, undefined]);
    assert.ok((userIn({ runAsUser: 0 }) ?? 0) > 0);
  });

  it("has the resources of the node's spec, and the defaults of the CRD for what the spec leaves out", () => {
    const resourcesOf = (resources?: NonNullable<NodeObject['spec']['connect']>['resources']): unknown => {
      const connect = { workloadRef: { name: 'connect' }, ...(resources && { resources }) };
      return appliedPod(node(connect)).initContainers[0]?.resources;
    };
    const { requests } = schemaOf('LfhSyncNode', 'spec', 'connect', 'resources').properties ?? {};
    const { cpu, memory } = requests?.properties ?? {};
    const fallback = { cpu: cpu?.default, memory: memory?.default };
    assert.ok(fallback.cpu && fallback.memory);
    assert.deepEqual(resourcesOf(), { requests: fallback });
    assert.deepEqual(resourcesOf({ requests: { cpu: '1' } }), { requests: { ...fallback, cpu: '1' } });
    const limits = { cpu: '2', memory: '1Gi', 'ephemeral-storage': '1Gi' };
    assert.deepEqual(resourcesOf({ limits }), { requests: fallback, limits });
  });

  it('mounts every secret where no entry of a ConfigMap can be', () => {
    const sasl = { mechanism: 'plain', username: 'u', passwordSecretRef: { name: 'kafka-user' } } as const;
    const [volume] = appliedPod(node(undefined, undefined, { spec: { kafka: { brokers: ['k:1'], sasl } } })).volumes;
    const paths = JSON.stringify(volume?.projected.sources).match(/"path":"[^"]*"/g);
    assert.equal(paths?.length, 3);
    for (const path of paths) assert.match(path, /^"path":"secrets\/[^/]+"$/);
  });

  it('mounts as many ConfigMaps as there may be, so that no pod changes when one more is needed', () => {
    const sources = appliedPod(node()).volumes[0]?.projected.sources ?? [];
    const names = ['local-sidecar', 'local-sidecar-2', 'local-sidecar-3'];
    assert.deepEqual(
      sources.filter((source) => 'configMap' in source),
      names.map((name) => ({ configMap: { name, optional: true } })),
    );
  });

  it("mounts the key that was brought, and only the password of the password's Secret", () => {
    const passwordSecretRef = { name: 'kafka-user', key: 'pw' };
    const spec = {
      key: { secretRef: { name: 'brought' } },
      kafka: { brokers: ['k:1'], sasl: { mechanism: 'plain', username: 'u', passwordSecretRef } },
    };
    const [, , , key, password] = appliedPod(node(undefined, undefined, { spec })).volumes[0]?.projected.sources ?? [];
    assert.match(JSON.stringify(key), /"brought"/);
    const items = [{ key: 'pw', path: 'secrets/kafka-password' }];
    assert.deepEqual(password, { secret: { name: 'kafka-user', items, optional: true } });
  });

  it('mounts what a FHIR server is signed in with, and is the same whichever way that is', () => {
    const url = 'https://fhir.example.org/r4';
    const fhirServers = [{ url, secretRef: { name: 'fhir' } }, { url: 'https://open.example.org' }];
    const [, , , , fhir, ...others] =
      appliedPod(node(undefined, undefined, { spec: { fhirServers } })).volumes[0]?.projected.sources ?? [];
    const id = fhirServerId(url);
    const items = ['username', 'password', 'token'].map((key) => ({ key, path: `secrets/${id}.${key}` }));
    assert.deepEqual(fhir, { secret: { name: 'fhir', items, optional: true } });
    assert.deepEqual(others, []);
  });
});

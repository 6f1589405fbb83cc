import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeSettings } from '../../../../../common/contract/settings.ts';
import { readDefinitions, type Schema } from '../../../../../crds/read.ts';
import type {
  ConfigMap,
  Container,
  FieldSet,
  JsonPatchStep,
  ManagedFields,
  PodSpec,
  Volume,
  Workload,
} from '../../../../../operator/api/objects.ts';
import { readConfig } from '../../../../../operator/config.ts';
import { sidecarVolume } from '../../../../../operator/plan/injection/container.ts';
import { INJECTION_MANAGER, injectionOf } from '../../../../../operator/plan/injection/injection.ts';
import { isAnothers, removalOf } from '../../../../../operator/plan/injection/removal.ts';
import {
  awaitedRollout,
  foughtOver,
  injectionStep,
  isWritten,
  type StepInput,
  type Written,
  withRecordedWorkload,
  written,
} from '../../../../../operator/plan/injection/step.ts';
import { NODE_LABEL, WORKLOAD_NOTE } from '../../../../../operator/plan/observed/names.ts';
import type { NodeObject, References } from '../../../../../operator/plan/observed/observed.ts';

const SUBSCRIBERS = 'NATS_SYNC_SUBSCRIBERS';
const NOTHING: References = { configMap: () => undefined, secret: () => undefined };

function node(
  connect: NodeObject['spec']['connect'] | null = { workloadRef: { name: 'connect' } },
  held?: string,
  { name = 'local', age = 1, spec = {} }: { name?: string; age?: number; spec?: object } = {},
): NodeObject {
  return {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncNode',
    metadata: { name, namespace: 'lfh', uid: name, creationTimestamp: `2026-11-2${age}T00:00:00Z` },
    spec: {
      lfhId: name,
      nats: { servers: ['tls://nats:4222'] },
      kafka: { brokers: ['kafka:9092'] },
      ...(connect && { connect }),
      ...spec,
    },
    ...(held !== undefined && { status: { workload: held } }),
  };
}

function workload(pod: Partial<Workload['spec']['template']['spec']> = {}, more: Partial<Workload> = {}): Workload {
  const { metadata, spec, status } = more;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'connect', namespace: 'lfh', uid: 'u', resourceVersion: '7', generation: 3, ...metadata },
    spec: { selector: {}, template: { spec: { containers: [{ name: 'connect' }], ...pod } }, ...spec },
    ...(status && { status }),
  };
}

function outcomeOf(containers: readonly Container[], of = node(), references = NOTHING): string {
  const found = injectionOf({ node: of, image: 'i', workload: workload({ containers }), references });
  return found.refusal ? found.refusal.reason : 'Injected';
}

function schemaOf(kind: string, ...path: readonly string[]): Schema {
  let at = readDefinitions().find((definition) => definition.kind === kind)?.schema;
  for (const name of path) at = at?.properties?.[name];
  assert.ok(at, path.join('.'));
  return at;
}

interface AppliedPod {
  readonly initContainers: readonly {
    readonly env: readonly { readonly name: string; readonly value: string }[];
    readonly ports: readonly { readonly containerPort: number }[];
    readonly resources: object;
    readonly securityContext: { readonly runAsUser?: number };
    readonly volumeMounts: readonly { readonly mountPath: string }[];
  }[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly projected: { readonly sources: readonly object[] } }[];
}

function applied(of: NodeObject, into = workload()): AppliedPod {
  const found = injectionOf({ node: of, image: 'i', workload: into, references: NOTHING });
  assert.ok(!found.refusal);
  return (found.spec as { template: { spec: AppliedPod } }).template.spec;
}

describe('what is put into a workload', () => {
  const env = (name: string, value?: string): Container => ({
    name: 'connect',
    env: [value === undefined ? { name, valueFrom: {} } : { name, value }],
  });
  const from = (source: object, prefix?: string): Container => ({
    name: 'connect',
    envFrom: [{ ...source, ...(prefix !== undefined && { prefix }) }],
  });
  const texts = (data: Record<string, string>): References => ({
    configMap: (name) => (name === 'settings' ? data : undefined),
    secret: (name) => (name === 'settings' ? data : undefined),
  });
  const configMap = { configMapRef: { name: 'settings' } };

  const table: [string, Container, string, Record<string, string>?][] = [
    ['nothing about subscribers', { name: 'connect' }, 'Injected'],
    ['our own empty list', env(SUBSCRIBERS, '[]'), 'Injected'],
    ['a list', env(SUBSCRIBERS, '["tls://a:4222"]'), 'ConnectAlsoSubscribes'],
    ['an empty list written otherwise, which two could fight about', env(SUBSCRIBERS, '[ ]'), 'ConnectAlsoSubscribes'],
    ['an empty text', env(SUBSCRIBERS, ''), 'ConnectAlsoSubscribes'],
    ['a value from elsewhere', env(SUBSCRIBERS), 'ConnectAlsoSubscribes'],
    ['a list under a name in small letters', env('nats_sync_subscribers', '["a"]'), 'ConnectAlsoSubscribes'],
    ['an empty list under such a name', env('nats_sync_subscribers', '[]'), 'Injected'],
    ['a similar name', env('MY_NATS_SYNC_SUBSCRIBERS', '["a"]'), 'Injected'],
    ['a ConfigMap with a list', from(configMap), 'ConnectAlsoSubscribes', { [SUBSCRIBERS]: '["a"]' }],
    ['a ConfigMap with an empty list', from(configMap), 'Injected', { [SUBSCRIBERS]: ' [ ] ' }],
    ['a ConfigMap that is not there', from({ configMapRef: { name: 'gone' } }), 'Injected', { [SUBSCRIBERS]: '["a"]' }],
    [
      'a Secret with a list',
      from({ secretRef: { name: 'settings' } }),
      'ConnectAlsoSubscribes',
      { [SUBSCRIBERS]: 'a' },
    ],
    ['half of the name in a prefix', from(configMap, 'NATS_'), 'ConnectAlsoSubscribes', { SYNC_SUBSCRIBERS: '["a"]' }],
    ['another prefix', from(configMap, 'X_'), 'Injected', { [SUBSCRIBERS]: '["a"]' }],
  ];
  for (const [what, container, wanted, data = {}] of table) {
    it(`${wanted}: connect has ${what}`, () => assert.equal(outcomeOf([container], node(), texts(data)), wanted));
  }

  it("goes beside connect's container: the only one, the one named connect, or the one that is named", () => {
    const both = [{ name: 'app' }, { name: 'proxy' }];
    assert.equal(outcomeOf([{ name: 'app' }]), 'Injected');
    assert.equal(outcomeOf([{ name: 'proxy' }, { name: 'connect' }]), 'Injected');
    assert.equal(outcomeOf(both), 'ContainerUnknown');
    const named = (container: string): NodeObject => node({ workloadRef: { name: 'connect' }, container });
    assert.equal(outcomeOf(both, named('app')), 'Injected');
    assert.equal(outcomeOf([{ name: 'app' }], named('connect')), 'ContainerUnknown');
    assert.equal(applied(named('app'), workload({ containers: both })).containers[0]?.name, 'app');
  });

  it('keeps off what somebody else has given our name, unless it is known to be ours', () => {
    const pods = [
      { containers: [{ name: 'connect' }, { name: 'lfh-sync' }] },
      { initContainers: [{ name: 'lfh-sync' }] },
      { volumes: [{ name: 'lfh-sync' }] },
    ];
    const outcomes = (of: NodeObject, managedFields: readonly ManagedFields[]): string[] =>
      pods.map((pod) => {
        const into = workload(pod, { metadata: metadata(managedFields) });
        return injectionOf({ node: of, image: 'i', workload: into, references: NOTHING }).refusal?.reason ?? 'Injected';
      });
    const known = ['Conflict', 'Injected', 'Injected'];
    assert.deepEqual(outcomes(node(), [{ manager: 'kubectl' }]), ['Conflict', 'Conflict', 'Conflict']);
    assert.deepEqual(outcomes(node(undefined, 'Deployment/connect'), []), known);
    assert.deepEqual(outcomes(node(), [{ manager: INJECTION_MANAGER }]), known);
  });

  it('is told nothing that sidecars would not understand, and keeps to what they assume of themselves', () => {
    const [container] = applied(node()).initContainers;
    const [mount] = container?.volumeMounts ?? [];
    assert.deepEqual(container?.env, [{ name: 'LFH_SYNC_SETTINGS_DIR', value: mount?.mountPath }]);
    const port = Number(decodeSettings(() => undefined).httpAddress.split(':')[1]);
    assert.equal(container?.ports[0]?.containerPort, port);
  });

  it('has the image that the operator is told, which must be one', () => {
    assert.equal(
      readConfig({ LFH_SYNC_IMAGE: 'r.example.org:5000/a/b:1@sha256:0' }).image,
      'r.example.org:5000/a/b:1@sha256:0',
    );
    assert.equal(readConfig({}).image, undefined);
    for (const wrong of ['', 'two words', 'a\n']) {
      assert.throws(() => readConfig({ LFH_SYNC_IMAGE: wrong }), /LFH_SYNC_IMAGE: expected the name of an image/);
    }
  });

  it('is never root, and otherwise whoever the image or the cluster makes it', () => {
    const userIn = (securityContext: object): number | undefined =>
      applied(node(), workload({ securityContext })).initContainers[0]?.securityContext.runAsUser;
    assert.deepEqual([userIn({}), userIn({ runAsUser: 1000 })], [undefined, undefined]);
    assert.ok((userIn({ runAsUser: 0 }) ?? 0) > 0);
  });

  it('asks for and may use what the node says, and what the CRD says where the node does not', () => {
    const resourcesOf = (resources?: NonNullable<NodeObject['spec']['connect']>['resources']): unknown => {
      const connect = { workloadRef: { name: 'connect' }, ...(resources && { resources }) };
      return applied(node(connect)).initContainers[0]?.resources;
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

  it("mounts the key that was brought, and of the password's Secret only the password", () => {
    const passwordSecretRef = { name: 'kafka-user', key: 'pw' };
    const spec = {
      key: { secretRef: { name: 'brought' } },
      kafka: { brokers: ['k:1'], sasl: { mechanism: 'plain', username: 'u', passwordSecretRef } },
    };
    const [, key, password] = applied(node(undefined, undefined, { spec })).volumes[0]?.projected.sources ?? [];
    assert.match(JSON.stringify(key), /"brought"/);
    const items = [{ key: 'pw', path: 'kafka-password' }];
    assert.deepEqual(password, { secret: { name: 'kafka-user', items, optional: true } });
  });
});

describe('the next step with a sidecar', () => {
  const HELD = 'Deployment/connect';
  const step = (input: Partial<StepInput>): string => {
    const full = {
      node: node(),
      otherNodes: [],
      references: NOTHING,
      image: 'i',
      workload: workload(),
      mayBegin: true,
    };
    const next = injectionStep({ ...full, ...input });
    if (next.step === 'putIn') return 'put in';
    const { workload: of = '-', refusal, awaited } = next.outcome;
    const taken = next.step === 'takeOut' ? `take out of ${next.workload}, ` : '';
    return `${taken}${of} ${refusal?.reason ?? (awaited === undefined ? '' : 'awaited')}`.trim();
  };
  const elsewhere = node({ workloadRef: { kind: 'StatefulSet', name: 'connect' } }, HELD);
  const subscribing = workload({ containers: [{ name: 'connect', env: [{ name: SUBSCRIBERS, value: 'x' }] }] });
  const younger = node(undefined, undefined, { name: 'other', age: 2 });
  const older = node(undefined, undefined, { name: 'other', age: 0 });
  const holder = node(null, HELD, { name: 'other', age: 2 });
  const far = { ...older, metadata: { ...older.metadata, namespace: 'far' } };

  const table: [string, string, Partial<StepInput>][] = [
    ['nothing is wanted', '-', { node: node(null) }],
    ['it was told where', `${HELD} awaited`, {}],
    ['and that was written down', 'put in', { node: node(undefined, HELD) }],
    ['there is no key or no settings yet', '-', { mayBegin: false }],
    ['they are gone again', HELD, { node: node(undefined, HELD), mayBegin: false }],
    ['the operator knows no image', '- NoImage', { image: undefined }],
    ['it does not any more', `${HELD} NoImage`, { node: node(undefined, HELD), image: undefined }],
    ['there is no workload', '- WorkloadMissing', { workload: undefined }],
    ['connect subscribes', '- ConnectAlsoSubscribes', { workload: subscribing }],
    [
      'connect begins to',
      `take out of ${HELD}, - ConnectAlsoSubscribes`,
      { node: node(undefined, HELD), workload: subscribing },
    ],
    ['another workload is wanted', `take out of ${HELD}, -`, { node: elsewhere }],
    ['none is wanted any more', `take out of ${HELD}, -`, { node: node(null, HELD) }],
    ['none is, and nobody knows an image', `take out of ${HELD}, -`, { node: node(null, HELD), image: undefined }],
    ['a younger node wants it too', 'put in', { node: node(undefined, HELD), otherNodes: [younger] }],
    ['an older node does', '- Conflict', { otherNodes: [older] }],
    ['an older one begins to', `take out of ${HELD}, - Conflict`, { node: node(undefined, HELD), otherNodes: [older] }],
    ['another one has it still', '- Conflict', { otherNodes: [holder] }],
    ['one in another namespace wants one of that name', `${HELD} awaited`, { otherNodes: [far] }],
  ];
  for (const [when, wanted, input] of table) it(`${wanted}: ${when}`, () => assert.equal(step(input), wanted));

  it('lets at most one node put its sidecar into a workload, and some node in the end', () => {
    const specs = fc.array(
      fc.record({ wants: fc.constantFrom('a', 'b', undefined), held: fc.constantFrom('a', 'b', undefined) }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(specs, (all) => {
        // What no run of the operator leads to: two that hold the same.
        const seen = new Set<string>();
        let nodes = all.map(({ wants, held }, index) => {
          const holds = held !== undefined && !seen.has(held) ? held : undefined;
          if (holds !== undefined) seen.add(holds);
          const connect = wants === undefined ? null : { workloadRef: { name: wants } };
          return node(connect, holds && `Deployment/${holds}`, { name: `n${index}`, age: index });
        });
        for (let round = 0; round < 6; round += 1) {
          for (const [index, one] of nodes.entries()) {
            const otherNodes = nodes.filter((other) => other !== one);
            const given = { references: NOTHING, image: 'i', workload: workload(), mayBegin: true };
            const next = injectionStep({ ...given, node: one, otherNodes });
            const holds = next.step === 'putIn' ? one.status?.workload : next.outcome.workload;
            const status = holds === undefined ? {} : { workload: holds };
            nodes = nodes.with(index, { ...one, status });
            const held = nodes.flatMap(({ status }) => status?.workload ?? []);
            assert.equal(new Set(held).size, held.length);
          }
        }
        const held = new Set(nodes.flatMap(({ status }) => status?.workload ?? []));
        const wanted = new Set(all.flatMap(({ wants }) => (wants === undefined ? [] : [`Deployment/${wants}`])));
        assert.deepEqual(held, wanted);
      }),
    );
  });
});

describe('a node that was made again', () => {
  const noted = (workloadNote: string, of = 'local'): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'local-nats', labels: { [NODE_LABEL]: of }, annotations: { [WORKLOAD_NOTE]: workloadNote } },
  });
  const note = noted('Deployment/before');
  const had: NodeObject = { ...node(), status: { observedGeneration: 1 } };

  it('holds before its first turn what one of its name has held, and then what its status says', () => {
    assert.equal(withRecordedWorkload(node(), note).status?.workload, 'Deployment/before');
    const asItIs: readonly [NodeObject, ConfigMap | undefined][] = [
      [node(), undefined],
      [had, note],
      [node(), noted('Deployment/before', 'second')],
      ...['', 'before', 'Pod/before', 'Deployment/', 'Deployment/a/b', 'Deployment/../x'].map(
        (text): [NodeObject, ConfigMap] => [node(), noted(text)],
      ),
    ];
    for (const [one, found] of asItIs) assert.equal(withRecordedWorkload(one, found), one);
  });

  it('has the sidecar taken out where it is not wanted any more, and keeps it where it is', () => {
    const step = (of: NodeObject): string => {
      const input = { otherNodes: [], references: NOTHING, image: 'i', workload: workload(), mayBegin: true };
      const next = injectionStep({ ...input, node: withRecordedWorkload(of, note) });
      return next.step === 'takeOut' ? `takeOut ${next.workload}` : next.step;
    };
    assert.equal(step(node()), 'takeOut Deployment/before');
    assert.equal(step(node(null)), 'takeOut Deployment/before');
    assert.equal(step(node({ workloadRef: { name: 'before' } })), 'putIn');
    assert.equal(step({ ...had, spec: node(null).spec }), 'none');
  });
});

describe('taking the sidecar out', () => {
  const name = fc.constantFrom('lfh-sync', 'connect', 'app', 'proxy');
  const plain = { noNullPrototype: true };
  const entry = fc.record(
    {
      name: fc.constantFrom(SUBSCRIBERS, 'CONNECT_LFH_ID', 'OTHER'),
      value: fc.constantFrom('[]', '["tls://a:4222"]', ''),
    },
    plain,
  );
  const entries = fc.uniqueArray(entry, { selector: (each) => each.name, maxLength: 3 });
  const container = fc.record({ name, env: entries }, plain);
  const list = fc.uniqueArray(container, { selector: (each) => each.name, maxLength: 3 });
  const manager = fc.record({ manager: fc.constantFrom(INJECTION_MANAGER, 'helm', 'kubectl'), owns: fc.array(name) });

  it('leaves everything that is not ours as it is, and nothing that is', () => {
    fc.assert(
      fc.property(list, list, fc.uniqueArray(name), fc.array(manager, { maxLength: 4 }), (init, main, volumes, all) => {
        const containers = main.filter((each) => each.name !== 'lfh-sync');
        const managedFields = all.map(({ manager: who, owns }) => ({ manager: who, fieldsV1: owning(owns) }));
        const named = volumes.map((each) => ({ name: each }));
        const before = workload(
          { initContainers: init, containers, volumes: named },
          { metadata: metadata(managedFields) },
        );
        const after = patched(before, removalOf(before));
        const isNotOurs = (each: { readonly name: string }): boolean => each.name !== 'lfh-sync';
        const pod = after.spec.template.spec;
        assert.deepEqual(pod.initContainers, init.filter(isNotOurs));
        assert.deepEqual(pod.volumes, named.filter(isNotOurs));
        assert.deepEqual(
          after.metadata.managedFields,
          managedFields.filter((each) => each.manager !== INJECTION_MANAGER),
        );
        for (const [index, each] of containers.entries()) {
          const owners = new Set(all.filter(({ owns }) => owns.includes(each.name)).map((one) => one.manager));
          const oursAlone = owners.size === 1 && owners.has(INJECTION_MANAGER);
          const stays = each.env.filter(
            ({ name: key, value }) => !(oursAlone && key === SUBSCRIBERS && value === '[]'),
          );
          assert.deepEqual(pod.containers[index]?.env, stays);
        }
      }),
    );
  });

  it('is not done where it is another node’s, or nobody’s, whatever says that it is ours', () => {
    const named = (name: string): { name: string } => ({ name });
    const settingsOf = (node: string): object => ({ configMap: { name: `${node}-sidecar` } });
    const volume = (...sources: object[]): object => ({ name: 'lfh-sync', projected: { sources } });
    const key = { secret: { name: 'local-nkey' } };
    const rows: readonly [pod: Partial<PodSpec>, isAnothers: boolean][] = [
      [{}, false],
      [{ initContainers: [named('proxy')], volumes: [named('data')] }, false],
      [{ initContainers: [named('lfh-sync')], volumes: [volume(settingsOf('local'), key) as Volume] }, false],
      [{ volumes: [{ name: 'lfh-sync', ...settingsOf('local') }] }, false],
      [{ initContainers: [named('lfh-sync')], volumes: [volume(settingsOf('second'), key) as Volume] }, true],
      [{ volumes: [named('lfh-sync'), { name: 'mine', ...settingsOf('local') }] }, true],
      [{ initContainers: [named('lfh-sync')] }, true],
    ];
    for (const [pod, expected] of rows) {
      assert.equal(isAnothers(workload(pod), 'local'), expected, JSON.stringify(pod));
    }
    const injected = workload({ volumes: [sidecarVolume(node()) as Volume] });
    assert.deepEqual([isAnothers(injected, 'local'), isAnothers(injected, 'second')], [false, true]);
  });

  it('does nothing where there is nothing, and otherwise only to the version that was looked at', () => {
    assert.deepEqual(removalOf(workload()), []);
    const [first] = removalOf(workload({ volumes: [{ name: 'lfh-sync' }] }));
    assert.deepEqual(first, { op: 'replace', path: '/metadata/resourceVersion', value: '7' });
  });
});

describe('writing the sidecar', () => {
  const ours = workload({}, { metadata: metadata([{ manager: INJECTION_MANAGER }]) });
  const at = (generation: number): Workload => ({ ...ours, metadata: { ...ours.metadata, generation } });
  const put = (last: Written | undefined, from: number, to: number, now: number, text = 't'): Written =>
    written(text, at(from), at(to), last, now);

  it('is done once, and again when the workload, what is written, or the record of it changes', () => {
    const last = put(undefined, 3, 4, 0);
    assert.equal(isWritten('t', at(4), last), true);
    assert.equal(isWritten('t', at(5), last), false);
    assert.equal(isWritten('other', at(4), last), false);
    assert.equal(isWritten('t', at(4), undefined), false);
    assert.equal(isWritten('t', { ...at(4), metadata: { ...at(4).metadata, uid: 'new' } }, last), false);
    assert.equal(isWritten('t', { ...at(4), metadata: { ...at(4).metadata, managedFields: [] } }, last), false);
  });

  it('ends for a while when it was undone five times in ten minutes, and names who writes there', () => {
    const helm = { manager: 'helm', fieldsV1: { 'f:spec': { 'f:template': {} } } };
    const scaler = { manager: 'scaler', fieldsV1: { 'f:spec': { 'f:replicas': {} } } };
    const contested = workload({}, { metadata: metadata([helm, scaler, { manager: INJECTION_MANAGER }]) });
    let last = put(undefined, 1, 2, 0);
    for (let n = 1; n <= 5; n += 1) {
      assert.equal(foughtOver(contested, last, n * 60_000), undefined);
      last = put(last, 2 * n + 1, 2 * n + 2, n * 60_000);
    }
    const fight = foughtOver(contested, last, 300_001);
    assert.equal(fight?.reason, 'Conflict');
    assert.match(fight?.message ?? '', /\(helm\)/);
    assert.equal(foughtOver(contested, last, 661_000), undefined);
  });

  it('counts neither what it writes anew itself nor what changes nothing', () => {
    let last = put(undefined, 1, 2, 0);
    for (let n = 1; n <= 9; n += 1) last = put(last, 2, 2, n);
    for (let n = 1; n <= 9; n += 1) last = put(last, n, n + 1, n, `t${n}`);
    assert.deepEqual(last.restored, []);
  });
});

describe('a rollout', () => {
  const of = (spec: object, status: object): string | undefined =>
    awaitedRollout(workload({}, { spec: { ...workload().spec, ...spec }, status }));

  it('is over when every pod is a new one and is available', () => {
    const seen = { observedGeneration: 3 };
    assert.match(of({}, {}) ?? '', /awaited/);
    assert.match(of({ replicas: 0 }, seen) ?? '', /scaled to 0/);
    assert.match(of({ replicas: 3 }, { ...seen, updatedReplicas: 1 }) ?? '', /^1 of 3 pods/);
    assert.match(
      of({ replicas: 2 }, { ...seen, updatedReplicas: 2, availableReplicas: 1 }) ?? '',
      /^1 of 2 .*available/,
    );
    assert.equal(of({}, { ...seen, updatedReplicas: 1, availableReplicas: 1 }), undefined);
  });
});

function metadata(managedFields: readonly ManagedFields[]): Workload['metadata'] {
  return { ...workload().metadata, managedFields };
}

/** The record of somebody who has written the subscribers of these containers. */
function owning(containers: readonly string[]): FieldSet {
  const entries = containers.map((each) => [
    `k:${JSON.stringify({ name: each })}`,
    { 'f:env': { [`k:${JSON.stringify({ name: SUBSCRIBERS })}`]: { 'f:value': {} } } },
  ]);
  return { 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': Object.fromEntries(entries) as FieldSet } } } };
}

/** What the API server makes of a JSON patch. */
function patched(object: Workload, steps: readonly JsonPatchStep[]): Workload {
  const copy = structuredClone(object);
  for (const { op, path } of steps) {
    if (op !== 'remove') continue;
    const keys = path.slice(1).split('/');
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy);
    assert.ok(Array.isArray(parent) && Number(last) < parent.length, path);
    parent.splice(Number(last), 1);
  }
  return copy;
}

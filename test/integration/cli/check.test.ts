import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import kafkajs from 'kafkajs';
import { CHECKS, type CheckId } from '../../../cli/check/judge/checks.ts';
import { exitCodeOf, type Finding, type Outcome } from '../../../cli/check/judge/finding.ts';
import { check } from '../../../cli/check/run.ts';
import { traceText } from '../../../cli/trace/places.ts';
import { traceMessage } from '../../../cli/trace/read.ts';
import { VERSION } from '../../../common/version.ts';
import { KINDS, kindOf, type Lease } from '../../../operator/api/objects.ts';
import { microTime } from '../../../operator/cluster/formats.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { runCli } from '../../kit/processes/cli.ts';
import { KubeletLogs } from '../../kit/processes/kubelet-logs.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import {
  configMap,
  connectPod,
  installableSite,
  type SiteObject,
  secret,
  workloadOf,
} from '../../kit/sites/installable-site.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';
import { mistakesBefore, type Objects } from './mistakes.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
/** A right that nobody was given is everybody's. */
const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
};
const NO_INPUT = (): Promise<string> => Promise.resolve('');

/** What is not fine, as one text for each. */
function notFine(findings: readonly Finding[]): string[] {
  return findings.filter(({ outcome }) => outcome !== 'Fine').map(({ check: id, outcome }) => `${id} ${outcome}`);
}

function hintOf(findings: readonly Finding[], id: CheckId): string {
  const found = findings.find((each) => each.check === id && each.outcome !== 'Fine');
  return found?.hint ?? CHECKS[id].hint;
}

const site = await installableSite();

describe('lfh-sync check --pre', function () {
  this.timeout(120_000);
  let plane: ControlPlane;
  let namespace: string;
  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    namespace = await plane.createNamespace('to-install');
  });

  /** Makes the namespace so; undefined for an object that is not there. */
  async function make(changed: Objects = {}): Promise<void> {
    const wanted = { ...site.objects, ...changed };
    const writing = Object.entries(site.objects).map(async ([name, before]) => {
      const object = wanted[name as SiteObject];
      if (object) await plane.api.apply({ ...object, metadata: { ...object.metadata, namespace } });
      else await plane.api.delete(kindOf(before), namespace, before.metadata.name);
    });
    await Promise.all(writing);
  }

  function checkWith(values: object = site.values, api = plane.api): Promise<Finding[]> {
    const options = { node: undefined, operatorNamespace: undefined, waitMs: 0, signal: new AbortController().signal };
    const asked = { ...options, namespace, pre: true, file: '-' };
    return check(
      api,
      asked,
      () => Promise.resolve(JSON.stringify(values)),
      () => undefined,
    );
  }

  it('finds nothing wrong where all is as docs/install.md asks for', async () => {
    await make();
    const findings = await checkWith();
    assert.deepEqual(notFine(findings), [], JSON.stringify(findings, undefined, 2));
    assert.equal(exitCodeOf(findings), 0);
    const asked = Object.entries(CHECKS).filter(([, { when }]) => when !== 'after');
    assert.deepEqual(new Set(findings.map((each) => each.check)), new Set(asked.map(([id]) => id)));
  });

  for (const { what, check: id, outcome = 'Failed', says, hint, besides = [], objects, values } of mistakesBefore(
    site,
  )) {
    it(`finds ${what}`, async () => {
      await make(await objects?.());
      const findings = await checkWith(values?.());
      const found = findings.find((each) => each.check === id);
      assert.equal(found?.outcome, outcome, JSON.stringify(findings, undefined, 2));
      assert.match(found.message, says);
      assert.match(hintOf(findings, id), hint);
      assert.deepEqual(new Set(notFine(findings)), new Set([`${id} ${outcome}`, ...besides]));
      const worst = besides.some((each) => each.endsWith('Failed')) ? 'Failed' : outcome;
      assert.equal(exitCodeOf(findings), worst === 'Failed' ? 1 : 0);
      assert.ok(!/correct-horse|SU[A-Z2-7]{56}|PRIVATE KEY/.test(JSON.stringify(findings)), 'a secret is told');
    });
  }

  it('prints it as a program does, and ends with a code for each outcome', async () => {
    await make();
    const run = (args: string[], values: object = site.values): ReturnType<typeof runCli> =>
      runCli(plane.kubeconfigFile, ['check', '-n', namespace, ...args], JSON.stringify(values));
    const well = await run(['--pre', '-f', '-', '-o', 'json']);
    assert.equal(well.code, 0, well.stderr);
    assert.equal((JSON.parse(well.stdout) as { exitCode: number }).exitCode, 0);
    const wrong = await run(['--pre', '-f', '-', '--wait', '--timeout', '1s'], { node: site.values.node });
    assert.equal(wrong.code, 1, wrong.stderr);
    assert.match(
      wrong.stdout,
      /✗ image: image\.repository is lfh-sync.*\n {4}Build the image.*\n {4}see docs\/check\.md#image\n/,
    );
    assert.equal((await run(['--pre', '-f', '-'], {})).code, 2);
    assert.equal((await run(['-f', 'values.yaml'])).code, 2);
    assert.equal((await run(['--pre'])).code, 2, 'there is no LfhSyncNode');
    const nowhere = await runCli('/nonexistent', ['check']);
    assert.equal(nowhere.code, 3, nowhere.stderr);
  });

  it('takes nothing for well that it may not look at, and says what one may not create', async () => {
    await make();
    const reader = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'reader' },
      rules: [
        { apiGroups: ['apps'], resources: ['deployments', 'statefulsets'], verbs: ['get'] },
        { apiGroups: [''], resources: ['configmaps'], verbs: ['get'] },
      ],
    };
    const binding = {
      apiVersion: reader.apiVersion,
      kind: 'RoleBinding',
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'ServiceAccount', name: 'default', namespace }],
    };
    await plane.apply([reader, binding], namespace);
    const api = new KubeClient(await plane.kubeConfigOf(namespace, 'default'));
    // kube-apiserver learns of a Role by a watch.
    await until('it may look at workloads', () => api.get(KINDS.deployment, namespace, 'connect').then(() => true));
    const findings = await checkWith(site.values, api);
    const rights = findings.find((each) => each.check === 'install-rights');
    assert.match(rights?.message ?? '', /you may not create deployments\.apps, services, .*customresourcedefinitions/);
    const secrets: CheckId[] = ['connect-key', 'nats-secret', 'nats-certificate-names', 'nats-certificate-expiry'];
    const unknown = [...secrets, 'nats-ca', 'kafka-ca', 'kafka-secret', 'node-spec'].map((id) => `${id} Unknown`);
    assert.deepEqual(new Set(notFine(findings)), new Set(['install-rights Failed', ...unknown]));
    const lookedAt = findings.filter((each) => each.check !== 'install-rights');
    assert.equal(exitCodeOf(lookedAt), 3);
  });
});

describe('lfh-sync check', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let own: string;
  let a: OperatedSite;
  let b: OperatedSite;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const started = await OperatorProcess.startOver(plane, ['sends', 'receives']);
    operator = started.operator;
    own = started.options.namespace;
    const [inA = '', inB = ''] = started.options.namespaces;
    a = await OperatedSite.start(plane, inA, 'hospital-a', { kafka: false });
    b = await OperatedSite.start(plane, inB, 'hospital-b', { kafkaProperties: AUTHORIZER });
    await b.startSidecar();
    await a.applyInvitation(await b.invitation());
    await b.applyInvitation(await a.invitation());
    await a.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'Pulling');
    await b.waitForReason('lfhpeer', 'hospital-a', 'ReceiveReady', 'Replaying');
    await b.patch('lfhpeer', 'hospital-a', { publicKeys: [] });
    await b.waitForReason('lfhpeer', 'hospital-a', 'Ready', 'AllReady');
  });

  after(async () => {
    for (const site of [a, b]) await site?.stop();
    await operator?.stop();
  });

  function checkIn(namespace: string): Promise<Finding[]> {
    const options = { node: undefined, operatorNamespace: undefined, waitMs: 0, signal: new AbortController().signal };
    return check(plane.api, { ...options, namespace, pre: false, file: undefined }, NO_INPUT, () => undefined);
  }

  /** Looks until a check has that outcome, which the operator's status may be some seconds late for. */
  async function finds(
    namespace: string,
    id: CheckId,
    outcome: Outcome,
    says: RegExp,
    hint?: RegExp,
  ): Promise<Finding[]> {
    let findings: Finding[] = [];
    const isFound = async (): Promise<boolean> => {
      findings = await checkIn(namespace);
      return findings.some((each) => each.check === id && each.outcome === outcome && says.test(each.message));
    };
    await until(`${id} is ${outcome}`, isFound, 90_000, 500).catch((error: Error) => {
      throw new Error(`${error.message}; found ${JSON.stringify(findings, undefined, 2)}`, { cause: error });
    });
    if (hint) assert.match(hintOf(findings, id), hint);
    return findings;
  }

  /** An operator that runs in no pod has no image. */
  async function makePod(image: string, how: Parameters<typeof pod>[1] = {}): Promise<void> {
    const { spec } = (await plane.api.get<Lease>(KINDS.lease, own, 'lfh-sync-operator')) ?? {};
    const name = spec?.holderIdentity ?? '';
    await plane.kubectl(['delete', 'pod', '-n', own, '--ignore-not-found', '--force', name]);
    await plane.apply([pod(name, { ...how, containers: [{ name: 'operator', image }] })], own);
  }

  /** A pod as the scheduler leaves it. Nothing runs it. */
  function pod(
    name: string,
    {
      labels = {},
      nodeName,
      containers = ['connect', 'lfh-sync'].map((each) => ({ name: each, image: `${each}:1` })),
    }: { labels?: object; nodeName?: string; containers?: readonly object[] },
  ): object {
    const spec = { ...(nodeName !== undefined && { nodeName }), containers };
    return { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec };
  }

  it('finds nothing wrong where all is well, and says what it cannot know', async () => {
    let findings: Finding[] = [];
    const isWellBut = async (): Promise<boolean> => {
      findings = await checkIn(b.namespace);
      return notFine(findings).join() === 'versions Unknown';
    };
    await until('all is well but what cannot be known', isWellBut, 60_000, 500).catch((error: Error) => {
      throw new Error(`${error.message}; found ${JSON.stringify(findings, undefined, 2)}`, { cause: error });
    });
    assert.equal(exitCodeOf(findings), 3);
    await makePod(`registry.example.org/lfh-sync:${VERSION}`);
    findings = await checkIn(b.namespace);
    assert.deepEqual(notFine(findings), [], JSON.stringify(findings, undefined, 2));
    const asked: CheckId[] = [
      'operator-lease',
      'clock-skew',
      'versions',
      'certificates',
      'peer-certificates',
      'settings-live',
    ];
    for (const id of asked)
      assert.ok(
        findings.some((each) => each.check === id),
        `${id} was not looked at`,
      );
  });

  it('finds an operator of another version', async () => {
    await makePod('registry.example.org/lfh-sync:9.9.9');
    await finds(b.namespace, 'versions', 'Warning', /image is .*:9\.9\.9, and this program is/, /helm upgrade/);
  });

  it('finds a namespace without an LfhSyncNode', async () => {
    await finds(own, 'node', 'Failed', /there is no LfhSyncNode in the namespace/, /Apply an LfhSyncNode/);
  });

  it('finds a format that is rejected', async () => {
    const { payload } = connectMessage({ lfhId: a.lfhId, content: 'not asked for', format: 'ECG-RAW' });
    await a.site.announce([payload, payload, payload]);
    await finds(b.namespace, 'peer-rejected', 'Failed', /MessagesRejected.*FormatNotAllowed/s, /LFH_EXCEPTION/);
    await send();
    await finds(b.namespace, 'peer-rejected', 'Warning', /3 messages of the peer were rejected/, /redrive/);
  });

  async function send(): Promise<void> {
    await a.site.announce([connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' } }).payload]);
  }

  it('traces a message that was replayed, one that was rejected, and one that is not here', async () => {
    const message = (format?: string) =>
      connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' }, ...(format !== undefined && { format }) });
    const [replayed, refused] = [message(), message('ECG-RAW')];
    const own = connectMessage({ lfhId: b.lfhId, content: 'of our own' });
    await a.site.announce([replayed.payload, refused.payload]);
    const producer = b.site.kafka.client().producer();
    await producer.connect();
    // As b's connect does when it takes a message in.
    await producer.send({ topic: 'LFH_SYNC', messages: [{ value: own.payload }] });
    await producer.disconnect();
    const [sidecar] = b.sidecars;
    const found = async (uuid: string): Promise<string> => {
      const since = Date.now() - 3_600_000;
      return traceText(await traceMessage(sidecar?.environment ?? {}, uuid, since, () => undefined));
    };
    const says = async (uuid: string, what: RegExp): Promise<void> => {
      let text = '';
      const isSaid = async (): Promise<boolean> => what.test((text = await found(uuid)));
      await until(`${what} is said`, isSaid, 60_000).catch(() => assert.match(text, what));
      assert.ok(!text.includes('Patient'));
    };
    await says(replayed.uuid, /replayed here from hospital-a \(LFH_SYNC:0:\d+, at .*; its data are in FHIR-R4:0:\d+\)/);
    await says(
      refused.uuid,
      /rejected as FormatNotAllowed \(LFH_EXCEPTION:0:\d+, .* message \d+ in the stream of hospital-a/,
    );
    await says(own.uuid, /taken in by this node's connect \(LFH_SYNC:0:\d+/);
    await says(randomUUID(), /not here since .*\n.*: 0 wait at hospital-a/s);
    await assert.rejects(
      traceMessage({}, randomUUID(), 0, () => undefined),
      /NATS_NK_FILE|nats-server\.nk/,
    );
  });

  it('finds a missing ACL', async () => {
    const admin = b.site.kafka.client().admin();
    await admin.connect();
    try {
      // Where there is an ACL for somebody, all others have no right.
      const resource = { resourceType: AclResourceTypes.TOPIC, resourceName: 'FHIR-R4' };
      const pattern = { ...resource, resourcePatternType: ResourcePatternTypes.LITERAL };
      const who = { principal: 'User:somebody', host: '*', permissionType: AclPermissionTypes.ALLOW };
      await admin.createAcls({ acl: [{ ...pattern, ...who, operation: AclOperationTypes.READ }] });
      await send();
      await finds(b.namespace, 'kafka-rights', 'Failed', /allow this sidecar \w+ on the topic FHIR-R4/, /a right/);
    } finally {
      await admin.disconnect();
    }
  });

  it('finds that the peer does not fetch, and how long our stream keeps what it lacks', async () => {
    await finds(
      a.namespace,
      'peer-retention',
      'Fine',
      /the peer may lack what came since .*drops messages in \d+ days/,
    );
  });

  describe('dump', () => {
    const SECRET = 'correct-horse';
    let kubelet: KubeletLogs;
    let directory: string;
    let files: ReadonlyMap<string, string>;

    before(async () => {
      kubelet = await KubeletLogs.start(plane, 'worker-1', (path) => `the log of ${path}\n`);
      const labels = { 'app.kubernetes.io/name': 'lfh-sync', 'app.kubernetes.io/component': 'operator' };
      await makePod('registry.example.org/lfh-sync:1', { labels, nodeName: 'worker-1' });
      await plane.apply([pod('connect-0', { labels: { app: 'connect' }, nodeName: 'worker-1' })], a.namespace);
      const env = [{ name: 'PASSWORD', value: SECRET }];
      const connect = workloadOf('Deployment', 'connect', connectPod(env));
      const annotated = { ...connect, metadata: { ...connect.metadata, annotations: { note: SECRET } } };
      await plane.apply(
        [annotated, secret('somebodys', { password: SECRET }), configMap('somebodys', { a: SECRET })],
        a.namespace,
      );
      await a.patch('lfhnode', 'local', { connect: { workloadRef: { name: 'connect' } } });
      await a.applyInvitation(await b.invitation());
      directory = await mkdtemp(join(tmpdir(), 'lfh-sync-dump-'));
      const file = join(directory, 'dump.tar.gz');
      const { code, stdout, stderr } = await runCli(plane.kubeconfigFile, ['dump', '-n', a.namespace, '-f', file]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /dump\.tar\.gz has \d+ files/);
      await promisify(execFile)('tar', ['-xzf', file, '--strip-components=1', '-C', directory]);
      await rm(file);
      const names = (await readdir(directory, { recursive: true })).filter((name) => /\.\w+$/.test(name));
      const read = names.map(async (name) => [name, await readFile(join(directory, name), 'utf8')] as const);
      files = new Map(await Promise.all(read));
    });

    after(async () => {
      await kubelet?.stop();
      await rm(directory, { recursive: true, force: true });
    });

    it('has our resources, what was made for them, outlines of the workloads, and what check finds', () => {
      const wanted = ['local-nats', 'local-sidecar', 'local-invitation'].map((name) => `configmap-${name}.yaml`);
      const others = ['README.txt', 'versions.yaml', 'check.json', 'events.yaml', 'lease.yaml', 'not-collected.txt'];
      const resources = ['node-local.yaml', 'peer-hospital-b.yaml', 'workload-Deployment-connect.yaml'];
      for (const name of [...wanted, ...others, ...resources]) assert.ok(files.get(name), `${name} is not there`);
      assert.match(files.get('check.json') ?? '', /"check": "operator-lease"/);
      assert.match(files.get('events.yaml') ?? '', /reason: AccessGranted/);
      assert.match(files.get('workload-Deployment-connect.yaml') ?? '', /- PASSWORD\n/);
    });

    it('has the logs of the operator and of the sidecar, and no other', () => {
      const logs = [...files].filter(([name]) => name.startsWith('logs/'));
      assert.equal(logs.length, 2, logs.join());
      for (const [name, text] of logs) {
        assert.match(text, name.includes('operator') ? /the log of .*\/operator\b/ : /connect-0\/lfh-sync\b/);
      }
    });

    it('has no Secret, no password, no seed and no payload', () => {
      const all = [...files.values()].join('\n');
      for (const word of [SECRET, 'kind: Secret', 'Patient', 'not asked for']) assert.ok(!all.includes(word), word);
      assert.doesNotMatch(all, /S[ACNOUX][A-Z2-7]{56}|PRIVATE KEY/);
      assert.ok(![...files.keys()].some((name) => name.includes('somebodys')));
    });
  });

  it('finds a nats-server of a peer that refuses our key', async () => {
    await a.kubectl('delete', 'lfhpeer', 'hospital-b');
    await finds(b.namespace, 'peer-key', 'Failed', /KeyRefused/, /public key in the message/);
  });

  it('finds a peer that is down', async () => {
    await a.site.nats.stop();
    await finds(b.namespace, 'peer-reachable', 'Failed', /Unreachable/, /No connection to the peer's server/);
    await finds(a.namespace, 'nats-config', 'Failed', /NatsUnreachable/);
  });

  it('finds that no operator works, and takes no condition for true then', async () => {
    await operator.kill();
    const findings = await finds(b.namespace, 'operator-lease', 'Failed', /not renewed/, /pods of the operator/);
    const conditions = findings.filter(
      ({ about, check: id }) => about !== undefined && ['key', 'stream', 'sidecar'].includes(id),
    );
    assert.equal(conditions.length, 3);
    for (const { outcome, message } of conditions) assert.match(`${outcome} ${message}`, /^Unknown no operator works/);
  });

  it('finds an operator whose clock is wrong', async () => {
    const renewing = setInterval(() => void renewed().catch(() => undefined), 1_000);
    const renewed = async (): Promise<void> => {
      const lease = await plane.api.get<Lease>(KINDS.lease, own, 'lfh-sync-operator');
      if (!lease) return;
      const renewTime = microTime(new Date(Date.now() + 3_600_000));
      await plane.api.replace<Lease>({ ...lease, spec: { ...lease.spec, renewTime } });
    };
    try {
      await finds(b.namespace, 'clock-skew', 'Failed', /clock of the operator is \d+ s before/, /NTP/);
    } finally {
      clearInterval(renewing);
    }
  });
});

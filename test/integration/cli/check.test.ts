import assert from 'node:assert/strict';
import kafkajs from 'kafkajs';
import { CHECKS, type CheckId } from '../../../cli/check/judge/checks.ts';
import { exitCodeOf, type Finding, type Outcome } from '../../../cli/check/judge/finding.ts';
import { check } from '../../../cli/check/run.ts';
import { VERSION } from '../../../common/version.ts';
import { KINDS, kindOf, type Lease } from '../../../operator/api/objects.ts';
import { microTime } from '../../../operator/cluster/formats.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { installableSite, type SiteObject } from '../../kit/sites/installable-site.ts';
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
  async function makePod(image: string): Promise<void> {
    const { spec } = (await plane.api.get<Lease>(KINDS.lease, own, 'lfh-sync-operator')) ?? {};
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: spec?.holderIdentity } };
    await plane.kubectl(['delete', 'pod', '-n', own, '--ignore-not-found', '--force', spec?.holderIdentity ?? '']);
    await plane.apply([{ ...pod, spec: { containers: [{ name: 'operator', image }] } }], own);
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

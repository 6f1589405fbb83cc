import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { StatusReport } from '../../../cli/status/report.ts';
import { runCli, type Said } from '../../kit/processes/cli.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const QUICK_MAIN = join(import.meta.dirname, '..', 'quick-key-retry-main.ts');
const FINGERPRINT = /Fingerprint[^:]*: ((?:[0-9a-f]{4} ?){6})$/m;

/** The Role in docs/cli.md: what a person needs for the commands. No Secret is in it. */
function documentedRole(): Promise<object> {
  const page = join(import.meta.dirname, '..', '..', '..', 'docs', 'cli.md');
  return readFile(page, 'utf8').then(
    (text) => load(/```yaml\n(kind: Role[\s\S]*?)```/.exec(text)?.[1] ?? '') as object,
  );
}

/** With another last letter in each key. */
function damaged(invitation: string): string {
  return invitation.replace(/(- U\w{54})(\w)/g, (_, start: string, last: string) => start + (last === 'A' ? 'B' : 'A'));
}

describe('the command line beside a real API server', function () {
  this.timeout(180_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let person: string;
  let a: OperatedSite;
  let b: OperatedSite;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const started = await OperatorProcess.startOver(plane, ['cli-a', 'cli-b']);
    operator = started.operator;
    const [inA = '', inB = ''] = started.options.namespaces;
    person = await personIn(inA, inB);
    const spec = { key: { overlap: '1s' } };
    [a, b] = await Promise.all([
      OperatedSite.start(plane, inA, 'hospital-a', { kafka: false, spec }),
      OperatedSite.start(plane, inB, 'hospital-b', { spec }),
    ]);
    await b.startSidecar(QUICK_MAIN);
    for (const site of [a, b]) await site.waitForReason('lfhnode', 'local', 'Ready', 'AllReady');
  });

  after(async () => {
    for (const site of [a, b]) await site?.stop();
    await operator?.stop();
  });

  /** An account with just the rights that are documented. @returns its kubeconfig */
  async function personIn(...namespaces: string[]): Promise<string> {
    const [own = ''] = namespaces;
    const subjects = [{ kind: 'ServiceAccount', name: 'person', namespace: own }];
    const rbac = 'rbac.authorization.k8s.io';
    const role = await documentedRole();
    await plane.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'person', namespace: own } },
      ...namespaces.flatMap((namespace) => [
        { ...role, metadata: { name: 'person', namespace } },
        {
          apiVersion: `${rbac}/v1`,
          kind: 'RoleBinding',
          metadata: { name: 'person', namespace },
          subjects,
          roleRef: { apiGroup: rbac, kind: 'Role', name: 'person' },
        },
      ]),
    ]);
    return plane.kubeconfigFileOf(own, 'person');
  }

  function at(site: OperatedSite, ...args: string[]): Promise<Said> {
    return runCli(person, ['-n', site.namespace, ...args]);
  }

  async function file(name: string, text: string): Promise<string> {
    const path = join(a.site.directory, name);
    await writeFile(path, text);
    return path;
  }

  const isWell = ({ code, stdout, stderr }: Said): void => assert.equal(code, 0, `${stdout}\n${stderr}`);

  it('says that it cannot ask, where it cannot, and never that all is well', async () => {
    assert.equal((await runCli('/nonexistent', ['status'])).code, 3);
    const noContext = await at(a, 'status', '--context', 'other');
    assert.deepEqual(
      [noContext.code, noContext.stderr],
      [3, 'lfh-sync: the kubeconfig has no context other; it has test\n'],
    );
    const nobody = await file(
      'nobody.kubeconfig',
      JSON.stringify({
        clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${await freePort()}` } }],
        users: [{ name: 'u', user: {} }],
        contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'c',
      }),
    );
    const refused = await runCli(nobody, ['status']);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, /ECONNREFUSED/);
    const forbidden = await runCli(person, ['status', '-n', 'kube-system']);
    assert.equal(forbidden.code, 3);
    assert.match(forbidden.stderr, /forbidden/);
    assert.equal((await at(a, 'statos')).code, 2);
  });

  it('shows a node without peers', async () => {
    const said = await at(b, 'status');
    isWell(said);
    assert.match(said.stdout, /^NODE +STATE +REASON .*\nlocal +ok +AllReady .* 0\/0 +-\n/);
    assert.match(said.stdout, /There are no peers\.\n/);
    const none = await at(b, 'status', 'hospital-x');
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.match(none.stderr, /there is no LfhSyncPeer hospital-x in the namespace cli-b-\d+; it has none/);
  });

  let invitation: string;
  let shown: string;

  it('prints the invitation as the operator wrote it, and its fingerprint beside it', async () => {
    const said = await at(a, 'invite');
    isWell(said);
    invitation = said.stdout;
    assert.equal(invitation, await a.invitation());
    shown = FINGERPRINT.exec(said.stderr)?.[1] ?? '';
    assert.equal(shown.length, 29, said.stderr);
  });

  it('prints no invitation of a node that the other site could not reach, and says what to do', async () => {
    const servers = (await a.node()).spec.nats.advertise;
    await a.patch('lfhnode', 'local', { nats: { advertise: [] } });
    const refuses = async (): Promise<boolean> => /names no server/.test((await at(a, 'invite')).stderr);
    await until('it is refused', refuses, 30_000);
    const refused = await at(a, 'invite');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    await a.patch('lfhnode', 'local', { nats: { advertise: servers } });
    await until('it is there again', async () => (await at(a, 'invite')).stdout === invitation, 30_000);
  });

  it('takes no file that is not what it should be, and shows what one would do without doing it', async () => {
    const asked = await at(b, 'accept', await file('a.yaml', invitation), '--dry-run');
    isWell(asked);
    assert.equal(FINGERPRINT.exec(asked.stderr)?.[1], shown);
    assert.match(asked.stderr, /You \("hospital-b"\) receive what "hospital-a" takes in, in the\s+formats FHIR\*/);
    assert.match(asked.stderr, /"hospital-a" may receive everything that you take in/);
    assert.match(asked.stderr, /The peer hospital-a is new:\n {2}\+ lfhId: "hospital-a"\n {2}\+ servers: "tls:/);
    assert.match(asked.stderr, /\+ ca: CN=hospital-a.*, until \d{4}-\d\d-\d\d, SHA-256 (?:[0-9A-F]{2}:?){32}/);
    for (const [problem, code, text, ...args] of [
      [/nobody can be asked here/, 2, invitation],
      [/fingerprint is another one/, 1, invitation, '--yes', '--fingerprint', '0000 0000 0000 0000 0000 0000'],
      [
        /seed or a private key/,
        2,
        `${invitation}# SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n`,
        '--yes',
      ],
      [/spec\.lfhId is this node's own/, 1, invitation.replace('lfhId: hospital-a', 'lfhId: hospital-b'), '--yes'],
      [/spec\.publicKeys\[0\] is damaged/, 1, damaged(invitation), '--yes'],
      [/is no invitation/, 2, 'apiVersion: v1\nkind: Secret\n', '--yes'],
    ] as const) {
      const refused = await at(b, 'accept', await file('bad.yaml', text), ...args);
      assert.equal(refused.code, code, refused.stderr);
      assert.match(refused.stderr, problem);
      assert.doesNotMatch(refused.stderr + refused.stdout, /SUACSSL3/);
    }
    assert.equal(await b.kubectl('get', 'lfhpeer', '-o', 'name'), '');
  });

  it('accepts an invitation, waits, and says who has to act meanwhile', async () => {
    const path = await file('a.yaml', `${invitation}  receive: { allowOrigins: [somebody] }\n`);
    const waiting = await at(
      b,
      'accept',
      path,
      '--yes',
      '--receive-only',
      '--fingerprint',
      shown,
      '--wait',
      '--timeout',
      '5s',
    );
    assert.equal(waiting.code, 1, waiting.stderr);
    assert.match(waiting.stderr, /not taken from an invitation, since you decide them: spec\.receive/);
    assert.match(waiting.stderr, /^ReceiveReady is False, AwaitingPeer: /m);
    assert.match(waiting.stdout, /not ready: AwaitingPeer\. The other site has to accept your invitation as well/);
    assert.equal((await b.peer('hospital-a')).spec.receive?.allowOrigins, undefined);
    const said = await at(b, 'status', '--quick');
    assert.equal(said.code, 1);
    assert.match(said.stdout, /^hospital-a +receive +not ok +AwaitingPeer .* them$/m);
    assert.match(said.stdout, /hospital-a, receive: AwaitingPeer\. The peer's administrator has to act\./);

    const other = await at(b, 'invite');
    const accepted = await runCli(
      person,
      ['accept', '-', '-n', a.namespace, '--yes', '--send-only', '--wait'],
      other.stdout,
    );
    isWell(accepted);
    assert.match(accepted.stdout, /The peer hospital-b is ready/);
    assert.deepEqual((await a.peer('hospital-b')).spec.servers, undefined);
    const again = await at(b, 'accept', path, '--yes', '--receive-only', '--wait');
    isWell(again);
    assert.match(again.stderr, /The peer hospital-a is there already\. It changes:\n {2}nothing/);
  });

  it('shows both directions of a peer, as a table and for a script', async () => {
    const said = await at(b, 'status', '-o', 'json');
    isWell(said);
    const report = JSON.parse(said.stdout) as StatusReport;
    assert.equal(report.well, true);
    // A person may not read the operator's Lease, which is in another namespace.
    assert.equal(report.operator.state, 'unseen');
    const [receive] = report.peers[0]?.directions ?? [];
    const { state, reason, whoActs, lag } = receive ?? {};
    assert.deepEqual([state, reason, whoActs, lag], ['ok', 'Replaying', null, 0]);
    const one = await at(b, 'status', 'hospital-a', '-o', 'wide');
    assert.match(one.stdout, /^server that we are connected to +127\.0\.0\.1:\d+$/m);
  });

  it('pauses and resumes one direction, and shows how much waits meanwhile', async () => {
    const paused = await at(b, 'pause', 'hospital-a', '--receive');
    isWell(paused);
    assert.match(
      paused.stdout,
      /^ReceiveReady: .*waits there\.\nlfh-sync status hospital-a shows when that is in force$/m,
    );
    await b.waitForReason('lfhpeer', 'hospital-a', 'ReceiveReady', 'Paused');
    assert.equal((await b.peer('hospital-a')).spec.send?.paused ?? false, false);
    let sent = 0;
    const announced = async (): Promise<boolean> => {
      // The pull that B left behind may still be handed some, which do not wait then.
      const { payload } = connectMessage({ lfhId: 'hospital-a', content: { resourceType: 'Patient' } });
      await a.site.announce([payload]);
      sent += 1;
      return ((await a.peer('hospital-b')).status?.send?.pending ?? 0) > 0;
    };
    await until('A knows that something waits', announced, 90_000, 500);
    const report = JSON.parse((await at(a, 'status', '--quick', '-o', 'json')).stdout) as StatusReport;
    assert.ok((report.peers[0]?.directions[1]?.lag ?? 0) > 0);
    isWell(await at(b, 'resume', 'hospital-a'));
    await until('they arrive', async () => (await replayedUuids(b.site.kafka)).length === sent);
  });

  it('redrives what was rejected, and counts before it does', async () => {
    const messages = [1, 2, 3].map((id) =>
      connectMessage({ lfhId: 'hospital-a', content: `${id}`, format: 'OTHER-1' }),
    );
    await a.site.announce(messages.map(({ payload }) => payload));
    await until('all are rejected', async () => (await b.peer('hospital-a')).status?.receive?.rejected === 3);
    await b.patch('lfhpeer', 'hospital-a', { receive: { allowFormats: ['FHIR*', 'OTHER-1'] } });
    assert.equal((await at(b, 'redrive', 'hospital-a', '--reason', 'FormatNotAlowed')).code, 2);
    const dry = await at(b, 'redrive', 'hospital-a', '--reason', 'FormatNotAllowed', '--dry-run');
    isWell(dry);
    assert.match(dry.stdout, /Done: 3 found, 3 would be replayed, 0 still rejected, 0 missing/);
    const done = await at(b, 'redrive', 'hospital-a', '--reason', 'FormatNotAllowed');
    isWell(done);
    assert.match(done.stdout, /Done: 3 found, 3 replayed, 0 still rejected, 0 missing/);
    const next = await at(b, 'redrive', 'hospital-a');
    isWell(next);
    assert.match(next.stdout, /\.2 Done: 0 found, 0 replayed/);
  });

  it('prints what NATS, connect and Kafka need, from the node and its peers', async () => {
    const values = await at(b, 'nats-values');
    isWell(values);
    assert.match(values.stdout, /^ {6}LFH:\n {8}jetstream: enabled\n {8}\$include: \.\.\/lfh-sync\/lfh-sync\.conf$/m);
    assert.match((await at(b, 'nats-values', '--plain')).stdout, /include "lfh-sync\/lfh-sync-peers\.conf"/);
    const acls = await at(b, 'kafka-acls', '--for', 'cli');
    isWell(acls);
    // The formats that the peer may bring since the test before this one.
    assert.deepEqual(
      [...acls.stdout.matchAll(/--topic ([\w-]+)/g)].map(([, topic]) => topic),
      ['LFH_SYNC', 'LFH_EXCEPTION', 'FHIR', 'OTHER-1'],
    );
    assert.match((await at(b, 'connect-patch')).stderr, /names no workload of connect/);
  });

  it('has a new key made, says who needs the invitation, and waits until nobody does', async () => {
    const made = await at(b, 'rotate', '--yes');
    isWell(made);
    assert.match(made.stdout, /^hospital-a +(?:the previous key|not seen yet) +send the invitation$/m);
    const { stdout } = await at(b, 'invite');
    const accepted = await runCli(person, ['accept', '-', '-n', a.namespace, '--yes', '--send-only'], stdout);
    isWell(accepted);
    assert.match(accepted.stderr, /The peer hospital-b is there already\. It changes:\n {2}\+ publicKeys: "U/);
    const waited = await at(b, 'rotate', '--show', '--wait', '--timeout', '60s');
    isWell(waited);
    assert.match(waited.stdout, /^hospital-a +the new key +-$/m);
  });
});

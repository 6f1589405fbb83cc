import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Msg, nkeyAuthenticator } from 'nats';
import { statusSubject, syncName } from '../../../common/contract/names.ts';
import { type ConfigMap, KINDS, type KubeObject, type Workload } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { trySignIn } from '../../../operator/nats/sign-in.ts';
import { ROLLOUT_NOTE } from '../../../operator/plan/observed/names.ts';
import { type OperatorOptions, OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';
import { refuseWrites } from '../../kit/sites/admission.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';
import type { PeeredSiteOptions } from '../../kit/sites/peered-site.ts';

describe("the operator's NATS configuration", function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let options: OperatorOptions;
  const sites: OperatedSite[] = [];
  const servers: NatsServer[] = [];

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  beforeEach(async () => {
    ({ operator, options } = await OperatorProcess.startOver(plane, ['nats-a', 'nats-b']));
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
    for (const site of sites.splice(0)) await site.stop();
    await operator.stop();
  });

  async function start(more: PeeredSiteOptions = {}, index = 0, lfhId = 'hospital-a'): Promise<OperatedSite> {
    const site = await OperatedSite.start(plane, options.namespaces[index] ?? '', lfhId, { kafka: false, ...more });
    sites.push(site);
    return site;
  }

  function admit(site: OperatedSite, lfhId: string, publicKeys = [makeKey().publicKey], name = 'peer'): Promise<void> {
    return site.apply(KINDS.peer, name, { spec: { lfhId, publicKeys } });
  }

  async function filesOf(site: OperatedSite): Promise<string> {
    const { data = {} } = (await site.get<ConfigMap>(KINDS.configMap, 'local-nats')) ?? {};
    return `${data['lfh-sync.conf']}${data['lfh-sync-peers.conf']}`;
  }

  /** As a person does it where nothing else reloads nats-server. */
  async function reload(site: OperatedSite): Promise<void> {
    await until('there is something new to load', async () =>
      site.isMounted(await site.get<ConfigMap>(KINDS.configMap, 'local-nats')),
    );
    site.site.nats.process.signal('SIGHUP');
  }

  /** An account that is new comes into force with the second reload. */
  async function reloadForNewAccount(site: OperatedSite): Promise<void> {
    for (const _ of [1, 2]) {
      await reload(site);
      await until('it was taken up', async () => (await filesOf(site)).includes('Reload 2 of 2'));
    }
  }

  it('is live only after a person has reloaded the server, where nats.reload is None', async () => {
    const site = await start({ reloads: false, spec: { nats: { reload: 'None' } } });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await admit(site, 'hospital-b');
    const message = await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'ConfigNotLive');
    assert.match(message, new RegExp(`${site.site.nats.host} knows this node but runs another lfh-sync.conf`));
    await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'ConfigNotLive');
    await reloadForNewAccount(site);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'AwaitingPeer');
  });

  it('is live before a peer is called paused, also where the operator was restarted since it was written', async () => {
    const site = await start({ reloads: false, spec: { nats: { reload: 'None' } } });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const peer = makeKey();
    await admit(site, 'hospital-b', [peer.publicKey]);
    await until('the first of two reloads is asked for', async () => (await filesOf(site)).includes(peer.publicKey));
    await reloadForNewAccount(site);
    await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'AwaitingPeer');

    const connection = await site.site.connectAs({ lfhId: 'hospital-b', seed: Buffer.from(peer.seed) });
    await site.patch('lfhpeer', 'peer', { send: { paused: true } });
    const says = /paused by spec\.send\.paused; it may still have access/;
    assert.match(await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'ConfigNotLive'), says);
    await operator.stop();
    await operator.start();
    await operator.reconciled(3);
    assert.match(await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'ConfigNotLive'), says);
    await connection.flush();

    await reload(site);
    await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'Paused');
    await until('its live connection is dropped', () => Promise.resolve(connection.isClosed()));
    // Now that it was seen, a server that cannot be asked does not call it into question.
    await operator.stop();
    await site.site.nats.process.kill();
    await operator.start();
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'NatsUnreachable');
    await operator.reconciled(2);
    await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'Paused');
  });

  it('is not live on a server that does not include it, lets everybody in, or is down, and the condition names that server', async () => {
    const site = await start();
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const own = site.site.nats.url;
    const serve = async (name: string, accounts: string): Promise<string> => {
      const certificate = await site.site.ca.issue();
      const server = await NatsServer.start({
        directory: join(site.site.directory, name),
        name,
        accounts,
        certificate,
      });
      servers.push(server);
      return server.url;
    };
    const stranger = makeKey().publicKey;
    const without = await serve('without', `LFH { jetstream: enabled, users: [ { nkey: ${stranger} } ] }`);
    const open = await serve('open', '');
    for (const [url, reason] of [
      [without, 'IncludeMissing'],
      [open, 'NoAuthorization'],
    ] as const) {
      await site.patch('lfhnode', 'local', { nats: { servers: [own, url] } });
      const message = await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', reason);
      assert.ok(message.includes(new URL(url).host), message);
    }
    await site.patch('lfhnode', 'local', { nats: { servers: [own] } });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await site.site.nats.stop();
    const down = await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'NatsUnreachable');
    assert.ok(down.includes(site.site.nats.host), down);
    await site.site.nats.start();
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
  });

  it('stays in force for admitted peers on a server that refuses to reload, until its own configuration is repaired', async () => {
    const site = await start();
    const peer = makeKey();
    await admit(site, 'hospital-b', [peer.publicKey], 'hospital-b');
    await site.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'AwaitingPeer');
    const connection = await site.site.connectAs({ lfhId: 'hospital-b', seed: Buffer.from(peer.seed) });
    // What somebody else broke: their own configuration, which includes ours.
    await writeFile(join(site.site.directory, 'nats', 'nats-server.conf'), 'nonsense {{{');
    await admit(site, 'hospital-c', undefined, 'hospital-c');
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'ConfigNotLive');
    await until('the server refuses to reload', () => site.site.nats.process.output().includes('Failed to reload'));
    await connection.flush();
    assert.ok(!connection.isClosed());
    await site.site.nats.reload({});
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await site.waitForReason('lfhpeer', 'hospital-c', 'SendReady', 'AwaitingPeer');
    assert.ok(!connection.isClosed());
  });

  it('gives an id with dots and wildcards an account whose name has none, and no subject more', async () => {
    const site = await start();
    for (const [index, lfhId] of ['>', '*', 'a.b', 'EVENTS.>', '日赤.東京'].entries()) {
      const peer = makeKey();
      await admit(site, lfhId, [peer.publicKey], `peer-${index}`);
      await site.waitForReason('lfhpeer', `peer-${index}`, 'SendReady', 'AwaitingPeer');
      const name = syncName(lfhId);
      assert.equal((await site.peer(`peer-${index}`)).status?.name, name);
      assert.match(name, /^lfh-sync-[A-Za-z0-9_-]+$/);
      const connection = await site.site.connectAs({ lfhId, seed: Buffer.from(peer.seed) });
      for (const subject of ['EVENTS.sync', '$JS.API.CONSUMER.LIST.EVENTS', '$JS.API.CONSUMER.MSG.NEXT.EVENTS.other']) {
        await assert.rejects(connection.request(subject, '', { timeout: 5_000 }), /Permissions Violation/, subject);
      }
      const pull = JSON.stringify({ batch: 1, no_wait: true });
      const answer = await connection.request(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${name}`, pull, { timeout: 5_000 });
      assert.equal(answer.headers?.code, 404);
    }
  });

  it('admits the older of two peers with the same key or id, and the other when that is deleted', async () => {
    const site = await start();
    const { publicKey } = makeKey();
    await admit(site, 'hospital-b', [publicKey], 'first');
    await site.waitForReason('lfhpeer', 'first', 'SendReady', 'AwaitingPeer');
    await admit(site, 'hospital-b', undefined, 'same-id');
    await admit(site, 'hospital-c', [publicKey], 'same-key');
    const [ownKey = ''] = (await site.node()).status?.publicKeys ?? [];
    await admit(site, 'hospital-d', [ownKey], 'our-key');
    await admit(site, 'hospital-a', undefined, 'our-id');
    assert.match(
      await site.waitForReason('lfhpeer', 'same-id', 'Ready', 'Conflict'),
      /spec\.lfhId is that of.* peer first/,
    );
    assert.match(
      await site.waitForReason('lfhpeer', 'same-key', 'Ready', 'Conflict'),
      /spec\.publicKeys\[0\] is that of.* first/,
    );
    assert.match(await site.waitForReason('lfhpeer', 'our-key', 'Ready', 'Conflict'), /this node's own/);
    assert.match(await site.waitForReason('lfhpeer', 'our-id', 'Ready', 'Conflict'), /this node's own/);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    assert.equal((await filesOf(site)).split(publicKey).length, 2);
    await site.kubectl('delete', 'lfhpeer', 'first');
    for (const name of ['same-id', 'same-key']) await site.waitForReason('lfhpeer', name, 'SendReady', 'AwaitingPeer');
  });

  it('belongs to the node that is seen to run there, and not to one of another namespace that names the server', async () => {
    const site = await start();
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const namespace = options.namespaces[1] ?? '';
    const { spec } = await site.node();
    const { apiVersion, kind } = KINDS.node;
    await plane.apply(
      [{ apiVersion, kind, metadata: { name: 'local' }, spec: { ...spec, lfhId: 'other' } }],
      namespace,
    );
    const conflict = async (): Promise<string> => {
      const other = await plane.api.get<
        KubeObject & { status?: { conditions?: { reason: string; message: string }[] } }
      >(KINDS.node, namespace, 'local');
      return other?.status?.conditions?.find(({ reason }) => reason === 'Conflict')?.message ?? '';
    };
    await until('the other is told', async () => (await conflict()).includes(`${site.namespace}/local`));
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
  });

  it("recovers by itself from a text that admits the peers' keys, but neither the operator nor its canary", async () => {
    const site = await start();
    await admit(site, 'hospital-b');
    await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'AwaitingPeer');
    const [publicKey = ''] = (await site.node()).status?.publicKeys ?? [];
    const user = await site.ownUser();
    await operator.stop();
    const main = (await site.get<ConfigMap>(KINDS.configMap, 'local-nats'))?.data?.['lfh-sync.conf'] ?? '';
    // As versions before this one wrote it, and while they waited to see the first of two reloads.
    const before = main.replace(/^.*# this node's own$/m, `    { nkey: ${publicKey} }`).replace('Reload 2', 'Reload 1');
    const data = JSON.stringify({ data: { 'lfh-sync.conf': before.replace(/^.*# canary\n/m, '') } });
    await site.kubectl('patch', 'configmap', 'local-nats', '--type=merge', '-p', data);
    const signsIn = async (): Promise<string> =>
      (await trySignIn(site.site.nats.url, user, { ca: site.site.ca.ca })).outcome;
    await until('the server runs that', async () => (await signsIn()) === 'KeyRefused');
    await operator.start();
    await until('it lets the operator in', async () => (await signsIn()) === 'Accepted', 60_000);
    await until('it is loaded twice', async () => (await filesOf(site)).includes('Reload 2 of 2'), 60_000);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await site.waitForReason('lfhpeer', 'peer', 'SendReady', 'AwaitingPeer');
    assert.ok(!(await filesOf(site)).includes(publicKey));
  });

  it('has unreadable answers of its sidecars in the log once, and again when their number changes', async () => {
    const site = await start();
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const { seed } = await site.ownUser();
    const tls = { ca: site.site.ca.ca };
    const authenticator = nkeyAuthenticator(Buffer.from(seed));
    const connection = await connect({ servers: site.site.nats.url, tls, authenticator });
    let asked = 0;
    const answer = (_error: unknown, message: Msg): void => {
      asked += 1;
      message.respond('{"version":"of the future"}');
    };
    const first = connection.subscribe(statusSubject('local'), { callback: answer });
    const logged = (text: string): number => operator.process.output().split(text).length - 1;
    try {
      await until('it was asked twice', () => asked >= 2, 60_000);
      assert.equal(logged('"answers":1'), 1);
      connection.subscribe(statusSubject('local'), { callback: answer });
      await until('another one is noticed', () => logged('"answers":2') === 1, 60_000);
      first.unsubscribe();
      await until('one fewer is noticed', () => logged('"answers":1') === 2, 60_000);
    } finally {
      await connection.close();
    }
    await until('it is noticed that they ended', () => logged('can be read again') === 1, 60_000);
    await site.waitForReason('lfhnode', 'local', 'SidecarReady', 'NotRequested');
  });

  it('has users in one account, as connect is shipped, where the stream lives in the default account', async () => {
    const site = await start({ isolation: 'Users' });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const peer = makeKey();
    await admit(site, 'hospital-b', [peer.publicKey], 'hospital-b');
    await site.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'AwaitingPeer');
    const connection = await site.site.connectAs({ lfhId: 'hospital-b', seed: Buffer.from(peer.seed) });
    const pull = JSON.stringify({ batch: 1, no_wait: true });
    const next = '$JS.API.CONSUMER.MSG.NEXT.EVENTS.lfh-sync-hospital-b';
    assert.equal((await connection.request(next, pull, { timeout: 5_000 })).headers?.code, 404);
    await assert.rejects(connection.request('EVENTS.sync', '', { timeout: 5_000 }), /Permissions Violation/);
    const closed = connection.closed();
    await site.kubectl('delete', 'lfhpeer', 'hospital-b');
    await closed;
  });

  describe('reaches pods', () => {
    const labels = { app: 'nats' };
    const template = {
      metadata: { labels },
      spec: {
        containers: [{ name: 'nats', image: 'nats:2.15' }],
        volumes: [{ name: 'lfh-sync', configMap: { name: 'local-nats', optional: true } }],
        terminationGracePeriodSeconds: 0,
      },
    };

    async function statefulSet(site: OperatedSite): Promise<void> {
      const { apiVersion, kind } = KINDS.statefulSet;
      const spec = { serviceName: 'nats', replicas: 1, selector: { matchLabels: labels }, template };
      await plane.apply([{ apiVersion, kind, metadata: { name: 'nats' }, spec }], site.namespace);
    }

    /** What the template was annotated with for the restart that was ordered last. */
    async function ordered(site: OperatedSite): Promise<string | undefined> {
      const { spec } = (await site.get<Workload>(KINDS.statefulSet, 'nats')) ?? {};
      return spec?.template.metadata?.annotations?.['sync.linuxforhealth.io/config'];
    }

    it('by an annotation on each pod for each change, which makes the kubelet update the mounted files', async () => {
      const site = await start({ spec: { nats: { workloadRef: { name: 'nats' } } } });
      const { apiVersion, kind } = KINDS.pod;
      await statefulSet(site);
      await plane.apply(
        [{ apiVersion, kind, metadata: { name: 'nats-x', labels }, spec: template.spec }],
        site.namespace,
      );
      const annotation = async (): Promise<string> =>
        await site.kubectl(
          'get',
          'pod',
          'nats-x',
          '-o',
          "jsonpath={.metadata.annotations['sync\\.linuxforhealth\\.io/config']}",
        );
      await admit(site, 'hospital-b');
      await until('it is annotated', async () => (await annotation()) !== '');
      const before = await annotation();
      await admit(site, 'hospital-c', undefined, 'another');
      await until('it is annotated anew', async () => (await annotation()) !== before);
      const { spec } = (await site.get<Workload>(KINDS.statefulSet, 'nats')) ?? {};
      assert.equal(spec?.template.metadata?.annotations, undefined);
    });

    it('by a rolling restart where nothing reloads the server', async () => {
      const site = await start({ spec: { nats: { reload: 'Restart', workloadRef: { name: 'nats' } } } });
      await statefulSet(site);
      const annotation = (): Promise<string | undefined> => ordered(site);
      await admit(site, 'hospital-b');
      await until('its template is annotated', async () => (await annotation()) !== undefined);
      // One restart lets everything into force.
      assert.ok((await filesOf(site)).includes('Reload 2 of 2'));
      const before = await annotation();
      await site.kubectl('delete', 'lfhpeer', 'peer');
      await until('it is annotated anew', async () => (await annotation()) !== before);
      const without = await annotation();
      await admit(site, 'hospital-b');
      await until('it is annotated for a peer', async () => (await annotation()) !== without);
      const last = await annotation();
      await site.kubectl('delete', 'lfhnode', 'local');
      await until('it is annotated when the node has gone', async () => (await annotation()) !== last);
    });

    it('by a restart that is tried again when the node has gone, until the API server takes it', async () => {
      const site = await start({ spec: { nats: { reload: 'Restart', workloadRef: { name: 'nats' } } } });
      await statefulSet(site);
      await admit(site, 'hospital-b');
      await until('it was ordered for the peer', async () => (await ordered(site)) !== undefined);
      const before = await ordered(site);
      const restarts = { apiGroup: 'apps', resource: 'statefulsets', operations: ['UPDATE'] } as const;
      const refused = { expression: 'false', message: 'no restarts today' };
      const removePolicy = await refuseWrites(plane, site.namespace, restarts, refused, () =>
        site.kubectl('annotate', 'statefulset', 'nats', 'x=y', '--dry-run=server'),
      );
      const note = async (): Promise<string | undefined> =>
        (await site.get<ConfigMap>(KINDS.configMap, 'local-nats'))?.metadata.annotations?.[ROLLOUT_NOTE];
      try {
        await site.kubectl('delete', 'lfhnode', 'local');
        await site.waitForReason('lfhpeer', 'peer', 'Ready', 'NodeMissing');
        const problem = 'StatefulSet/nats could not be restarted, so its nats-servers still let in the peers';
        await until('the log says so', () => operator.process.output().includes(problem));
        assert.ok(!(await filesOf(site)).includes('lfh-sync-hospital-b'));
        assert.deepEqual([await ordered(site), await note()], [before, 'Restart StatefulSet/nats']);
      } finally {
        await removePolicy();
      }
      await until('it is ordered', async () => (await ordered(site)) !== before, 60_000);
      await until('it is noted no more', async () => (await note()) === undefined);
    });

    it('only where the workload exists, and reports WorkloadMissing otherwise', async () => {
      const site = await start({ reloads: false, spec: { nats: { workloadRef: { name: 'nuts' } } } });
      await admit(site, 'hospital-b');
      const message = await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'WorkloadMissing');
      assert.match(message, /spec\.nats\.workloadRef: there is no StatefulSet\/nuts in this namespace/);
    });
  });
});

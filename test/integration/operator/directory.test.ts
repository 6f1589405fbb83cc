import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { createUser } from 'nkeys.js';
import { type ConfigMap, KINDS } from '../../../operator/api/objects.ts';
import type { LfhSyncNode } from '../../../operator/api/types.ts';
import { nodeLayout } from '../../../operator/directory/layout.ts';
import { trySignIn } from '../../../operator/nats/sign-in.ts';
import { runDirectoryOnce } from '../../kit/processes/directory-process.ts';
import { KubeletStandIn, type VolumeSource } from '../../kit/processes/kubelet-stand-in.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { DirectorySite } from '../../kit/sites/directory-site.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { SIDECAR_SOURCES } from '../../kit/sites/operated-site.ts';
import { Site } from '../../kit/sites/site.ts';

interface StatusFile {
  readonly refused: readonly { readonly file: string; readonly field?: string; readonly problem: string }[];
  readonly peers: Readonly<Record<string, { readonly conditions: readonly { type: string; reason: string }[] }>>;
}

describe('lfh-sync run with a directory', function () {
  this.timeout(240_000);
  let site: DirectorySite;
  let logs: string;
  const receiver = createUser();
  const KEY = receiver.getPublicKey();

  before(async () => {
    logs = await mkdtemp(join(tmpdir(), 'lfh-sync-directory-logs-'));
    site = await DirectorySite.start('hospital-d', { kafka: false });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await site.applyPeer('b', { lfhId: 'hospital-b', publicKeys: [KEY] });
    await site.waitForReason('lfhpeer', 'b', 'SendReady', 'AwaitingPeer');
  });

  after(async () => {
    await site?.stop();
    await rm(logs, { recursive: true, force: true });
  });

  async function status(): Promise<StatusFile> {
    return load(await site.status()) as StatusFile;
  }

  /** Whether the peer's key is let in at the site's nats-server. */
  async function outcome(): Promise<string> {
    const key = { publicKey: KEY, seed: Buffer.from(receiver.getSeed()).toString() };
    return (await trySignIn(site.site.nats.url, key, { ca: site.site.ca.ca })).outcome;
  }

  it('says in status.yaml what kubectl would, with every condition', async () => {
    await until('the file says it', async () => {
      const { conditions = [] } = (await status()).peers.b ?? {};
      return conditions.some(({ type, reason }) => type === 'SendReady' && reason === 'AwaitingPeer');
    });
  });

  it('refuses a second process on the same directory, and says who has it', async () => {
    const { output, code } = await runDirectoryOnce([site.layout.input], join(logs, 'second.log'));
    assert.equal(code, 2);
    assert.match(output, new RegExp(`another lfh-sync works on .* \\(process ${site.process.process.pid} on `));
  });

  it('lets nobody else read the keys', async () => {
    const { sidecar } = nodeLayout(site.layout, 'local');
    const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
    assert.equal(await modeOf(site.layout.objects), 0o700);
    for (const name of await readdir(site.layout.objects)) {
      assert.equal(await modeOf(join(site.layout.objects, name)), 0o600, name);
    }
    assert.equal(await modeOf(join(sidecar, 'secrets', 'nats-server.nk')), 0o600);
    assert.equal(await modeOf(join(sidecar, 'LFH_SYNC_PEERS')), 0o644);
    assert.equal(await readFile(join(site.layout.state, '.gitignore'), 'utf8'), '*\n');
  });

  it('refuses a file that is wrong, by file and field, and keeps the peer as it was', async () => {
    const before = await site.peer('b');
    await site.patch('lfhpeer', 'b', { publicKeys: ['no key'] });
    await until('it is refused', async () => (await status()).refused.length === 1);
    const [{ file, field, problem } = { file: '', problem: '' }] = (await status()).refused;
    assert.deepEqual([file, field], ['peer-b.yaml', 'spec.publicKeys']);
    assert.match(problem, /must be a public NKey/);
    assert.equal((await site.process.get('/readyz')).ok, false);
    await site.write('peer-b.yaml', 'kind: [');
    await until('it cannot be read', async () =>
      /is not YAML: line 1/.test((await status()).refused[0]?.problem ?? ''),
    );
    assert.deepEqual((await site.peer('b')).spec, before.spec);
    assert.equal(await outcome(), 'Accepted');
    await site.applyPeer('b', before.spec);
    await until('nothing is refused', async () => (await status()).refused.length === 0);
    await until('it is ready', async () => (await site.process.get('/readyz')).ok);
  });

  it('says with --dry-run what would be written, shows no secret, and changes nothing', async () => {
    const snapshot = async (): Promise<string> => {
      const names = (await readdir(site.layout.objects)).sort();
      return (await Promise.all(names.map((name) => readFile(join(site.layout.objects, name), 'utf8')))).join();
    };
    const seed = Buffer.from((await site.keySecret()).data?.['nats-server.nk'] ?? '', 'base64').toString('utf8');
    const dryRun = () => runDirectoryOnce([site.layout.input, '--dry-run'], join(logs, 'dry-run.log'));
    await site.process.stop();
    try {
      const before = await snapshot();
      assert.match((await dryRun()).output, /nothing would be written/);
      const another = createUser().getPublicKey();
      await site.applyPeer('c', { lfhId: 'hospital-c', publicKeys: [another] });
      await site.applyPeer('e', { lfhId: 'hospital-e', servers: ['nats://e'] });
      const { output, code } = await dryRun();
      assert.equal(code, 1);
      assert.match(output, /refused: peer-e.yaml: LfhSyncPeer e: spec.servers: each entry must be tls:/);
      assert.match(output, new RegExp(`lfh-sync-hospital-c would be let in with the key ${another}`));
      assert.match(
        output,
        /state\/local\/nats\/lfh-sync-peers.conf: would be changed\n[^]*\+ .*lfh-sync-hospital-c \{/,
      );
      assert.ok(!output.includes(seed));
      assert.equal(await snapshot(), before);
    } finally {
      for (const name of ['c', 'e']) await site.deletePeer(name);
      await site.process.start();
    }
  });

  it('goes on with the same key after a restart, and makes no new one where that is gone', async () => {
    const key = await site.keySecret();
    const path = join(site.layout.objects, 'Secret.local-nkey.yaml');
    await site.process.kill();
    await rm(path);
    await site.process.start();
    await site.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyLost');
    await site.process.stop();
    await writeFile(path, JSON.stringify(key), { mode: 0o600 });
    await site.process.start();
    await site.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade');
    assert.deepEqual((await site.keySecret()).data, key.data);
  });

  it('puts back what somebody has changed in what nats-server includes', async () => {
    const file = join(nodeLayout(site.layout, 'local').nats, 'lfh-sync.conf');
    const wanted = async () => (await site.get<ConfigMap>(KINDS.configMap, 'local-nats'))?.data?.['lfh-sync.conf'];
    await writeFile(file, '');
    await until('it is back', async () => (await readFile(file, 'utf8')) === (await wanted()));
    await until('nats-server has read it', async () => (await outcome()) === 'Accepted');
  });

  it('takes the access of a peer back whose file is removed', async () => {
    assert.equal(await outcome(), 'Accepted');
    await site.deletePeer('b');
    await until('the key is refused', async () => (await outcome()) === 'KeyRefused');
  });

  it('can be moved to Kubernetes with kubectl apply, and goes on with its key and its positions', async () => {
    const toA = new MessageLedger();
    const running: { stop(): Promise<void> }[] = [];
    const started = <Each extends { stop(): Promise<void> }>(each: Each): Each => {
      running.push(each);
      return each;
    };
    try {
      const from = started(await Site.start('hospital-f', { kafka: false }));
      const moving = started(await DirectorySite.start('hospital-m'));
      const first = await moving.startSidecar();
      await moving.waitForReason('lfhnode', 'local', 'Ready', 'AllReady');
      const publicKeys = (await moving.node()).status?.publicKeys ?? [];
      await from.grantAccess({ lfhId: 'hospital-m', publicKeys });
      await moving.applyPeer('f', { lfhId: 'hospital-f', servers: [from.nats.url], ca: { inline: from.ca.ca } });
      await moving.waitForReason('lfhpeer', 'f', 'ReceiveReady', 'Replaying');
      await toA.send(from, 50);
      await toA.arrivedOnce(moving.site);
      const included = await moving.get<ConfigMap>(KINDS.configMap, 'local-nats');
      await moving.process.stop();
      await first.stop();

      const plane = await sharedControlPlane();
      const { operator, options } = await OperatorProcess.startOver(plane, ['moved']);
      started(operator);
      const [namespace = ''] = options.namespaces;
      const key = join(moving.layout.objects, 'Secret.local-nkey.yaml');
      await plane.kubectl(['apply', '-n', namespace, '-f', key, '-f', moving.layout.input]);
      const kubeConfig = plane.kubeConfig();
      const onChange = (): void => moving.site.nats.signalReload();
      const mount = async (directory: string, sources: readonly VolumeSource[]): Promise<unknown> =>
        started(await KubeletStandIn.mount({ kubeConfig, namespace, directory, sources, onChange }));
      await mount(nodeLayout(moving.layout, 'local').nats, [{ configMap: 'local-nats' }]);
      const directory = join(moving.site.directory, 'moved');
      await mount(join(directory, 'settings'), SIDECAR_SOURCES);
      const sidecar = started(await SidecarProcess.startMounted(moving.site, directory));
      await toA.send(from, 50);
      await toA.arrivedOnce(moving.site);
      const node = await plane.api.get<LfhSyncNode & ConfigMap>(KINDS.node, namespace, 'local');
      assert.deepEqual(node?.status?.publicKeys, publicKeys);
      const now = await plane.api.get<ConfigMap>(KINDS.configMap, namespace, 'local-nats');
      assert.deepEqual(now?.data, included?.data, 'nats-server has nothing to reload');
      // What is in Kafka is counted a moment later.
      const { skipped } = await sidecar.waitForPeer(from, 'has counted all', ({ replayed }) => replayed === 50);
      assert.equal(skipped.AlreadyReplayed, 0);
    } finally {
      for (const each of running.toReversed()) await each.stop();
    }
  });
});

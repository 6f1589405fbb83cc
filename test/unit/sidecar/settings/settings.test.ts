import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUser } from 'nkeys.js';
import { settingText } from '../../../../common/contract/settings.ts';
import { type LoadedSettings, loadSettings, watchSettings } from '../../../../sidecar/settings/settings.ts';
import { until } from '../../../kit/processes/process.ts';
import { createCertificateAuthority } from '../../../kit/servers/certificates.ts';

const peers = JSON.stringify([{ name: 'a', lfhId: 'hospital-a', servers: ['tls://a:4222'], caFile: 'ca-a.crt' }]);

describe('the settings of a sidecar', () => {
  let directory: string;
  let env: NodeJS.ProcessEnv;
  let ca: string;
  const seed = new TextDecoder().decode(createUser().getSeed());

  before(async () => {
    ca = (await createCertificateAuthority('a')).ca;
  });

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-settings-'));
    env = { LFH_SYNC_SETTINGS_DIR: directory, connect_lfh_id: 'from-the-environment' };
    await put('nats-server.nk', seed);
  });

  afterEach(() => rm(directory, { recursive: true }));

  const put = (name: string, content: string): Promise<void> => writeFile(join(directory, name), content);

  it('are taken from the environment in upper or lower case, and from files first', async () => {
    assert.equal((await loadSettings(env)).lfhId, 'from-the-environment');
    await put('CONNECT_LFH_ID', 'from-a-file\n');
    assert.equal((await loadSettings(env)).lfhId, 'from-a-file');
  });

  it("hold each peer's CA, and report a peer whose CA is wrong without stopping the others", async () => {
    const both = [
      { name: 'a', lfhId: 'hospital-a', servers: ['tls://a:4222'], caFile: 'ca-a.crt' },
      { name: 'b', lfhId: 'hospital-b', servers: ['tls://b:4222'], caFile: 'ca-b.crt' },
      { name: 'c', lfhId: 'hospital-c', servers: ['tls://c:4222'], caFile: 'ca-c.crt' },
    ];
    await put('LFH_SYNC_PEERS', JSON.stringify(both));
    await put('ca-a.crt', ca);
    await put('ca-c.crt', '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n');
    const loaded = (await loadSettings(env)).peers;
    assert.equal(loaded[0]?.ca, ca);
    assert.match(loaded[1]?.problem ?? '', /cannot read the file .*ca-b\.crt/);
    assert.match(loaded[2]?.problem ?? '', /holds a private key/);
  });

  it('take a seed with or without a line end, and explain a wrong one without quoting it', async () => {
    await put('nats-server.nk', `${seed}\n`);
    assert.equal(new TextDecoder().decode((await loadSettings(env)).seed), seed);
    const publicKey = createUser().getPublicKey();
    await put('nats-server.nk', publicKey);
    await assert.rejects(loadSettings(env), (error: Error) => {
      assert.match(error.message, /spec\.key \(NATS_NK_FILE\): holds a public key/);
      assert.ok(!error.message.includes(publicKey));
      return true;
    });
  });

  it('name the file that is missing, and the setting that names it', async () => {
    await unlink(join(directory, 'nats-server.nk'));
    await assert.rejects(loadSettings(env), /spec\.key \(NATS_NK_FILE\): cannot read the file .*nats-server\.nk/);
  });

  describe('that change while it runs', () => {
    const stop = { controller: new AbortController() };
    let changes: { settings: LoadedSettings; restartNeeded: readonly string[] }[];
    let problems: string[];
    let watching: Promise<void>;

    beforeEach(async () => {
      stop.controller = new AbortController();
      changes = [];
      problems = [];
      const watch = {
        onChange: (settings: LoadedSettings, restartNeeded: readonly string[]) =>
          changes.push({ settings, restartNeeded }),
        onProblem: (message: string) => problems.push(message),
      };
      watching = watchSettings(env, await loadSettings(env), watch, stop.controller.signal);
    });

    afterEach(async () => {
      stop.controller.abort();
      await watching;
    });

    it('are taken up: a peer, and a changed CA file', async () => {
      await put('ca-a.crt', ca);
      await put('LFH_SYNC_PEERS', peers);
      await until('the peer is there', () => changes.at(-1)?.settings.peers[0]?.ca === ca, 5_000);
      const renewed = (await createCertificateAuthority('a')).ca;
      await put('ca-a.crt', renewed);
      await until('the CA is the new one', () => changes.at(-1)?.settings.peers[0]?.ca === renewed, 5_000);
    });

    it('are seen through the swapped links of a mounted ConfigMap', async () => {
      await mkdir(join(directory, '..one'));
      await mkdir(join(directory, '..two'));
      await writeFile(join(directory, '..one', 'LFH_SYNC_LOG_LEVEL'), 'debug');
      await writeFile(join(directory, '..two', 'LFH_SYNC_LOG_LEVEL'), 'warn');
      await symlink('..one', join(directory, '..data'));
      await symlink(join('..data', 'LFH_SYNC_LOG_LEVEL'), join(directory, 'LFH_SYNC_LOG_LEVEL'));
      await until('the first is in force', () => changes.at(-1)?.settings.logLevel === 'debug', 5_000);
      await unlink(join(directory, '..data'));
      await symlink('..two', join(directory, '..data'));
      await until('the second is in force', () => changes.at(-1)?.settings.logLevel === 'warn', 5_000);
    });

    it('are reported once when a value is bad; the last good ones stay until good ones come', async () => {
      await put('LFH_SYNC_PEERS', 'nonsense');
      await until('the problem is reported', () => problems.length === 1, 5_000);
      assert.match(problems[0] ?? '', /^LFH_SYNC_PEERS/);
      await put('LFH_SYNC_PEERS', '[]');
      await until('all is well again', () => changes.length === 1, 5_000);
      assert.equal(problems.length, 1);
    });

    it('stay as they are when they take effect at the next start only, and are named', async () => {
      await put('KAFKA_BOOTSTRAP_SERVERS', 'elsewhere:9092');
      await until('the change is reported', () => changes.length === 1, 5_000);
      assert.deepEqual(changes[0]?.restartNeeded, [settingText('kafkaBrokers')]);
      assert.deepEqual(changes[0]?.settings.kafkaBrokers, ['kafka:9092']);
    });

    it("are named when only the content of the files with Kafka's password and CA is new", async () => {
      await put('ca-kafka.crt', ca);
      await put('kafka-password', 'before');
      await put('LFH_SYNC_KAFKA_TLS', 'true');
      await put('LFH_SYNC_KAFKA_CA_FILE', 'ca-kafka.crt');
      await put('LFH_SYNC_KAFKA_SASL_MECHANISM', 'plain');
      await put('LFH_SYNC_KAFKA_SASL_USERNAME', 'lfh-sync');
      await put('LFH_SYNC_KAFKA_SASL_PASSWORD_FILE', 'kafka-password');
      const named: (readonly string[])[] = [];
      const watch = {
        onChange: (_: LoadedSettings, restartNeeded: readonly string[]) => named.push(restartNeeded),
        onProblem: (message: string) => problems.push(message),
      };
      const again = watchSettings(env, await loadSettings(env), watch, stop.controller.signal);
      await put('ca-kafka.crt', (await createCertificateAuthority('kafka')).ca);
      await put('kafka-password', 'after');
      const expected = [settingText('kafkaCaFile'), settingText('kafkaSaslPasswordFile')];
      await until('both are reported', () => JSON.stringify(named.at(-1)) === JSON.stringify(expected), 5_000);
      stop.controller.abort();
      await again;
    });
  });
});

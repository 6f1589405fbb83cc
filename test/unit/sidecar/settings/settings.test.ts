import assert from 'node:assert/strict';
import { cpSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { createUser } from 'nkeys.js';
import { settingText } from '../../../../common/contract/settings.ts';
import { settingsDigest } from '../../../../common/contract/settings-digest.ts';
import { settingsMac } from '../../../../common/contract/settings-mac.ts';
import { writeMounted } from '../../../../operator/directory/mounted-files.ts';
import type { Observed } from '../../../../operator/plan/observed/observed.ts';
import { type LoadedSettings, loadSettings, watchSettings } from '../../../../sidecar/settings/settings.ts';
import { until } from '../../../kit/processes/process.ts';
import { createCertificateAuthority } from '../../../kit/servers/certificates.ts';
import { aPeer, certificate, observedOf, planOf } from '../../operator/plan/fixtures.ts';

/** From the document that the project began with. */
const PUBLISHED_SEED = 'SUAIT6XNSPT2JZXX2XCPQPQO6F3BZ3VUGDP73WMEXUEBBVBMXMIJHUQHWE';
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

  it('have no digest where a person has written them, neither of all nor of a peer, so that no operator compares them', async () => {
    await put('LFH_SYNC_PEERS', JSON.stringify([{ name: 'b', lfhId: 'hospital-b', servers: ['tls://b:4222'] }]));
    const { digest, peers: withoutCa } = await loadSettings(env);
    await put('LFH_SYNC_PEERS', peers);
    await put('ca-a.crt', ca);
    const { peers: withCa } = await loadSettings(env);
    assert.deepEqual([digest, withoutCa[0]?.digest, withCa[0]?.digest], [null, undefined, undefined]);
    assert.equal(withCa[0]?.ca, ca);
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

  describe('that an operator has written', () => {
    const previous = new TextDecoder().decode(createUser().getSeed());
    let entries: Record<string, string>;
    let secrets: Record<string, string>;

    beforeEach(() => {
      env = { ...env, LFH_SYNC_SECRETS_DIR: join(directory, 'secrets') };
      entries = { LFH_SYNC_PEERS: peers, 'ca-a.crt': ca };
      secrets = { 'nats-server.nk': seed };
    });

    /** As the kubelet does with the volume of the injected container. */
    async function mount(): Promise<void> {
      const own = Object.entries(secrets).map(([name, text]) => [`secrets/${name}`, text] as const);
      const files = [...Object.entries(entries), ...own].map(([name, text]) => [name, Buffer.from(text)] as const);
      await unlink(join(directory, 'nats-server.nk')).catch(() => undefined);
      await writeMounted(directory, new Map(files));
    }

    const authenticate = (...seeds: string[]): void => {
      entries.LFH_SYNC_SETTINGS_MAC = settingsMac(entries, seeds);
    };

    const refused = async (message = /LFH_SYNC_SETTINGS_MAC: does not fit/): Promise<void> => {
      await mount();
      await assert.rejects(loadSettings(env), message);
    };

    it('count, with their CAs and keys, with the present key or the one before', async () => {
      for (const seeds of [[seed], [previous], [seed, previous]]) {
        secrets['previous.nk'] = previous;
        authenticate(...seeds);
        await mount();
        const loaded = await loadSettings(env);
        assert.deepEqual([loaded.peers[0]?.ca, loaded.publicKeys.length], [ca, 2]);
      }
    });

    it('are told by the digests that the operator makes of what it has written, of each peer for itself', async () => {
      const of = (name: string, lfhId: string) => aPeer(name, { spec: { lfhId } });
      const digestsOf = async (observed: Observed) => {
        const plan = planOf(observed);
        entries = { ...plan.objects.find(({ metadata }) => metadata.name === 'local-sidecar')?.data };
        authenticate(seed);
        await mount();
        const { peers: loaded, digest } = await loadSettings(env);
        const sorted = [...plan.peers].sort((one, other) =>
          one.peer.metadata.name < other.peer.metadata.name ? -1 : 1,
        );
        assert.deepEqual(
          loaded.map((peer) => peer.digest),
          sorted.map((peer) => peer.digest),
        );
        assert.equal(digest, settingsDigest(entries.LFH_SYNC_SETTINGS_MAC ?? ''));
        return { all: digest, b: loaded[0]?.digest, c: loaded[1]?.digest };
      };
      const before = await digestsOf(observedOf([of('c', 'hospital "c" ü'), of('b', 'b')]));
      assert.match(before.b ?? '', /^[0-9a-f]{12}$/);
      const paused = aPeer('b', { spec: { receive: { paused: true } } });
      const otherCa = aPeer('b', { spec: { ca: { inline: certificate('ca-c') } } });
      const noCa = aPeer('b', { spec: { ca: undefined } });
      const seen = new Set([before.b]);
      for (const changed of [paused, otherCa, noCa]) {
        const now = await digestsOf(observedOf([of('c', 'hospital "c" ü'), changed]));
        assert.equal(now.c, before.c);
        assert.notEqual(now.all, before.all);
        seen.add(now.b);
      }
      assert.equal(seen.size, 4);
    });

    it('have no digest of a peer whose CA is not there', async () => {
      const { 'ca-a.crt': _, ...others } = entries;
      entries = others;
      authenticate(seed);
      await mount();
      const [peer] = (await loadSettings(env)).peers;
      assert.match(peer?.problem ?? '', /there is no entry ca-a\.crt beside the settings/);
      assert.equal(peer?.digest, undefined);
    });

    it('do not count where any of them was changed, added or removed, or is not authenticated at all', async () => {
      await refused(/LFH_SYNC_SETTINGS_MAC: is missing, so this node's operator has not written them/);
      authenticate(seed);
      const good = { ...entries };
      for (const [name, text] of [
        ['ca-a.crt', (await createCertificateAuthority('theirs')).ca],
        ['LFH_SYNC_PEERS', '[]'],
        ['KAFKA_BOOTSTRAP_SERVERS', 'theirs:9092'],
        ['of no meaning', 'x'],
      ] as const) {
        entries = { ...good, [name]: text };
        await refused();
      }
      const { LFH_SYNC_PEERS: _, ...less } = good;
      entries = less;
      await refused();
    });

    it('do not count when they bring the key that fits themselves, by whatever name, nor one that is published', async () => {
      const theirs = new TextDecoder().decode(createUser().getSeed());
      const { publicKeys } = await loadSettings({ LFH_SYNC_SETTINGS_DIR: directory });
      entries = {
        ...entries,
        'previous.nk': theirs,
        NATS_NK_FILE: 'previous.nk',
        LFH_SYNC_PREVIOUS_NK_FILE: 'previous.nk',
      };
      authenticate(theirs);
      await refused();
      authenticate(seed);
      await mount();
      assert.deepEqual((await loadSettings(env)).publicKeys, publicKeys);
      secrets['previous.nk'] = PUBLISHED_SEED;
      authenticate(PUBLISHED_SEED);
      await refused();
    });

    it('name a password among the secrets and nowhere else, and never a seed', async () => {
      const sasl = { LFH_SYNC_KAFKA_SASL_MECHANISM: 'plain', LFH_SYNC_KAFKA_SASL_USERNAME: 'u' };
      const named = async (file: string): Promise<string | undefined> => {
        entries = { ...entries, ...sasl, LFH_SYNC_KAFKA_SASL_PASSWORD_FILE: file };
        authenticate(seed);
        await mount();
        return (await loadSettings(env)).kafkaPassword;
      };
      secrets = { ...secrets, 'kafka-password': 'hunter2\n', 'previous.nk': previous };
      assert.equal(await named('kafka-password'), 'hunter2');
      for (const file of ['nats-server.nk', 'previous.nk']) {
        await assert.rejects(named(file), /PASSWORD_FILE\): the file [a-z.-]+ holds the seed of an NKey/);
      }
      for (const file of [
        'secrets/nats-server.nk',
        './kafka-password',
        join(directory, '..data/secrets/nats-server.nk'),
      ]) {
        await assert.rejects(named(file), /PASSWORD_FILE\): expected the name of a file in .*secrets/);
      }
      await assert.rejects(named('ca-a.crt'), /cannot read the file .*secrets\/ca-a.crt/);
    });

    it('name a CA beside them and nowhere else', async () => {
      await writeFile(join(directory, '..ca.crt'), ca);
      for (const file of ['../ca.crt', join(directory, '..ca.crt'), 'secrets/nats-server.nk']) {
        entries.CONNECT_CA_FILE = file;
        authenticate(seed);
        await refused(/CONNECT_CA_FILE\): there is no entry/);
      }
    });

    it('are read whole, however often they are replaced', async () => {
      const versions = ['..even', '..odd'].map((name) => join(directory, name));
      for (const version of versions) {
        entries = { LFH_SYNC_PEERS: peers, 'ca-a.crt': ca, ...(version.endsWith('odd') && { 'ca-b.crt': ca }) };
        authenticate(seed);
        await mount();
        await cp(join(directory, '..data'), version, { recursive: true, dereference: true });
      }
      const data = join(directory, '..data');
      for (let round = 0; round < 150; round += 1) {
        const loading = loadSettings(env);
        // Each time at another moment of it.
        for (let turn = 0; turn < round % 30; turn += 1) await setImmediate();
        const before = readlinkSync(data);
        cpSync(versions[round % 2] ?? '', join(directory, `..${round}`), { recursive: true });
        symlinkSync(`..${round}`, `${data}_tmp`);
        renameSync(`${data}_tmp`, data);
        rmSync(join(directory, before), { recursive: true });
        assert.equal((await loading).peers[0]?.ca, ca);
      }
    });

    it('stay in force when somebody changes them while it runs', async () => {
      authenticate(seed);
      await mount();
      const stop = new AbortController();
      const changes: LoadedSettings[] = [];
      const problems: string[] = [];
      const watch = {
        onChange: (settings: LoadedSettings) => changes.push(settings),
        onProblem: (message: string) => problems.push(message),
      };
      const watching = watchSettings(env, await loadSettings(env), watch, stop.signal);
      entries.LFH_SYNC_PEERS = '[]';
      await mount();
      await until('that is told', () => problems.length === 1, 5_000);
      assert.match(problems[0] ?? '', /^LFH_SYNC_SETTINGS_MAC: does not fit/);
      assert.equal(changes.length, 0);
      authenticate(seed);
      await mount();
      await until('the operator has written them', () => changes[0]?.peers.length === 0, 5_000);
      stop.abort();
      await watching;
    });
  });

  it('refuse a seed as a password or token also without an operator, by whatever link', async () => {
    await symlink('nats-server.nk', join(directory, 'password'));
    const sasl = { LFH_SYNC_KAFKA_SASL_MECHANISM: 'plain', LFH_SYNC_KAFKA_SASL_USERNAME: 'u' };
    for (const file of ['nats-server.nk', './nats-server.nk', join(directory, 'nats-server.nk'), 'password']) {
      const given = loadSettings({ ...env, ...sasl, LFH_SYNC_KAFKA_SASL_PASSWORD_FILE: file });
      await assert.rejects(
        given,
        (error: Error) => /holds the seed/.test(error.message) && !error.message.includes(seed),
      );
    }
    const server = { url: 'https://fhir.example.org/fhir', tokenFile: 'password' };
    const { fhirServers } = await loadSettings({ ...env, LFH_SYNC_FHIR_SERVERS: JSON.stringify([server]) });
    assert.match(fhirServers[0]?.problem ?? '', /the token for .* holds the seed/);
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

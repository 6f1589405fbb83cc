import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { execute } from '../../../image/cache.ts';
import { nodeLayout } from '../../../operator/directory/layout.ts';
import { loadSettings } from '../../../sidecar/settings/settings.ts';
import { DirectoryProcess } from '../../kit/processes/directory-process.ts';
import { until } from '../../kit/processes/process.ts';
import { natsServerProgram } from '../../kit/servers/nats-server.ts';

const EXAMPLE = join(import.meta.dirname, '..', '..', '..', 'docs', 'examples', 'compose');

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: readonly string[] | Readonly<Record<string, object>>;
  readonly volumes?: readonly (string | { readonly source: string; readonly target: string })[];
}

/** No Docker is here: what Docker would do with the files is looked at. */
describe('the example for docker-compose', function () {
  this.timeout(240_000);
  let directory: string;
  let compose: Compose;
  let lfhSync: DirectoryProcess;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-compose-'));
    await cp(EXAMPLE, directory, { recursive: true });
    await execute('sh', [join(directory, 'prepare.sh'), 'nats.hospital-a.example.org']);
    compose = load(await readFile(join(directory, 'compose.yaml'), 'utf8'), { schema: YAML11_SCHEMA }) as Compose;
    lfhSync = await DirectoryProcess.start({ directory: join(directory, 'sync'), logFile: join(directory, 'log') });
    const { nats, sidecar } = nodeLayout({ state: join(directory, 'sync', 'state') }, 'local');
    const written = [join(nats, 'lfh-sync.conf'), join(sidecar, 'LFH_SYNC_PEERS'), join(sidecar, 'secrets')];
    await until('all is written', () => written.every((path) => existsSync(path)));
  });

  after(async () => {
    await lfhSync?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  function mountsOf(service: string): { readonly source: string; readonly target: string }[] {
    return (compose.services[service]?.volumes ?? []).map((volume) => {
      if (typeof volume !== 'string') return volume;
      const [source = '', target = ''] = volume.split(':');
      return { source, target };
    });
  }

  it('mounts only what prepare.sh has made, or volumes that it names', () => {
    const names = Object.keys(compose.services);
    assert.ok(names.length >= 6);
    for (const name of names) {
      for (const { source } of mountsOf(name)) {
        const isThere = source.startsWith('.') ? existsSync(join(directory, source)) : source in compose.volumes;
        assert.ok(isThere, `${name}: ${source}`);
      }
      const { depends_on: needed = [], image } = compose.services[name] as Service;
      assert.match(image, /^(lfh-sync:[0-9.]+|docker\.io\/[a-z/-]+:[0-9][a-z0-9.-]*)$/, name);
      for (const other of Array.isArray(needed) ? needed : Object.keys(needed)) assert.ok(names.includes(other), other);
    }
  });

  it('has programs of ours that are in the image, and settings that there are', async () => {
    for (const { command = [], image } of Object.values(compose.services)) {
      const [program = ''] = command;
      if (image.startsWith('lfh-sync:'))
        assert.ok(existsSync(join(EXAMPLE, '../../..', program.replace(/^\/app\/(.*)\.js$/, '$1.ts'))));
    }
    const [mount] = mountsOf('sidecar');
    const { environment = {} } = compose.services.sidecar as Service;
    const env = Object.entries(environment).map(([name, path]) => {
      return [name, path.replace(mount?.target ?? '', join(directory, mount?.source ?? ''))];
    });
    const settings = await loadSettings(Object.fromEntries(env) as NodeJS.ProcessEnv);
    assert.deepEqual([settings.lfhId, settings.natsServers], ['hospital-a', ['tls://nats:4222']]);
    assert.equal(compose.services.connect?.environment?.CONNECT_LFH_ID, settings.lfhId);
    assert.deepEqual(
      JSON.parse(compose.services.connect?.environment?.KAFKA_BOOTSTRAP_SERVERS ?? ''),
      settings.kafkaBrokers,
    );
  });

  it('has a configuration that nats-server takes, with what lfh-sync writes', async () => {
    const root = join(directory, 'root');
    const mounts = mountsOf('nats').filter(({ source }) => source.startsWith('.'));
    for (const { source, target } of mounts) {
      await mkdir(join(root, target, '..'), { recursive: true });
      await symlink(join(directory, source), join(root, target));
    }
    const [conf] = compose.services.nats?.command?.slice(-1) ?? [];
    assert.ok(conf);
    const text = await readFile(join(root, conf), 'utf8');
    await rm(join(root, conf));
    await writeFile(join(root, conf), text.replaceAll('"/certs/', `"${root}/certs/`));
    const checked = await execute(await natsServerProgram(), ['-t', '-c', join(root, conf)]);
    assert.match(checked.stderr + checked.stdout, /is valid/);
  });

  it('has a node that is taken, whose NATS is not there yet', async () => {
    const status = join(directory, 'sync', 'state', 'status.yaml');
    await until('it is told', async () => /reason: NatsUnreachable/.test(await readFile(status, 'utf8')));
    assert.match(await readFile(status, 'utf8'), /^refused: \[\]$/m);
  });
});

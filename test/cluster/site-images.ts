import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { productionModules } from '../../image/app.ts';
import { NODE_PROGRAM, writeBase } from '../../image/base.ts';
import { cached, execute } from '../../image/cache.ts';
import { kafkaClassPath } from '../kit/servers/kafka.ts';
import { natsServerProgram } from '../kit/servers/nats-server.ts';
import { testImage } from './images.ts';
import { reloaderProgram } from './programs.ts';

/** Images of what a site runs besides lfh-sync: NATS with its reloader, Kafka, and a stand-in for connect. */

const TREE = join(import.meta.dirname, '..', '..');
const SITE_IMAGE = 'docker.io/library/lfh-sync-test-site:1';
const KAFKA_IMAGE = 'docker.io/library/lfh-sync-test-kafka:1';
/** The sources of the stand-ins. Node runs them as they are. */
const SOURCES = [
  'package.json',
  'common',
  'test/cluster/stand-ins',
  'test/kit/sites/connect-message.ts',
  'test/kit/servers/events-stream.ts',
  'test/kit/servers/upstream-connect.ts',
];
/** The modules that Kafka's broker and its formatting tool load: those that `jdeps` finds, and those they load by name. */
const JAVA_MODULES = [
  'java.base,java.compiler,java.desktop,java.logging,java.management,java.naming,java.security.jgss,java.security.sasl',
  'java.sql,java.xml,jdk.crypto.ec,jdk.management,jdk.unsupported',
].join(',');

/** Builds the images. An image is built again only when something in it has changed. @returns archives */
export async function siteImages(): Promise<readonly string[]> {
  const workshop = await mkdtemp(join(tmpdir(), 'lfh-sync-site-'));
  try {
    const base = join(workshop, 'base');
    await mkdir(base);
    const debian = await writeBase(base, NODE_PROGRAM);
    const modules = await productionModules();
    const [nats, reloader] = [await natsServerProgram(), await reloaderProgram()];
    const key = await digestOf([await sourcesDigest(), modules, nats, reloader, JSON.stringify(debian)]);
    const sources = Object.fromEntries(SOURCES.map((path) => [join('app', path), join(TREE, path)]));
    const files = {
      '.': base,
      'usr/local/bin/nats-server': nats,
      'usr/local/bin/nats-server-config-reloader': reloader,
      'app/node_modules': modules,
      ...sources,
    };
    const site = await testImage({ name: SITE_IMAGE, files, entrypoint: ['/usr/local/bin/node'] }, key);
    return [site, await kafkaImage(base)];
  } finally {
    await rm(workshop, { recursive: true, force: true });
  }
}

async function kafkaImage(base: string): Promise<string> {
  const java = await javaRuntime();
  const jars = dirname(await kafkaClassPath());
  const files = {
    lib: join(base, 'lib'),
    lib64: join(base, 'lib64'),
    'usr/lib': join(base, 'usr/lib'),
    etc: join(base, 'etc'),
  };
  const own = { 'opt/java': join(java, 'java'), 'lib/x86_64-linux-gnu': join(java, 'lib'), 'opt/kafka': jars };
  const image = { name: KAFKA_IMAGE, files: { ...files, ...own }, entrypoint: ['/opt/java/bin/java'] };
  return testImage(image, await digestOf([java, jars]));
}

/** The part of this machine's JDK that Kafka needs, with the libraries that it links. */
async function javaRuntime(): Promise<string> {
  const { stdout } = await execute('java', ['-version']).then(({ stderr }) => ({ stdout: stderr }));
  const key = (await digestOf([stdout, JAVA_MODULES])).slice(0, 12);
  return cached(`java-runtime-${key}`, 'a Java runtime for Kafka with jlink, 20 s', async (into) => {
    const java = join(into, 'java');
    const small = ['--strip-debug', '--no-header-files', '--no-man-pages', '--add-modules', JAVA_MODULES];
    await execute('jlink', [...small, '--output', java]);
    await mkdir(join(into, 'lib'));
    const programs = (await readdir(java, { recursive: true })).filter((path) => /\.so$|^bin\/java$/.test(path));
    for (const program of programs) {
      const linked = (await execute('ldd', [join(java, program)]).catch(() => ({ stdout: '' }))).stdout;
      for (const [, name, path] of linked.matchAll(/^\t(\S+) => (\/(?:usr\/)?lib\/x86_64-linux-gnu\/\S+)/gm)) {
        await cp(path as string, join(into, 'lib', name as string), { dereference: true });
      }
    }
  });
}

async function sourcesDigest(): Promise<string> {
  const texts: string[] = [];
  for (const source of SOURCES) {
    const path = join(TREE, source);
    const files = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined);
    const paths = files?.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name)) ?? [path];
    for (const file of paths.sort()) texts.push(relative(TREE, file), await readFile(file, 'utf8'));
  }
  return digestOf(texts);
}

async function digestOf(parts: readonly string[]): Promise<string> {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}

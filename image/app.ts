import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, execute } from './cache.ts';
import { copyShipped } from './shipped.ts';

/** What the image has of ours: compiled once, with the packages that it needs and no others. */

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

const TREE = join(import.meta.dirname, '..');
/** Only people and compilers read them; two thirds of the packages' bytes. */
const UNUSED = /\.(d\.[cm]?ts|[cm]?ts|map|md|markdown|flow)$/;
const LICENCE = /licen[cs]e|notice/i;

/** Writes the upper layer. @param into an empty directory, /app in the image */
export async function writeApp(into: string): Promise<Manifest> {
  const manifest = JSON.parse(await readFile(join(TREE, 'package.json'), 'utf8')) as Manifest;
  const { name, version, description, license, dependencies } = manifest;
  // Without source maps: they name the sources by their place on this machine, so that each clone would make another image.
  const options = ['-p', join(TREE, 'tsconfig.build.json'), '--outDir', into, '--sourceMap', 'false'];
  await execute(join(TREE, 'node_modules/.bin/tsc'), options);
  await copyShipped(into);
  await cp(join(TREE, 'LICENSE'), join(into, 'LICENSE'));
  const shipped = { name, version, description, license, private: true, type: 'module', dependencies };
  await writeFile(join(into, 'package.json'), `${JSON.stringify(shipped, undefined, 2)}\n`);
  await cp(await productionModules(), join(into, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  return manifest;
}

/** What `npm ci` installs without the packages for development, patched as in the tree. Once for each lock file. */
export async function productionModules(): Promise<string> {
  const patches = (await readdir(join(TREE, 'patches'))).sort();
  const hash = createHash('sha256');
  for (const name of ['package-lock.json', ...patches.map((patch) => join('patches', patch))]) {
    hash.update(await readFile(join(TREE, name)));
  }
  const key = hash.digest('hex').slice(0, 12);
  const place = await cached(`production-modules-${key}`, 'packages that the image needs, about 20 s', async (into) => {
    for (const name of ['package.json', 'package-lock.json', '.npmrc', 'patches']) {
      await cp(join(TREE, name), join(into, name), { recursive: true });
    }
    // No script of any package; ours would patch, with a package for development that is not there.
    await execute('npm', ['ci', '--omit=dev', '--ignore-scripts', '--loglevel=error'], { cwd: into });
    await execute(join(TREE, 'node_modules/.bin/patch-package'), ['--error-on-fail'], { cwd: into });
    await rm(join(into, 'node_modules/.bin'), { recursive: true, force: true });
    await removeUnused(join(into, 'node_modules'));
  });
  return join(place, 'node_modules');
}

async function removeUnused(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const { name, parentPath } of entries.filter((entry) => entry.isFile())) {
    if (UNUSED.test(name) && !LICENCE.test(name)) await rm(join(parentPath, name));
  }
  await rm(join(directory, '@types'), { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
}

import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeApp } from './app.ts';
import { NODE_PROGRAM, writeBase } from './base.ts';
import { buildImage, type ImageSource } from './buildah.ts';
import { execute } from './cache.ts';
import { billOfMaterials } from './sbom.ts';

/**
 * Builds the image of operator and sidecar:
 *
 *     node image/build.ts [--name NAME:TAG] [--out DIRECTORY]    an OCI archive and its SPDX list, by default in dist/image
 *     node image/build.ts --context DIRECTORY                    only what Dockerfile copies, for docker build
 */

const TREE = join(import.meta.dirname, '..');

/** Writes what the Dockerfile copies. @returns how to build it, but for its name; the list of contents is in the context, too */
async function writeContext(context: string): Promise<Omit<ImageSource, 'name'> & { readonly version: string }> {
  const [revision, epoch] = await commit();
  const [base, app] = [join(context, 'base'), join(context, 'app')];
  await Promise.all([mkdir(base, { recursive: true }), mkdir(app, { recursive: true })]);
  const [debian, manifest] = await Promise.all([writeBase(base, NODE_PROGRAM), writeApp(app)]);
  const node = (await execute(NODE_PROGRAM, ['--version'])).stdout.trim().slice(1);
  await writeFile(join(app, 'sbom.spdx.json'), await billOfMaterials(manifest, node, debian, epoch));
  // What everybody may read: an umask would otherwise make another image.
  await execute('chmod', ['-R', 'u=rwX,go=rX', app, join(base, 'etc'), join(base, 'usr'), join(base, 'var')]);
  const { version } = manifest;
  const args = { VERSION: version, REVISION: revision, CREATED: new Date(epoch * 1000).toISOString() };
  return { dockerfile: join(import.meta.dirname, 'Dockerfile'), context, epoch, args, version };
}

/** The commit that is built and its time; both say what is there, whenever it is built. */
async function commit(): Promise<[revision: string, epoch: number]> {
  const { stdout } = await execute('git', ['log', '-1', '--format=%H %ct'], { cwd: TREE });
  const [revision = '', seconds] = stdout.trim().split(' ');
  const { stdout: changes } = await execute('git', ['status', '--porcelain'], { cwd: TREE });
  return [changes ? `${revision}-dirty` : revision, Number(process.env.SOURCE_DATE_EPOCH ?? seconds)];
}

const { values } = parseArgs({
  options: { name: { type: 'string' }, out: { type: 'string' }, context: { type: 'string' } },
});
if (values.context) {
  const { args, epoch } = await writeContext(resolve(values.context));
  const given = Object.entries(args ?? {}).map(([key, value]) => `--build-arg ${key}=${value}`);
  console.log(`SOURCE_DATE_EPOCH=${epoch} docker build -f image/Dockerfile ${given.join(' ')} ${values.context}`);
} else {
  const out = resolve(values.out ?? join(TREE, 'dist/image'));
  const context = await mkdtemp(join(tmpdir(), 'lfh-sync-image-'));
  try {
    const source = await writeContext(context);
    const name = values.name ?? `lfh-sync:${source.version}`;
    await mkdir(out, { recursive: true });
    const archive = join(out, 'lfh-sync.oci.tar');
    const digest = await buildImage({ ...source, name }, archive);
    await writeFile(join(out, 'lfh-sync.spdx.json'), await readFile(join(context, 'app/sbom.spdx.json')));
    const { size } = await stat(archive);
    console.log(`${name} ${digest}\n${archive} (${Math.round(size / 1e6)} MB)`);
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

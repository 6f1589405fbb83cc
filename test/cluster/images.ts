import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buildImage } from '../../image/buildah.ts';
import { cached, execute, exists } from '../../image/cache.ts';
import { CONTAINERD, COREDNS_IMAGE, PAUSE_IMAGE } from './layout.ts';
import { type ClusterPrograms, kindProgram } from './programs.ts';

/** Images for pods of the cluster. Nothing can be pulled, so each image holds a program and nothing else. */

export interface TestImage {
  readonly name: string;
  /** Maps a path in the image to the file or directory of this machine that is copied there. */
  readonly files: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
}

/** Builds an image once for each `key`. @returns its archive, for {@link importImages} */
export async function testImage(image: TestImage, key: string): Promise<string> {
  const name = image.name.replace(/.*\//, '').replace(':', '-');
  const place = await cached(`image-${name}-${key}`, `the image ${image.name}`, (into) =>
    writeImage(image, join(into, 'image.tar')),
  );
  return join(place, 'image.tar');
}

async function writeImage({ name, files, entrypoint }: TestImage, archive: string): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), 'lfh-sync-image-'));
  try {
    for (const [path, from] of Object.entries(files)) {
      const to = join(context, 'root', path);
      await mkdir(dirname(to), { recursive: true });
      await cp(from, to, { recursive: true, dereference: false, verbatimSymlinks: true });
    }
    const dockerfile = join(context, 'Dockerfile');
    await writeFile(
      dockerfile,
      `FROM scratch\nCOPY root/ /\nUSER 65532:65532\nENTRYPOINT ${JSON.stringify(entrypoint)}\n`,
    );
    await buildImage({ dockerfile, context, name, epoch: 0, compress: false }, archive);
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** Imports images, so that the kubelet finds them with `imagePullPolicy: Never` or `IfNotPresent`. */
export async function importImages(archives: readonly string[]): Promise<void> {
  const kind = (await exists(CONTAINERD)) ? undefined : await kindProgram();
  for (const archive of archives) {
    if (kind) await execute(kind, ['load', 'image-archive', archive, '--name', 'lfh-sync']);
    else await execute('ctr', ['--address', CONTAINERD, '--namespace', 'k8s.io', 'images', 'import', archive]);
  }
}

/** The images that the cluster itself runs. @returns archives */
export async function clusterImages(programs: ClusterPrograms): Promise<readonly string[]> {
  const pause = await cached('pause-1', 'pause with Go, 5 s', async (into) => {
    const source = join(import.meta.dirname, 'pause');
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
    await execute('go', ['build', '-ldflags', '-s -w', '-o', join(into, 'pause'), '.'], { cwd: source, env });
  });
  const version = /coredns-(v[^/]+)/.exec(programs.coredns)?.[1] ?? 'given';
  return [
    await testImage({ name: PAUSE_IMAGE, files: { pause: join(pause, 'pause') }, entrypoint: ['/pause'] }, '1'),
    await testImage(
      {
        name: COREDNS_IMAGE,
        files: { coredns: programs.coredns },
        entrypoint: ['/coredns', '-conf', '/etc/coredns/Corefile'],
      },
      version,
    ),
  ];
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute } from './cache.ts';

/** Images are built by buildah, without a daemon, on any machine and the same each time. */

export interface ImageSource {
  readonly dockerfile: string;
  readonly context: string;
  /** With its tag, as pods name it. */
  readonly name: string;
  /** What every time stamp in it is set to, in seconds. */
  readonly epoch: number;
  readonly args?: Readonly<Record<string, string>>;
  /** Absent: yes. An archive that stays on this machine is made and read sooner without. */
  readonly compress?: boolean;
}

/**
 * Builds an image into an OCI archive, which `ctr images import`, `docker load` and `skopeo` take.
 *
 * The storage is a directory of its own that goes away afterwards: nothing is left in the machine's, and no layer comes from an
 * earlier build. `vfs` and `chroot` need no more rights than root in a container has.
 *
 * @param archive the file to write
 * @returns the image's digest: the same whenever the same files and arguments come in
 * @throws where buildah is missing or refuses, with its words
 */
export async function buildImage(source: ImageSource, archive: string): Promise<string> {
  const storage = await mkdtemp(join(tmpdir(), 'lfh-sync-buildah-'));
  const buildah = async (...args: string[]): Promise<string> => {
    const place = ['--root', join(storage, 'root'), '--runroot', join(storage, 'run'), '--storage-driver', 'vfs'];
    return (await execute('buildah', [...place, ...args], { maxBuffer: 16e6 })).stdout;
  };
  try {
    const { dockerfile, context, name, epoch, args = {}, compress = true } = source;
    const values = Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
    const layers = ['--isolation', 'chroot', '--layers', '--timestamp', String(epoch), '--identity-label=false'];
    await buildah('build', ...layers, ...values, '-f', dockerfile, '-t', name, context);
    await rm(archive, { force: true });
    const digest = join(storage, 'digest');
    const how = ['--quiet', '--digestfile', digest, ...(compress ? [] : ['--disable-compression'])];
    await buildah('push', ...how, name, `oci-archive:${archive}:${fullName(name)}`);
    return (await execute('cat', [digest])).stdout.trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Error('buildah is not there; on Debian: apt-get install --no-install-recommends buildah', {
        cause: error,
      });
    }
    throw error;
  } finally {
    await rm(storage, { recursive: true, force: true });
  }
}

/** As a kubelet writes a name that says no registry: so containerd finds what is imported under it. */
export function fullName(name: string): string {
  return name.includes('/') ? name : `docker.io/library/${name}`;
}

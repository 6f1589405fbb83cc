import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';

/** Content by path. */
export type Files = ReadonlyMap<string, Buffer>;

/** Who may read a file; by default everybody, as in a volume of a ConfigMap. */
export type ModeOf = (path: string) => number;

const FOR_ALL = 0o644;
const READABLE = 0o444;

/**
 * Writes a directory as the kubelet mounts ConfigMaps and Secrets, in the order of its AtomicWriter: a new directory with all the files,
 * `..data` turned to it in one step, links for what is new, none any more for what is gone, then the old directory removed. So whoever
 * reads it sees all of one version, or all of the next.
 */
export async function writeMounted(directory: string, files: Files, modeOf: ModeOf = () => FOR_ALL): Promise<void> {
  await mkdir(directory, { recursive: true });
  const data = join(directory, '..data');
  const before = await readlink(data).catch(() => undefined);
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_');
  const generation = await mkdtemp(join(directory, `..${stamp}.`));
  await chmod(generation, 0o755);
  for (const [path, bytes] of files) {
    const [file, mode] = [join(generation, path), modeOf(path)];
    if (!file.startsWith(`${generation}${sep}`)) throw new Error('a file would be written outside of its directory');
    // Who may read a file may also open the directory that it is in.
    if (dirname(path) !== '.') await mkdir(dirname(file), { recursive: true, mode: mode | ((mode & READABLE) >> 2) });
    await writeFile(file, bytes, { mode });
  }
  await rm(`${data}_tmp`, { force: true });
  await symlink(basename(generation), `${data}_tmp`);
  await rename(`${data}_tmp`, data);

  const visible = (await readdir(directory)).filter((name) => !name.startsWith('..'));
  const wanted = new Set([...files.keys()].map((path) => path.split('/')[0] as string));
  for (const name of wanted) {
    if (!visible.includes(name)) await symlink(join('..data', name), join(directory, name));
  }
  for (const name of visible) if (!wanted.has(name)) await rm(join(directory, name));
  if (before !== undefined) await rm(join(directory, before), { recursive: true, force: true });
}

/** Whether a directory that {@link writeMounted} has written holds just these files. */
export async function holds(directory: string, files: Files): Promise<boolean> {
  try {
    const data = join(directory, '..data');
    const found = await readdir(data, { recursive: true, withFileTypes: true });
    if (found.filter((entry) => entry.isFile()).length !== files.size) return false;
    for (const [path, bytes] of files) {
      if (!(await readFile(join(directory, path))).equals(bytes)) return false;
    }
    return true;
  } catch {
    return false;
  }
}

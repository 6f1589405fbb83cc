import { spawn } from 'node:child_process';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execute, exists } from '../../image/cache.ts';
import { until } from '../kit/processes/process.ts';
import { CGROUP, LINK, NAMESPACE, NETWORK, STATE } from './layout.ts';

/** What the cluster uses on this machine: a network namespace with one cable to it, cgroups, processes, and one directory. */

const NAMESPACES = '/run/netns';
const CGROUPS = '/sys/fs/cgroup';
const NODE = join(import.meta.dirname, 'node.sh');
/** Programs that come only with packages of Debian. Everything else is on every machine, or is built. */
const PACKAGES: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  runc: 'runc',
  iptables: 'iptables',
  conntrack: 'conntrack',
  buildah: 'buildah',
  ip: 'iproute2',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
};

/** @throws with what to do when this machine cannot run a node */
export function assertFit(): void {
  if (process.platform !== 'linux') throw new Error('a cluster needs Linux; elsewhere there is `make kind-up`');
  if (process.getuid?.() !== 0)
    throw new Error('a cluster needs root: a kubelet mounts, and makes cgroups and networks');
}

/** Installs what is missing. @returns the packages' names */
export async function installPackages(): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const [program, name] of Object.entries(PACKAGES)) if (!(await isThere(program))) missing.push(name);
  if (missing.length === 0) return missing;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await execute('apt-get', ['update', '-qq'], { env });
  await execute('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...missing], { env, maxBuffer: 16e6 });
  return missing;
}

async function isThere(program: string): Promise<boolean> {
  if (program.startsWith('/')) return exists(program);
  const places = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  for (const place of places) if (await exists(join(place, program))) return true;
  return false;
}

/** Lays the cable and makes the cgroups. Remains of an earlier cluster have to be removed before. */
export async function prepareMachine(): Promise<void> {
  const { all, machine, node, prefix } = NETWORK;
  await ip('netns', 'add', NAMESPACE);
  await ip('link', 'add', LINK, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', NAMESPACE);
  await ip('-n', NAMESPACE, 'address', 'add', `${node}/${prefix}`, 'dev', 'eth0');
  await ip('-n', NAMESPACE, 'link', 'set', 'eth0', 'up');
  // kubelet and kube-proxy need a default route.
  await ip('-n', NAMESPACE, 'route', 'add', 'default', 'via', machine);
  await ip('address', 'add', `${machine}/${prefix}`, 'dev', LINK);
  await ip('link', 'set', LINK, 'up');
  await ip('route', 'add', all, 'via', node, 'dev', LINK);
  for (const parent of await cgroupParents()) await execute('mkdir', ['-p', join(parent, CGROUP)]);
}

/** Starts the node's first process, which goes on when this process ends. */
export function startNode(): void {
  const namespaces = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  // `ip netns exec` would mount another /sys, without cgroups.
  const command = [`--net=${join(NAMESPACES, NAMESPACE)}`, ...namespaces, NODE, STATE];
  spawn('nsenter', command, { detached: true, stdio: 'ignore' }).unref();
}

/** Ends every process and removes everything. It does nothing where there is nothing. */
export async function clearMachine(): Promise<void> {
  const { stdout: namespaces } = await ip('netns', 'list');
  if (namespaces.split('\n').some((line) => line.split(' ')[0] === NAMESPACE)) {
    const pids = async (): Promise<number[]> => {
      const { stdout } = await ip('netns', 'pids', NAMESPACE);
      return stdout.split('\n').filter(Boolean).map(Number);
    };
    // When the first process ends, all others end too, also those in the networks of pods.
    const ended = async (): Promise<boolean> => {
      const left = await pids();
      for (const pid of left) end(pid);
      return left.length === 0;
    };
    await until(`nothing runs in ${NAMESPACE}`, ended, 60_000, 100);
    await ip('netns', 'delete', NAMESPACE);
    // iproute mounts this when it makes the first namespace, and never unmounts it.
    if ((await readdir(NAMESPACES)).length === 0) {
      await execute('umount', [NAMESPACES]).catch(() => undefined);
      await rmdir(NAMESPACES).catch(() => undefined);
    }
  }
  // The cable disappears a moment after the namespace. It is still there when an earlier run was cut off between the two.
  await ip('link', 'delete', LINK).catch(() => undefined);
  for (const parent of await cgroupParents()) await removeCgroup(join(parent, CGROUP));
  await rm(STATE, { recursive: true, force: true });
}

/** Kills a process, if it is still there. */
export function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** cgroup v1 has a tree for each controller, v2 one for all. */
async function cgroupParents(): Promise<string[]> {
  if (await exists(join(CGROUPS, 'cgroup.controllers'))) return [CGROUPS];
  const entries = await readdir(CGROUPS, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(CGROUPS, entry.name));
}

/** Removes cgroups from the leaves upwards. A process that has just been killed keeps its cgroup for a moment. */
async function removeCgroup(path: string): Promise<void> {
  if (!(await exists(path))) return;
  const entries = await readdir(path, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  await until(`${path} is empty`, () => rmdir(path).then(() => true), 30_000, 50);
}

function ip(...args: string[]): Promise<{ stdout: string }> {
  return execute('ip', args);
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exists } from '../../image/cache.ts';
import { CONTAINERD } from './layout.ts';
import { end } from './machine.ts';

const PROCESSES = '/proc';

/**
 * Kills every process of pods with SIGKILL, as a crash does. A pod that is deleted has at least a second after a SIGTERM, whatever
 * grace period is asked for. What holds the network of a pod is spared, so kubelet starts the containers again in the same pod.
 *
 * @param uids of the pods
 * @throws Error where a pod has no process
 */
export async function killPods(uids: readonly string[]): Promise<void> {
  if (!(await exists(CONTAINERD))) throw new Error('only pods of `make cluster-up` can be killed');
  const pids = (await readdir(PROCESSES)).filter((name) => /^\d+$/.test(name));
  const found = new Map(uids.map((uid) => [uid, [] as number[]]));
  for (const pid of pids) {
    const [cgroup, name] = await Promise.all([read(pid, 'cgroup'), read(pid, 'comm')]);
    const uid = uids.find((each) => cgroup.includes(`/pod${each}/`));
    if (uid !== undefined && name.trim() !== 'pause') found.get(uid)?.push(Number(pid));
  }
  for (const [uid, processes] of found) {
    if (processes.length === 0) throw new Error(`the pod ${uid} has no process`);
    processes.forEach(end);
  }
}

/** Empty where the process has just ended. */
function read(pid: string, file: string): Promise<string> {
  return readFile(join(PROCESSES, pid, file), 'utf8').catch(() => '');
}

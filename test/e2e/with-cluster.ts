import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Cluster } from '../cluster/cluster.ts';

/** Works on the cluster that runs. When none runs, it starts one, and stops it afterwards unless LFH_SYNC_KEEP is set. */
export async function withCluster(work: (cluster: Cluster) => Promise<void>): Promise<void> {
  const running = await connect();
  if (running) return work(running);
  await program('up.ts');
  try {
    await work(await Cluster.connect());
  } finally {
    if (!process.env.LFH_SYNC_KEEP) await program('down.ts');
  }
}

async function connect(): Promise<Cluster | undefined> {
  try {
    const cluster = await Cluster.connect();
    await cluster.ready(5_000);
    return cluster;
  } catch {
    return undefined;
  }
}

/** Runs a program of test/cluster, which prints what it does. */
async function program(name: string): Promise<void> {
  const file = join(import.meta.dirname, '..', 'cluster', name);
  const [code] = (await once(spawn(process.execPath, [file], { stdio: 'inherit' }), 'exit')) as [number | null];
  if (code !== 0) throw new Error(`test/cluster/${name} failed; it says above why`);
}

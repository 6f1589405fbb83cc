import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute, exists } from '../../image/cache.ts';
import { Cluster } from './cluster.ts';
import { CONTAINERD, KUBECONFIG, NETWORK, STATE } from './layout.ts';
import { clearMachine } from './machine.ts';
import { kindProgram } from './programs.ts';
import { step } from './steps.ts';

/**
 * Starts and stops a cluster with kind, where Docker is: `node test/cluster/kind.ts up` and `down`. It has the networks of the other
 * cluster and a route to them, so that the same tests run. The route needs root, and a Docker whose containers this machine reaches (Linux).
 */
const NAME = 'lfh-sync';

async function up(): Promise<void> {
  const kind = await step('kind', kindProgram);
  if (await exists(CONTAINERD)) await step('the other cluster is gone', clearMachine);
  await step('the old one is gone', () => execute(kind, ['delete', 'cluster', '--name', NAME]));
  await mkdir(STATE, { recursive: true });
  const config = join(STATE, 'kind.json');
  const networking = { podSubnet: NETWORK.pods, serviceSubnet: NETWORK.services };
  await writeFile(config, JSON.stringify({ kind: 'Cluster', apiVersion: 'kind.x-k8s.io/v1alpha4', networking }));
  const create = ['create', 'cluster', '--name', NAME, '--config', config, '--kubeconfig', KUBECONFIG, '--wait', '5m'];
  await step('cluster', () => execute(kind, create));
  await step('route', route);
  await step('node is ready', async () => (await Cluster.connect()).ready(300_000));
  console.log(`export KUBECONFIG=${KUBECONFIG}`);
}

async function route(): Promise<void> {
  const address = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  const { stdout } = await execute('docker', ['inspect', '--format', address, `${NAME}-control-plane`]);
  await execute('ip', ['route', 'replace', NETWORK.all, 'via', stdout.trim()]);
}

async function down(): Promise<void> {
  const kind = await kindProgram();
  // The route disappears with the network that it leads through.
  await step('the cluster is gone', () => execute(kind, ['delete', 'cluster', '--name', NAME]));
  await rm(STATE, { recursive: true, force: true });
}

await execute('docker', ['version']).catch((cause: unknown) => {
  throw new Error('there is no Docker here, or it does not answer; without it there is `make cluster-up`', { cause });
});
await (process.argv[2] === 'down' ? down() : up());

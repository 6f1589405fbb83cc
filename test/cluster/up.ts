import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Cluster } from './cluster.ts';
import { clusterImages, importImages } from './images.ts';
import { KUBECONFIG, STATE, VOLUMES } from './layout.ts';
import { assertFit, clearMachine, installPackages, prepareMachine, startNode } from './machine.ts';
import { writeNodeFiles } from './node-files.ts';
import { clusterPrograms } from './programs.ts';
import { step } from './steps.ts';

/** Starts a cluster of one node on this machine. It replaces a cluster that is there already. */

/** This is enough on a machine that does other things too. */
const PATIENCE_MS = 300_000;
const VOLUME_COUNT = 24;

assertFit();
await step('packages', installPackages);
const programs = await step('programs', clusterPrograms);
const images = await step('images', () => clusterImages(programs));
await step('the machine is clear', clearMachine);
await step('network, cgroups, files', async () => {
  await prepareMachine();
  await writeNodeFiles(programs);
});
startNode();
try {
  const cluster = await Cluster.connect();
  await step('node is ready', () => cluster.ready(PATIENCE_MS));
  await step('images are imported', () => importImages(images));
  await step('CoreDNS runs', async () => {
    await cluster.apply(await volumes());
    await cluster.applyManifest('coredns.yaml');
    await cluster.rolledOut('deployment/coredns', 'kube-system', PATIENCE_MS);
  });
} catch (error) {
  process.stderr.write(`the logs are in ${join(STATE, 'log')}; make cluster-down removes everything\n`);
  throw error;
}
console.log(`export KUBECONFIG=${KUBECONFIG}`);

/** Volumes for the claims of StatefulSets. They are made beforehand, because nothing here makes a volume when it is claimed. */
async function volumes(): Promise<object[]> {
  const names = Array.from({ length: VOLUME_COUNT }, (_, index) => `volume-${index + 1}`);
  for (const name of names) {
    await mkdir(join(VOLUMES, name), { recursive: true });
    // Pods may run as any user, and a kubelet does not change the owner of such a directory.
    await chmod(join(VOLUMES, name), 0o777);
  }
  return names.map((name) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '2Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: join(VOLUMES, name), type: 'Directory' },
    },
  }));
}

import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, execute, exists } from './cache.ts';

/** The ones that the design was tried with; the same as in the go.mod files. */
export const KUBERNETES = 'v1.37.2';
const ETCD = 'v3.7.3';
/** The Go modules that say what is built, each with its sums. */
export const MODULES = join(import.meta.dirname, 'kubernetes');

export type KubernetesProgram = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kubectl';

/** How each tells its version, and what it prints then. */
const PROGRAMS: Readonly<Record<KubernetesProgram, { readonly ask: readonly string[]; readonly answer: string }>> = {
  etcd: { ask: ['--version'], answer: `etcd Version: ${ETCD.slice(1)}` },
  'kube-apiserver': { ask: ['--version'], answer: `Kubernetes ${KUBERNETES}` },
  'kube-controller-manager': { ask: ['--version'], answer: `Kubernetes ${KUBERNETES}` },
  kubectl: { ask: ['version', '--client'], answer: `Client Version: ${KUBERNETES}` },
};

/**
 * Finds the programs of a control plane, each by itself: in the directory that KUBEBUILDER_ASSETS names, whatever version
 * is there; then on PATH when its version is the one wanted; then in the cache, or builds it.
 *
 * @returns each program's path, or its name where it is on PATH
 * @throws what a build says that fails
 */
export async function kubernetesPrograms(): Promise<Readonly<Record<KubernetesProgram, string>>> {
  return {
    etcd: (await find('etcd')) ?? join(await buildEtcd(), 'etcd'),
    'kube-apiserver': await findOrBuild('kube-apiserver'),
    'kube-controller-manager': await findOrBuild('kube-controller-manager'),
    kubectl: await findOrBuild('kubectl'),
  };
}

async function findOrBuild(program: KubernetesProgram): Promise<string> {
  return (await find(program)) ?? join(await buildKubernetes(), program);
}

async function find(program: KubernetesProgram): Promise<string | undefined> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets && (await exists(join(assets, program)))) return join(assets, program);
  const { ask, answer } = PROGRAMS[program];
  const found = await execute(program, [...ask]).catch(() => undefined);
  return found?.stdout.split('\n').includes(answer) ? program : undefined;
}

function buildEtcd(): Promise<string> {
  return cached(`etcd-${ETCD}`, `etcd ${ETCD} with Go, about 30 s`, (into) =>
    goBuild(join(MODULES, 'etcd'), into, ['-o', join(into, 'etcd'), '.']),
  );
}

/** All at once, also where only one is wanted: most of what they are compiled from is the same. */
function buildKubernetes(): Promise<string> {
  const about = `kube-apiserver, kube-controller-manager and kubectl ${KUBERNETES} with Go, about 5 min`;
  const programs = ['kube-apiserver', 'kube-controller-manager', 'kubectl'];
  return cached(`kubernetes-${KUBERNETES}`, about, (into) => buildOfKubernetes(MODULES, into, KUBERNETES, programs));
}

/** Builds commands of k8s.io/kubernetes. */
export async function buildOfKubernetes(
  module: string,
  into: string,
  version: string,
  programs: readonly string[],
): Promise<void> {
  // Without it they say that they are v0.0.0.
  const flags = `-s -w -X k8s.io/component-base/version.gitVersion=${version}`;
  const packages = programs.map((name) => `k8s.io/kubernetes/cmd/${name}`);
  await goBuild(module, into, ['-ldflags', flags, '-o', `${into}/`, ...packages]);
}

/**
 * On a copy, so that nothing that Go does touches the tree; `-mod=readonly` makes what is built what go.sum says. Niced:
 * a build takes minutes of every core, and somebody may be working on this machine.
 */
export async function goBuild(
  module: string,
  into: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const copy = join(into, 'module');
  await cp(module, copy, { recursive: true });
  await execute('nice', ['-n', '19', 'go', 'build', '-mod=readonly', '-buildvcs=false', ...args], {
    cwd: copy,
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  await rm(copy, { recursive: true });
}

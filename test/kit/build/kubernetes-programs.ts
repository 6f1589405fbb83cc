import { join } from 'node:path';
import { cached, execute, exists } from '../../../image/cache.ts';
import { goBuild } from './go-build.ts';

/** The versions that everything was tried with; the same as in kubernetes/go.mod. */
const KUBERNETES = 'v1.37.2';
const ETCD = 'v3.7.3';
const HELM = 'v4.3.1';
const COREDNS = 'v1.15.0';
/**
 * The Go module that says what they are built from, with its sums. One for all of them, so that each dependency has one version and
 * is compiled once: Kubernetes, etcd, helm and CoreDNS have most of theirs in common.
 * So each has the newest that any of them asks for, which can be newer than in its own releases.
 */
const MODULE = join(import.meta.dirname, 'kubernetes');

export type KubernetesProgram = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kubectl';
type FindableProgram = KubernetesProgram | 'helm';
/** What only a cluster with a node has. */
export type NodeProgram = 'coredns' | 'kube-proxy' | 'kube-scheduler' | 'kubelet';

/** The arguments that make each print its version, and the text that it prints then. */
const PROGRAMS: Readonly<Record<FindableProgram, { readonly ask: readonly string[]; readonly answer: string }>> = {
  etcd: { ask: ['--version'], answer: `etcd Version: ${ETCD.slice(1)}` },
  'kube-apiserver': { ask: ['--version'], answer: `Kubernetes ${KUBERNETES}` },
  'kube-controller-manager': { ask: ['--version'], answer: `Kubernetes ${KUBERNETES}` },
  kubectl: { ask: ['version', '--client'], answer: `Client Version: ${KUBERNETES}` },
  helm: { ask: ['version', '--template', '{{.Version}}'], answer: HELM },
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
    etcd: await findOrBuild('etcd'),
    'kube-apiserver': await findOrBuild('kube-apiserver'),
    'kube-controller-manager': await findOrBuild('kube-controller-manager'),
    kubectl: await findOrBuild('kubectl'),
  };
}

/**
 * Finds helm: what HELM names, whatever version that is; then as {@link kubernetesPrograms} do.
 *
 * @returns its path, or its name where it is on PATH
 * @throws where HELM names no file, or with what a build says that fails
 */
export async function helmProgram(): Promise<string> {
  const named = process.env.HELM;
  if (!named) return findOrBuild('helm');
  if (!(await exists(named))) throw new Error(`HELM names ${named}, which is not there`);
  return named;
}

/** Finds in the cache, or builds, what a node runs. @throws what a build says that fails */
export async function nodePrograms(): Promise<Readonly<Record<NodeProgram, string>>> {
  const place = await cached(
    `node-${KUBERNETES}-coredns-${COREDNS}`,
    `kubelet, kube-scheduler and kube-proxy ${KUBERNETES} and CoreDNS ${COREDNS} with Go, about 1 min`,
    (into) => build(into, ['./coredns', ...commands(['kube-proxy', 'kube-scheduler', 'kubelet'])]),
  );
  return {
    coredns: join(place, 'coredns'),
    'kube-proxy': join(place, 'kube-proxy'),
    'kube-scheduler': join(place, 'kube-scheduler'),
    kubelet: join(place, 'kubelet'),
  };
}

async function findOrBuild(program: FindableProgram): Promise<string> {
  return (await find(program)) ?? join(await buildControlPlane(), program);
}

async function find(program: FindableProgram): Promise<string | undefined> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets && (await exists(join(assets, program)))) return join(assets, program);
  const { ask, answer } = PROGRAMS[program];
  const found = await execute(program, [...ask]).catch(() => undefined);
  return found?.stdout.split('\n').includes(answer) ? program : undefined;
}

/** All at once, also where only one is wanted: most of what they are compiled from is the same. */
function buildControlPlane(): Promise<string> {
  const about = `kube-apiserver, kube-controller-manager and kubectl ${KUBERNETES}, etcd ${ETCD} and helm ${HELM} with Go, 9 to 14 min`;
  const packages = [
    './etcd',
    'helm.sh/helm/v4/cmd/helm',
    ...commands(['kube-apiserver', 'kube-controller-manager', 'kubectl']),
  ];
  return cached(`control-plane-${KUBERNETES}-etcd-${ETCD}-helm-${HELM}`, about, (into) => build(into, packages));
}

function commands(names: readonly string[]): string[] {
  return names.map((name) => `k8s.io/kubernetes/cmd/${name}`);
}

function build(into: string, packages: readonly string[]): Promise<void> {
  // Without their versions Kubernetes' say v0.0.0, and helm v4.0 and something, by which it refuses charts that ask for a newer one.
  const kubernetes = `-X k8s.io/component-base/version.gitVersion=${KUBERNETES}`;
  const helm = `-X helm.sh/helm/v4/internal/version.version=${HELM}`;
  return goBuild(MODULE, into, ['-ldflags', `-s -w ${kubernetes} ${helm}`, '-o', `${into}/`, ...packages]);
}

import { join } from 'node:path';
import { cached, execute, exists } from '../../../image/cache.ts';
import { goBuild } from './go-build.ts';

/** The versions that everything was tried with. They are those in kubernetes/go.mod. */
const KUBERNETES = 'v1.37.2';
const ETCD = 'v3.7.3';
const HELM = 'v4.3.1';
const COREDNS = 'v1.15.0';
/**
 * The Go module that they are built from, with its sums. They share one module, so that each dependency has one version and is compiled
 * once: Kubernetes, etcd, helm and CoreDNS have most of theirs in common. Each dependency has the newest version that any of them
 * asks for, which can be newer than in a program's own releases.
 */
const MODULE = join(import.meta.dirname, 'kubernetes');

export type KubernetesProgram = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kubectl';
type FindableProgram = KubernetesProgram | 'helm';
/** The programs that only a cluster with a node runs. */
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
 * Finds each program of a control plane: in the directory that KUBEBUILDER_ASSETS names, in any version; or else on PATH in the wanted
 * version; or else in the cache. A program that is nowhere is built.
 *
 * @returns each program's path, or its name where it is on PATH
 * @throws with the output of a build that fails
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
 * Finds helm: the file that HELM names, in any version; or else in the same way as {@link kubernetesPrograms}.
 *
 * @returns its path, or its name where it is on PATH
 * @throws when HELM does not name a file, or with the output of a build that fails
 */
export async function helmProgram(): Promise<string> {
  const named = process.env.HELM;
  if (!named) return findOrBuild('helm');
  if (!(await exists(named))) throw new Error(`HELM names ${named}, which is not there`);
  return named;
}

/** Finds in the cache, or builds, the programs of a node. @throws with the output of a build that fails */
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

/** Builds all of them at once, also when only one is wanted, because they share most of their dependencies. */
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
  // Without these flags Kubernetes' programs report v0.0.0, and helm reports v4.0.x and refuses charts that ask for a newer version.
  const kubernetes = `-X k8s.io/component-base/version.gitVersion=${KUBERNETES}`;
  const helm = `-X helm.sh/helm/v4/internal/version.version=${HELM}`;
  return goBuild(MODULE, into, ['-ldflags', `-s -w ${kubernetes} ${helm}`, '-o', `${into}/`, ...packages]);
}

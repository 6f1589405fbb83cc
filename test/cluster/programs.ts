import { join } from 'node:path';
import { cached, execute } from '../servers/cache.ts';
import { buildOfKubernetes, goBuild, KUBERNETES, kubernetesPrograms, MODULES } from '../servers/kubernetes-programs.ts';

/** What a node of a cluster runs, beyond what tests of a control plane alone need. Built once, kept in the same cache. */

const COREDNS = 'v1.15.0';
const KIND = 'v0.33.0';
/** Of nats-io/nack, the same as in its go.mod. `go install` would first ask for a list of versions, which proxies may refuse. */
const NACK = 'v0.23.0';
const STATIC = { CGO_ENABLED: '0' };

export interface ClusterPrograms {
  readonly etcd: string;
  readonly 'kube-apiserver': string;
  readonly 'kube-controller-manager': string;
  readonly kubectl: string;
  readonly 'kube-scheduler': string;
  readonly 'kube-proxy': string;
  readonly kubelet: string;
  /** Statically linked: it is put into an image by itself. */
  readonly coredns: string;
}

/** Finds or builds all of them. @throws what a build says that fails */
export async function clusterPrograms(): Promise<ClusterPrograms> {
  const controlPlane = await kubernetesPrograms();
  const programs = ['kubelet', 'kube-scheduler', 'kube-proxy'];
  const more = await cached(
    `kubernetes-node-${KUBERNETES}`,
    `kubelet, kube-scheduler and kube-proxy ${KUBERNETES} with Go, about 1 min`,
    (into) => buildOfKubernetes(MODULES, into, KUBERNETES, programs),
  );
  const coredns = await cached(`coredns-${COREDNS}`, `CoreDNS ${COREDNS} with Go, about 1 min`, (into) =>
    goBuild(join(MODULES, 'coredns'), into, ['-ldflags', '-s -w', '-o', join(into, 'coredns'), '.'], STATIC),
  );
  return {
    ...controlPlane,
    'kube-scheduler': join(more, 'kube-scheduler'),
    'kube-proxy': join(more, 'kube-proxy'),
    kubelet: join(more, 'kubelet'),
    coredns: join(coredns, 'coredns'),
  };
}

/** What the official chart runs beside nats-server. */
export async function reloaderProgram(): Promise<string> {
  const program = 'nats-server-config-reloader';
  const source = `github.com/nats-io/nack/cmd/${program}`;
  const place = await cached(`${program}-${NACK}`, `${program} ${NACK} with Go, 10 s`, (into) =>
    goBuild(join(MODULES, 'reloader'), into, ['-ldflags', '-s -w', '-o', join(into, program), source], STATIC),
  );
  return join(place, program);
}

export async function kindProgram(): Promise<string> {
  const place = await cached(`kind-${KIND}`, `kind ${KIND} with Go, about 30 s`, async (into) => {
    const env = { ...process.env, ...STATIC, GOBIN: into, GOFLAGS: '-buildvcs=false' };
    await execute('go', ['install', '-ldflags', '-s -w', `sigs.k8s.io/kind@${KIND}`], { env, maxBuffer: 16e6 });
  });
  return join(place, 'kind');
}

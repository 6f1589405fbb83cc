import { join } from 'node:path';
import { cached } from '../../image/cache.ts';
import { goBuild, goInstall } from '../kit/build/go-build.ts';
import {
  type KubernetesProgram,
  kubernetesPrograms,
  type NodeProgram,
  nodePrograms,
} from '../kit/build/kubernetes-programs.ts';

/** The programs of a node that tests with a control plane alone do not need. They are built once and kept in the same cache. */

const KIND = 'v0.33.0';
/** The version of nats-io/nack, as in its go.mod. `go install` would first ask for a list of versions, which proxies may refuse. */
const NACK = 'v0.23.0';
const RELOADER = join(import.meta.dirname, '..', 'kit', 'build', 'kubernetes', 'reloader');

export type ClusterPrograms = Readonly<Record<KubernetesProgram | NodeProgram, string>>;

/** Finds or builds all of them. @throws with the output of a build that fails */
export async function clusterPrograms(): Promise<ClusterPrograms> {
  return { ...(await kubernetesPrograms()), ...(await nodePrograms()) };
}

/** The reloader that NATS's official chart runs beside nats-server. */
export async function reloaderProgram(): Promise<string> {
  const program = 'nats-server-config-reloader';
  const source = `github.com/nats-io/nack/cmd/${program}`;
  const place = await cached(`${program}-${NACK}`, `${program} ${NACK} with Go, 10 s`, (into) =>
    goBuild(RELOADER, into, ['-ldflags', '-s -w', '-o', join(into, program), source]),
  );
  return join(place, program);
}

export async function kindProgram(): Promise<string> {
  const place = await cached(`kind-${KIND}`, `kind ${KIND} with Go, about 30 s`, (into) =>
    goInstall(`sigs.k8s.io/kind@${KIND}`, into, ['-ldflags', '-s -w']),
  );
  return join(place, 'kind');
}

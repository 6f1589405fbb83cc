import { join } from 'node:path';
import type { ServerProcess } from '../processes/process.ts';

/** One program of a control plane. It can be stopped and started with the same ports and files. */
export class ControlPlaneProcess {
  readonly #start: () => Promise<ServerProcess>;
  #process: ServerProcess | undefined;

  /** @param start resolves when it answers */
  constructor(start: () => Promise<ServerProcess>) {
    this.#start = start;
  }

  get pid(): number {
    if (!this.#process) throw new Error('it was never started');
    return this.#process.pid;
  }

  /** Resolves when it answers. @throws with the end of its log when it does not */
  async start(): Promise<void> {
    this.#process = await this.#start();
  }

  async stop(graceMs?: number): Promise<void> {
    await this.#process?.stop(graceMs);
  }

  /** Ends it at once, as a crash would; watches break off in the middle. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }
}

export type Options = Readonly<Record<string, string>>;

/** What tests rely on a cluster to do by itself. Nothing that looks after pods: it would end those of no node. */
const CONTROLLERS = [
  'namespace-controller',
  'garbage-collector-controller',
  'serviceaccount-controller',
  'root-ca-certificate-publisher-controller',
  'clusterrole-aggregation-controller',
  'deployment-controller',
  'replicaset-controller',
  'statefulset-controller',
];

/** @param client URL for kube-apiserver, on this machine only and so without TLS; @param peer URL that nobody asks */
export function etcdOptions(directory: string, client: string, peer: string): Options {
  return {
    'data-dir': join(directory, 'etcd'),
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    // Nothing here has to survive a power cut.
    'unsafe-no-fsync': 'true',
    'log-level': 'warn',
  };
}

/** @param directory with the certificate, the service accounts' keys and the administrator's token */
export function apiServerOptions(directory: string, etcd: string, port: number): Options {
  return {
    'etcd-servers': etcd,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': String(port),
    'tls-cert-file': join(directory, 'apiserver.crt'),
    'tls-private-key-file': join(directory, 'apiserver.key'),
    'token-auth-file': join(directory, 'tokens.csv'),
    'anonymous-auth': 'false',
    'authorization-mode': 'RBAC',
    'service-cluster-ip-range': '10.96.0.0/16',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': join(directory, 'service-accounts.pub'),
    'service-account-signing-key-file': join(directory, 'service-accounts.key'),
    // A loopback address cannot be an endpoint of the Service `kubernetes`, which nothing here uses.
    'endpoint-reconciler-type': 'none',
    // Else it waits for its open watches, for longer than a stop may take.
    'shutdown-watch-termination-grace-period': '1s',
    v: '1',
  };
}

/** @param directory with the administrator's kubeconfig file */
export function controllersOptions(directory: string): Options {
  return {
    kubeconfig: join(directory, 'admin.kubeconfig'),
    'service-account-private-key-file': join(directory, 'service-accounts.key'),
    'root-ca-file': join(directory, 'ca.crt'),
    controllers: CONTROLLERS.join(','),
    // There is one, and a restarted one need not wait for its predecessor's lease.
    'leader-elect': 'false',
    // It serves nothing that anybody asks for.
    'secure-port': '0',
    v: '1',
  };
}

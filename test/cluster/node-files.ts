import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { createCertificateAuthority } from '../kit/servers/certificates.ts';
import {
  apiServerOptions,
  controllersOptions,
  etcdOptions,
  type Options,
} from '../kit/servers/control-plane-process.ts';
import { API_URL, CGROUP, CLUSTER_DOMAIN, CONTAINERD, NETWORK, NODE_NAME, PAUSE_IMAGE, STATE } from './layout.ts';
import type { ClusterPrograms } from './programs.ts';

/** The files that the node's programs read when they start: keys, tokens, configurations, and their command lines. */

interface User {
  readonly name: string;
  readonly group: string;
}

const USERS = {
  admin: { name: 'admin', group: 'system:masters' },
  scheduler: { name: 'system:kube-scheduler', group: '' },
  proxy: { name: 'system:kube-proxy', group: '' },
  kubelet: { name: `system:node:${NODE_NAME}`, group: 'system:nodes' },
} as const satisfies Record<string, User>;

/** Writes all the files. Those of an earlier cluster have to be removed before. */
export async function writeNodeFiles(programs: ClusterPrograms): Promise<void> {
  for (const name of ['', 'commands', 'log', 'settings', 'cni', 'containerd', 'volumes', 'manifests']) {
    await mkdir(join(STATE, name), { recursive: true, mode: 0o755 });
  }
  await writeCredentials();
  const configurations = {
    'containerd.toml': CONTAINERD_CONFIGURATION,
    'cni/pods.conflist': JSON.stringify(POD_NETWORK),
    'kubelet.json': JSON.stringify(KUBELET_CONFIGURATION),
    'kube-proxy.json': JSON.stringify(KUBE_PROXY_CONFIGURATION),
    // DNS asks nobody outside the cluster, because there is no way out.
    'resolv.conf': '',
  };
  for (const [name, text] of Object.entries(configurations)) await writeFile(join(STATE, name), text);
  for (const [name, command] of Object.entries(commands(programs))) {
    await writeFile(join(STATE, 'commands', name), `${command.join('\n')}\n`);
  }
}

async function writeCredentials(): Promise<void> {
  const authority = await createCertificateAuthority('kubernetes');
  const { cert, key } = await authority.issue({
    names: [
      { type: 'ip', value: NETWORK.node },
      { type: 'ip', value: NETWORK.api },
      { type: 'ip', value: '127.0.0.1' },
      { type: 'dns', value: 'kubernetes.default.svc' },
    ],
  });
  const accounts = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const users = Object.entries(USERS).map(([file, user]) => ({
    file,
    ...user,
    token: randomBytes(16).toString('hex'),
  }));
  const files = {
    'ca.crt': authority.ca,
    'apiserver.crt': cert,
    'apiserver.key': key,
    'service-accounts.key': accounts.privateKey,
    'service-accounts.pub': accounts.publicKey,
    'tokens.csv': users.map(({ token, name, group }) => `${token},${name},${name},${group}\n`).join(''),
    ...Object.fromEntries(users.map(({ file, ...user }) => [`${file}.kubeconfig`, kubeconfig(user, authority.ca)])),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(STATE, name), text, { mode: 0o600 });
}

function kubeconfig({ name, token }: { readonly name: string; readonly token: string }, ca: string): string {
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'lfh-sync', server: API_URL, caData: Buffer.from(ca).toString('base64'), skipTLSVerify: false }],
    users: [{ name, token }],
    contexts: [{ name: 'lfh-sync', cluster: 'lfh-sync', user: name }],
    currentContext: 'lfh-sync',
  });
  return config.exportConfig();
}

/** One command line for each program, in the order of their start. A program waits for what it needs, or is started again. */
function commands(programs: ClusterPrograms): Readonly<Record<string, readonly string[]>> {
  const etcd = 'http://127.0.0.1:2379';
  const run = (program: keyof ClusterPrograms, options: Options): string[] => [
    programs[program],
    ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
  ];
  return {
    '1-etcd': run('etcd', etcdOptions(STATE, etcd, 'http://127.0.0.1:2380')),
    '2-kube-apiserver': run('kube-apiserver', {
      ...apiServerOptions(STATE, etcd, 6443),
      'bind-address': '0.0.0.0',
      'advertise-address': NETWORK.node,
      'service-cluster-ip-range': NETWORK.services,
      'authorization-mode': 'Node,RBAC',
      // Pods find it by the Service `kubernetes`.
      'endpoint-reconciler-type': 'lease',
      'kubelet-preferred-address-types': 'InternalIP',
      'allow-privileged': 'true',
    }),
    '3-containerd': ['containerd', '--config', join(STATE, 'containerd.toml')],
    '4-kube-controller-manager': run('kube-controller-manager', { ...controllersOptions(STATE), controllers: '*' }),
    '5-kube-scheduler': run('kube-scheduler', {
      kubeconfig: join(STATE, 'scheduler.kubeconfig'),
      'leader-elect': 'false',
      'secure-port': '0',
    }),
    '6-kubelet': run('kubelet', {
      config: join(STATE, 'kubelet.json'),
      kubeconfig: join(STATE, 'kubelet.kubeconfig'),
      'hostname-override': NODE_NAME,
      'node-ip': NETWORK.node,
    }),
    '7-kube-proxy': run('kube-proxy', { config: join(STATE, 'kube-proxy.json') }),
  };
}

const CONTAINERD_CONFIGURATION = `version = 2
root = "${STATE}/containerd"
state = "/run/containerd"
[grpc]
  address = "${CONTAINERD}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # A machine may be one that cannot protect a process from the kernel's choice of whom to end.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${STATE}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`;

const POD_NETWORK = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      // A pod may reach itself through its own Service.
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: NETWORK.pods }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

const KUBELET_CONFIGURATION = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  // Only this cluster's pods and this machine can reach it, and it ends with them.
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${CGROUP}`,
  failCgroupV1: false,
  failSwapOn: false,
  oomScoreAdj: 0,
  containerRuntimeEndpoint: `unix://${CONTAINERD}`,
  clusterDNS: [NETWORK.dns],
  clusterDomain: CLUSTER_DOMAIN,
  resolvConf: join(STATE, 'resolv.conf'),
  // The disks hold other things of this machine. The kubelet must not evict pods because a disk is full.
  evictionHard: {
    'memory.available': '50Mi',
    'nodefs.available': '0%',
    'nodefs.inodesFree': '0%',
    'imagefs.available': '0%',
  },
  imageGCHighThresholdPercent: 100,
  imageMinimumGCAge: '24h',
};

const KUBE_PROXY_CONFIGURATION = {
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  clientConnection: { kubeconfig: join(STATE, 'proxy.kubeconfig') },
  hostnameOverride: NODE_NAME,
  mode: 'iptables',
  clusterCIDR: NETWORK.pods,
  oomScoreAdj: 0,
  conntrack: { maxPerCore: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  // Rules are written at once, and not up to a second later.
  iptables: { minSyncPeriod: '0s' },
};

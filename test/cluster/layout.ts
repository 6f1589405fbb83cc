import { join } from 'node:path';

/** Where everything of the cluster is: below one directory, and in network and cgroups of one name. */

/** Short: the paths of sockets may have 107 bytes. */
export const STATE = process.env.LFH_SYNC_CLUSTER ?? '/var/tmp/lfh-sync-cluster';
export const NAMESPACE = 'lfh-sync';
/** The machine's end of the cable to the node. Its other end is the node's only way out, and leads no further. */
export const LINK = 'lfh-sync0';
export const CGROUP = 'lfh-sync';

/** One network for all, so that one route on the machine's end of the cable reaches pods and Services, too. */
export const NETWORK = {
  all: '10.213.0.0/16',
  pods: '10.213.0.0/18',
  services: '10.213.128.0/18',
  machine: '10.213.255.1',
  node: '10.213.255.2',
  prefix: 30,
  api: '10.213.128.1',
  dns: '10.213.128.10',
} as const;

export const NODE_NAME = 'node';
export const CLUSTER_DOMAIN = 'cluster.local';
export const API_URL = `https://${NETWORK.node}:6443`;
export const KUBECONFIG = join(STATE, 'admin.kubeconfig');
/** Of the volumes that pods may claim. */
export const VOLUMES = join(STATE, 'volumes');
export const CONTAINERD = join(STATE, 'containerd.sock');
/** The sandbox of every pod. */
export const PAUSE_IMAGE = 'docker.io/library/lfh-sync-test-pause:1';
export const COREDNS_IMAGE = 'docker.io/library/lfh-sync-test-coredns:1';

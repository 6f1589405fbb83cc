import { join } from 'node:path';

/** Everything of the cluster is below one directory, and in a network and cgroups of one name. */

/** This is short, because the path of a socket may have at most 107 bytes. */
export const STATE = process.env.LFH_SYNC_CLUSTER ?? '/var/tmp/lfh-sync-cluster';
export const NAMESPACE = 'lfh-sync';
/** The machine's end of the cable to the node. The other end is the node's only network, which leads no further than this machine. */
export const LINK = 'lfh-sync0';
export const CGROUP = 'lfh-sync';

/** Node, pods and Services are in one network, so that one route from this machine reaches all of them. */
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
/** The storage class of the volumes that pods may claim. */
export const VOLUMES = join(STATE, 'volumes');
export const CONTAINERD = join(STATE, 'containerd.sock');
/** The image of the sandbox of every pod. */
export const PAUSE_IMAGE = 'docker.io/library/lfh-sync-test-pause:1';
export const COREDNS_IMAGE = 'docker.io/library/lfh-sync-test-coredns:1';

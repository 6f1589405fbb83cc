import { createUser } from 'nkeys.js';
import type { KubeObject } from '../../../operator/api/objects.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../servers/certificates.ts';

/** What stands in a namespace before lfh-sync is installed there: connect, NATS and their Secrets, as docs/install.md asks for them. */
export interface InstallableSite {
  readonly ca: CertificateAuthority;
  /** Of connect. */
  readonly publicKey: string;
  /** The values of the chart, in which a test may change anything. */
  readonly values: Record<string, unknown> & { node: Record<string, unknown> & { nats: Record<string, unknown> } };
  /** By a name of the test's own. */
  readonly objects: Record<SiteObject, KubeObject>;
}

export type SiteObject =
  | 'natsTls'
  | 'kafkaCa'
  | 'kafkaUser'
  | 'connectKey'
  | 'connectEnv'
  | 'natsConf'
  | 'nats'
  | 'connect';

export const INCLUDES_BOTH = `
accounts {
  LFH {
    jetstream: enabled
    include "../lfh-sync/lfh-sync.conf"
  }
  include "../lfh-sync/lfh-sync-peers.conf"
}`;

const ADVERTISED = 'nats.hospital-a.example';
/** What the certificate of NATS is for. */
export const NATS_NAMES = ['nats', ADVERTISED].map((value) => ({ type: 'dns', value }) as const);

export function secret(name: string, texts: Readonly<Record<string, string>>): KubeObject {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  );
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data } as KubeObject;
}

export function configMap(name: string, data: Readonly<Record<string, string>>): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data } as KubeObject;
}

/** @param pod the spec of its pods */
export function workloadOf(kind: 'Deployment' | 'StatefulSet', name: string, pod: object): KubeObject {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      ...(kind === 'StatefulSet' && { serviceName: name }),
      template: { metadata: { labels }, spec: pod },
    },
  } as KubeObject;
}

export interface NatsPod {
  readonly image?: string;
  readonly reloader?: boolean;
  readonly mount?: object;
}

export function natsPod({ image = 'nats:2.15.2-alpine', reloader = true, mount = {} }: NatsPod = {}): object {
  const files = { name: 'lfh-sync', mountPath: '/etc/lfh-sync' };
  return {
    containers: [
      {
        name: 'nats',
        image,
        volumeMounts: [
          { ...files, ...mount },
          { name: 'config', mountPath: '/etc/nats-config' },
        ],
      },
      ...(reloader
        ? [{ name: 'reloader', image: 'natsio/nats-server-config-reloader:0.23.0', volumeMounts: [files] }]
        : []),
    ],
    volumes: [
      { name: 'lfh-sync', configMap: { name: 'local-nats' } },
      { name: 'config', configMap: { name: 'nats-config' } },
      { name: 'tls', secret: { secretName: 'nats-tls' } },
    ],
  };
}

/** @param others further containers, and the environment of connect's own */
export function connectPod(
  env: readonly object[] = [],
  envFrom: readonly object[] = [],
  others: readonly object[] = [],
): object {
  const mount = { name: 'key', mountPath: '/home/lfh/connect/config/nats-server.nk', subPath: 'nats-server.nk' };
  return {
    containers: [{ name: 'connect', image: 'connect:0.42.0', env, envFrom, volumeMounts: [mount] }, ...others],
    volumes: [{ name: 'key', secret: { secretName: 'connect-nkey' } }],
  };
}

export async function installableSite(): Promise<InstallableSite> {
  const ca = await createCertificateAuthority('hospital-a');
  const { cert, key } = await ca.issue({ names: NATS_NAMES });
  const user = createUser();
  const publicKey = user.getPublicKey();
  const seed = new TextDecoder().decode(user.getSeed());
  return {
    ca,
    publicKey,
    values: {
      image: { repository: 'registry.example.org/lfh-sync' },
      node: {
        lfhId: 'hospital-a',
        connect: { workloadRef: { name: 'connect' } },
        nats: {
          servers: ['tls://nats:4222'],
          advertise: [`tls://${ADVERTISED}:4222`],
          ca: { secretRef: { name: 'nats-tls' } },
          workloadRef: { name: 'nats' },
          connect: { publicKey },
        },
        kafka: {
          brokers: ['kafka-0:9093', 'kafka-1:9093'],
          tls: true,
          ca: { secretRef: { name: 'kafka-ca' } },
          sasl: { mechanism: 'scram-sha-512', username: 'lfh-sync', passwordSecretRef: { name: 'kafka-user' } },
        },
      },
    },
    objects: {
      natsTls: secret('nats-tls', { 'tls.crt': cert, 'tls.key': key, 'ca.crt': ca.ca }),
      kafkaCa: secret('kafka-ca', { 'ca.crt': ca.ca }),
      kafkaUser: secret('kafka-user', { password: 'correct-horse' }),
      connectKey: secret('connect-nkey', { 'nats-server.nk': seed }),
      connectEnv: secret('connect-env', {}),
      natsConf: configMap('nats-config', { 'nats.conf': INCLUDES_BOTH }),
      nats: workloadOf('StatefulSet', 'nats', natsPod()),
      connect: workloadOf('Deployment', 'connect', connectPod()),
    },
  };
}

import assert from 'node:assert/strict';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { ConfigMap } from '../../../operator/api/objects.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { type Installation, InstalledSite } from './installed-site.ts';

const MANIFESTS = join(import.meta.dirname, '..', 'golden', 'connect-manifests');

/** docs/connect.md. The certificates have the names that connect's README gives them. */
const CONNECT_MANIFESTS: Installation = {
  page: 'connect.md',
  examples: 'connect-manifests',
  nats: { workload: 'nats-js', container: 'lfh-nats' },
  certificate: ['lfh-nats-server.pem', 'lfh-nats-server.key', 'lfh-root-ca.pem'],
};
/** What connect's own nats-server.conf has for nats-server; in its manifests it is missing, and connect needs both. */
const AS_CONNECT_NEEDS_IT = `tls: {
  cert_file: "/certs/lfh-nats-server.pem"
  key_file: "/certs/lfh-nats-server.key"
  ca_file: "/certs/lfh-root-ca.pem"
}
authorization: {
  users: [
    { nkey: UAOG3WGHPVLI3OQQVVTAP33Q3VOJKHYRZWA7A3REHZ3AD4U7YJJUYXO4 }
  ]
}
`;
/** The ConfigMaps that the README of connect's manifests has people make, with the entry of each. */
const CONFIG_MAPS = {
  'lfh-pemstore': 'lfh.pem',
  'lfh-keystore': 'lfh.key',
  'ca-nats': 'rootCA.pem',
  'nats-pemstore': 'nats-server.pem',
  'nats-keystore': 'nats-server.key',
} as const;

/**
 * Makes a site as connect's own Kubernetes manifests make it, from the fixture in golden/, with the files of docs/connect.md
 * beside them. nats.conf is not as in the manifest, which no nats-server takes ({@link natsConfigAsShipped}), but as connect
 * ships it elsewhere.
 *
 * @param receives whether it has a Kafka
 */
export async function startConnectSite(
  plane: ControlPlane,
  namespace: string,
  receives: boolean,
): Promise<InstalledSite> {
  const site = await InstalledSite.start(plane, namespace, CONNECT_MANIFESTS, { receives });
  try {
    await cp(MANIFESTS, site.examples, { recursive: true });
    // Only one namespace of a cluster can have the port that the manifest names.
    await site.edit('connect-deployment.yml', (text) => text.replace(/^ +nodePort: 30888\n/m, ''));
    await applyConnects(site);
    await site.restartNats();
    return site;
  } catch (error) {
    await site.stop();
    throw error;
  }
}

/** nats.conf of the manifest, as it stands there. */
export async function natsConfigAsShipped(): Promise<string> {
  const [first = ''] = (await readFile(join(MANIFESTS, 'nats-with-jetstream.yml'), 'utf8')).split('---\n');
  return (load(first) as ConfigMap).data?.['nats.conf'] ?? '';
}

async function applyConnects(site: InstalledSite): Promise<void> {
  for (const [name, entry] of Object.entries(CONFIG_MAPS)) {
    const text = entry === 'rootCA.pem' ? site.ca : 'as it is';
    await site.kubectl('create', 'configmap', name, `--from-literal=${entry}=${text}`);
  }
  for (const file of ['nats-with-jetstream.yml', 'kafka-zookeeper.yml', 'connect-deployment.yml']) {
    await site.kubectl('apply', '-f', join(site.examples, file));
  }
  const config = await natsConfigAsShipped();
  const withoutLeafNodes = config.replace(/^leafnodes \{[\s\S]*^\}\n/m, '');
  assert.notEqual(config, withoutLeafNodes);
  const data = { 'nats.conf': withoutLeafNodes + AS_CONNECT_NEEDS_IT };
  await site.kubectl('patch', 'configmap', 'nats-js-config', '-p', JSON.stringify({ data }));
}

import type { NodeObject } from '../../operator/plan/observed/observed.ts';
import { workloadRef } from '../../operator/plan/observed/workload-ref.ts';

/** What connect's workload needs: its id, a key of its own, and the CA that vouches for NATS. */

const KEY_FILE = 'nats-server.nk';
const KEY_MOUNT = '/etc/connect-nkey';
const CA_MOUNT = '/etc/connect-nats-ca';
const CA_FILE = 'ca.crt';

/**
 * A patch for `kubectl patch --patch-file`.
 *
 * @param keySecret the Secret that has connect's seed
 * @returns undefined where the node names no workload of connect
 */
export function connectPatch({ spec }: NodeObject, keySecret: string): object | undefined {
  if (spec.connect === undefined) return undefined;
  const { kind, name } = workloadRef(spec.connect.workloadRef, 'Deployment');
  const ca = caSource(spec.nats.ca);
  const env = [
    { name: 'CONNECT_LFH_ID', value: spec.lfhId },
    { name: 'NATS_NK_FILE', value: `${KEY_MOUNT}/${KEY_FILE}` },
    ...(ca ? [{ name: 'CONNECT_CA_FILE', value: `${CA_MOUNT}/${CA_FILE}` }] : []),
  ];
  const volumeMounts = [
    { name: 'connect-nkey', mountPath: KEY_MOUNT, readOnly: true },
    ...(ca ? [{ name: 'connect-nats-ca', mountPath: CA_MOUNT, readOnly: true }] : []),
  ];
  const volumes = [
    { name: 'connect-nkey', secret: { secretName: keySecret } },
    ...(ca ? [{ name: 'connect-nats-ca', ...ca }] : []),
  ];
  const containers = [{ name: spec.connect.container ?? 'connect', env, volumeMounts }];
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name },
    spec: { template: { spec: { containers, volumes } } },
  };
}

/** Only the CA of a Secret: beside it there may be the private key of the server. */
function caSource(ca: NodeObject['spec']['nats']['ca']): object | undefined {
  const { configMapRef, secretRef } = ca ?? {};
  const items = (key = 'ca.crt'): object[] => [{ key, path: CA_FILE }];
  if (configMapRef) return { configMap: { name: configMapRef.name, items: items(configMapRef.key) } };
  return secretRef && { secret: { secretName: secretRef.name, items: items(secretRef.key) } };
}

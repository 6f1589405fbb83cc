import { MAIN_FILE, NAMES, PEERS_FILE } from '../../operator/plan/observed/names.ts';
import type { StoredNode } from '../../operator/plan/observed/observed.ts';
import { nodeSpec } from '../../operator/plan/observed/spec.ts';

/** What a nats-server needs so that it takes up what the operator writes. */

/** Where the ConfigMap is mounted. The official chart mounts into its reloader what is below /etc/. */
const MOUNT = '/etc/lfh-sync';
/** From the place of the official chart's configuration, /etc/nats-config. */
const FROM_CHART = '../lfh-sync';
/** Where the node names no Secret as its CA. */
const USUAL_SECRET = 'nats-tls';

/** Values of the official chart, nats/nats. */
export function chartValues(node: StoredNode): object {
  const { account, isolation } = nodeSpec(node);
  const main = `${FROM_CHART}/${MAIN_FILE}`;
  const merge =
    isolation === 'Users'
      ? { authorization: { $include: main } }
      : { accounts: { [account]: { jetstream: 'enabled', $include: main }, $include: `${FROM_CHART}/${PEERS_FILE}` } };
  return {
    config: {
      jetstream: { enabled: true },
      nats: { tls: { enabled: true, secretName: tlsSecret(node) } },
      merge,
    },
    podTemplate: {
      patch: [
        {
          op: 'add',
          path: '/spec/volumes/-',
          value: { name: 'lfh-sync', configMap: { name: NAMES.nats(node.metadata.name) } },
        },
      ],
    },
    container: { patch: [{ op: 'add', path: '/volumeMounts/-', value: { name: 'lfh-sync', mountPath: MOUNT } }] },
  };
}

/** The Secret with the certificate of the server: where the CA is in a Secret, cert-manager writes both into the same one. */
export function tlsSecret({ spec }: StoredNode): string {
  return spec.nats.ca?.secretRef?.name ?? USUAL_SECRET;
}

/** What stands in the nats-server.conf of a server that no chart makes; the paths are below the directory of that file. */
export function plainIncludes(node: StoredNode): string {
  const { account, isolation } = nodeSpec(node);
  const map = NAMES.nats(node.metadata.name);
  const head = [
    `# Mount the ConfigMap ${map} as the directory lfh-sync beside nats-server.conf: the whole of it, without subPath.`,
    '# A nats-server does not start without a file that it includes: make the LfhSyncNode first.',
  ];
  const body =
    isolation === 'Users'
      ? ['authorization {', `  include "lfh-sync/${MAIN_FILE}"`, '}']
      : [
          'accounts {',
          `  ${account} {`,
          '    jetstream: enabled',
          `    include "lfh-sync/${MAIN_FILE}"`,
          '  }',
          `  include "lfh-sync/${PEERS_FILE}"`,
          '}',
        ];
  return [...head, ...body].join('\n');
}

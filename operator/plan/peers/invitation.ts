import { dump } from 'js-yaml';
import { shortName, syncName } from '../../../common/contract/names.ts';
import type { NodeObject } from '../observed/observed.ts';
import { type Authority, bundle, MAX_PEER_CA } from '../trust/certificates.ts';

/**
 * The manifest that the other side applies to have this node as its peer. It names no namespace, since the other side chooses
 * that, and it holds no secret, so it may go into git or a mail. The same input gives the same text.
 *
 * @param servers where the peers reach the node's NATS
 * @param publicKeys the node's; there are two while one replaces the other
 */
export function invitation(
  node: NodeObject,
  servers: readonly string[],
  publicKeys: readonly string[],
  ownCa: readonly Authority[] | undefined,
): string {
  const { lfhId } = node.spec;
  const ca = bundle(ownCa ?? []);
  const hasCa = ca !== '' && servers.length > 0;
  const fits = ca.length <= MAX_PEER_CA;
  const peer = {
    apiVersion: node.apiVersion,
    kind: 'LfhSyncPeer',
    metadata: { name: resourceName(lfhId) },
    spec: {
      lfhId,
      ...(servers.length > 0 && { servers }),
      ...(hasCa && fits && { ca: { inline: ca } }),
      publicKeys: [...publicKeys],
    },
  };
  const head =
    `# An invitation to sync with ${inComment(lfhId)}. At the other site, in the namespace of its LfhSyncNode:\n` +
    '#   kubectl apply -f syncpeer.yaml\n# It holds no secret. It changes with the keys or the CA: then apply it again.\n';
  const note = hasCa && !fits ? CA_TOO_LARGE : '';
  return head + note + dump(peer, { lineWidth: -1 });
}

const CA_TOO_LARGE =
  '# Our CA is a bundle that is too large to be in here. Add the one that signed our certificate as spec.ca.\n';

/** Escapes more than JSON does: at some of those characters YAML would end the comment and read the rest. */
function inComment(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The name of an object in Kubernetes for an id. */
function resourceName(lfhId: string): string {
  const name = shortName(syncName(lfhId))
    .toLowerCase()
    .replaceAll('_', '-')
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'peer' : name;
}

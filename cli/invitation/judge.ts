import { PEER_SERVER } from '../../common/server-url.ts';
import { parseCertificate } from '../../operator/plan/observed/certificate.ts';
import { type NodeObject, nodeNameOf, type PeerObject } from '../../operator/plan/observed/observed.ts';
import { nodeKeys } from '../../operator/plan/observed/spec.ts';
import { admit } from '../../operator/plan/peers/admission.ts';
import { readCertificates } from '../../operator/plan/trust/certificates.ts';
import { expiryRemarks } from '../../operator/plan/trust/expiry.ts';
import { checkKeys } from '../../operator/plan/trust/public-keys.ts';
import type { Invitation } from './read.ts';

/** What would keep an invitation from being accepted, and what a person should know of it. The operator judges in the same way later. */
export interface Judgement {
  /** Why it is not accepted; empty where it may be. */
  readonly problems: readonly string[];
  readonly remarks: readonly string[];
}

export interface Here {
  readonly node: NodeObject;
  /** All peers of the namespace. */
  readonly peers: readonly PeerObject[];
  /** In milliseconds since 1970. */
  readonly now: number;
}

/** @param candidate the peer that would be made or changed */
export function judge(invitation: Invitation, candidate: PeerObject, { node, peers, now }: Here): Judgement {
  const { servers, publicKeys, ignored } = invitation;
  const others = peers.filter(({ metadata }) => metadata.name !== candidate.metadata.name);
  const ofCa = judgeCa(invitation, now);
  const problems = [
    ...(servers.length === 0 && publicKeys.length === 0 ? [ASKS_NOTHING] : []),
    ...servers.flatMap((server, index) => (PEER_SERVER.test(server) ? [] : [badServer(index)])),
    // Each of the keys counts, since the other site means to sign in with any of them.
    ...checkKeys(publicKeys, 'spec.publicKeys').problems.map(({ message }) => message),
    ...ofCa.problems,
    ...conflicts(candidate, others, node),
    ...takenFromAnother(candidate, peers, node),
  ];
  const notTaken = `these fields are not taken from an invitation, since you decide them: ${ignored.join(', ')}`;
  return { problems, remarks: [...(ignored.length > 0 ? [notTaken] : []), ...ofCa.remarks] };
}

/** One certificate that does not count is no problem while another one does. */
function judgeCa({ servers, ca }: Invitation, now: number): Judgement {
  if (servers.length === 0) return { problems: [], remarks: [] };
  if (ca === '') return { problems: [], remarks: [PUBLIC_ROOTS] };
  const { authorities, problems, expires } = readCertificates(ca, 'spec.ca.inline', now, parseCertificate);
  const messages = problems.map(({ message }) => message);
  if (authorities.length === 0) return { problems: messages, remarks: [] };
  const soon = expiryRemarks('spec.ca: the last certificate authority in it', expires, now);
  return { problems: [], remarks: [...messages, ...soon] };
}

const ASKS_NOTHING = 'it names neither servers nor public keys, so nothing would flow in either direction';
const PUBLIC_ROOTS = 'it names no CA: the servers are then trusted if any public authority vouches for them';

function badServer(index: number): string {
  return `spec.servers[${index}] is not tls://host:port without a user and a password`;
}

/** The operator lets the older of two peers with the same id or key keep it, and does nothing for the newer one. */
function conflicts(candidate: PeerObject, others: readonly PeerObject[], node: NodeObject): string[] {
  const sameNode = others.filter((peer) => nodeNameOf(peer) === node.metadata.name);
  const ownKeys = [...(node.status?.publicKeys ?? []), ...nodeKeys(node)];
  // Whatever is there is older than what comes now.
  const newest = { ...candidate, metadata: { ...candidate.metadata, creationTimestamp: '9999-12-31T23:59:59Z' } };
  const found = admit(node, ownKeys, [...sameNode, newest]).find(({ peer }) => peer === newest);
  return found?.conflict === undefined ? [] : [found.conflict];
}

/** To write the candidate would take that peer away from its node. */
function takenFromAnother({ metadata }: PeerObject, peers: readonly PeerObject[], node: NodeObject): string[] {
  return peers
    .filter((peer) => peer.metadata.name === metadata.name && nodeNameOf(peer) !== node.metadata.name)
    .map(
      (peer) => `the peer ${metadata.name} belongs to the node ${nodeNameOf(peer)}: choose another name with --name`,
    );
}

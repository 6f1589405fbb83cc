import { pemBlocks } from '../../common/pem.ts';
import { parseCertificate } from '../../operator/plan/observed/certificate.ts';
import type { NodeObject, PeerObject } from '../../operator/plan/observed/observed.ts';
import { peerSpec } from '../../operator/plan/observed/spec.ts';

/** What an invitation means and what it would change, in plain words. */

/** @param existing the peer that is there, whose other settings stay */
export function meaningOf(candidate: PeerObject, existing: PeerObject | undefined, node: NodeObject): string[] {
  const { lfhId, servers = [], publicKeys = [], tlsServerName } = candidate.spec;
  const { receive, send } = peerSpec({ ...candidate, spec: { ...existing?.spec, ...candidate.spec } });
  const [them, us] = [JSON.stringify(lfhId), JSON.stringify(node.spec.lfhId)];
  const name = tlsServerName === undefined ? '' : `, whose certificate must be for ${tlsServerName}`;
  const receives =
    servers.length === 0
      ? `You (${us}) receive nothing from ${them}.`
      : `You (${us}) receive what ${them} takes in, in the formats ${receive.allowFormats.join(', ')}, ` +
        `beginning with ${BEGINS[receive.startFrom.policy]}, from ${servers.join(', ')}${name}.`;
  const sends =
    publicKeys.length === 0
      ? `${them} may not receive anything from you.`
      : `${them} may receive everything that you take in, whatever its format: whoever has the key ${publicKeys.join(' or ')}.`;
  return [
    receives,
    ...(receive.paused && servers.length > 0 ? ['Receiving is paused at present.'] : []),
    sends,
    ...(send.paused && publicKeys.length > 0 ? ['Sending is paused at present.'] : []),
  ];
}

const BEGINS = {
  Earliest: 'the oldest message that it still has',
  Latest: 'what it takes in from now on',
  Time: 'the time in spec.receive.startFrom',
} as const;

/** What would change, a line each, with `-` for what is there and `+` for what comes; empty where nothing changes. */
export function changesOf(existing: PeerObject | undefined, candidate: PeerObject): string[] {
  return FIELDS.flatMap((field) => {
    const before = linesOf(field, existing);
    const after = linesOf(field, candidate);
    return [
      ...before.filter((line) => !after.includes(line)).map((line) => `- ${field}: ${line}`),
      ...after.filter((line) => !before.includes(line)).map((line) => `+ ${field}: ${line}`),
    ];
  });
}

const FIELDS = ['lfhId', 'nodeRef', 'servers', 'ca', 'tlsServerName', 'publicKeys'] as const;

function linesOf(field: (typeof FIELDS)[number], peer: PeerObject | undefined): string[] {
  const value = peer?.spec[field];
  if (value === undefined) return [];
  if (field === 'nodeRef') {
    // The API server fills in the usual one.
    const name = peer?.spec.nodeRef?.name;
    return name === undefined || name === 'local' ? [] : [name];
  }
  if (field === 'ca') return caLines(peer?.spec.ca ?? {});
  return (Array.isArray(value) ? value : [value]).map((each) => JSON.stringify(each));
}

function caLines({ inline, ...references }: NonNullable<PeerObject['spec']['ca']>): string[] {
  if (inline === undefined) return [JSON.stringify(references)];
  return pemBlocks(inline).map(({ text }) => {
    const certificate = parseCertificate(text);
    if (!certificate) return 'something that is no certificate';
    const { subject, validTo, fingerprint } = certificate;
    return `${subject}, until ${new Date(validTo).toISOString().slice(0, 10)}, SHA-256 ${fingerprint}`;
  });
}

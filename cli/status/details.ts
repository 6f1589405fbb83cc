import type { PeerObject } from '../../operator/plan/observed/observed.ts';

/** What else a status knows of a peer, as names and texts; without what it does not know. */
export function detailsOf({ status = {} }: PeerObject): Readonly<Record<string, string>> {
  const { receive = {}, send = {}, certificateExpiry = {}, redrive } = status;
  const details = {
    'server that we are connected to': receive.server,
    'key of ours that it accepts': receive.key,
    'position in its stream': receive.position,
    'certificate of its server expires': certificateExpiry.server,
    'last certificate authority in spec.ca expires': certificateExpiry.serverCa,
    'key that it is signed in with': send.connectedKey,
    'acknowledged up to': send.ackFloor,
    'behind since': send.behindSince,
    'what it has not fetched may be dropped from': send.expiresAt,
    redrive: redrive && `${redrive.id} is ${redrive.state}: ${redrive.message}`,
  };
  return Object.fromEntries(
    Object.entries(details).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  );
}

import { CONFIG_MAP_BYTES } from '../../api/objects.ts';
import { MAX_PEER_CA } from '../trust/certificates.ts';

/**
 * How much room a node has for its peers. If they took more, nothing could be written any more, and so nobody's access could be
 * taken back either.
 */

/** What nats-server includes is one ConfigMap. Some 6 KB of it are the node's own users, and the rest of these 16 KiB is to spare. */
const NATS_BYTES = CONFIG_MAP_BYTES - 16_384;
/** The setting that lists the peers is one entry, and the other settings are in the same ConfigMap. */
const SETTINGS_BYTES = 890_000;
/**
 * All CAs of peers. They are spread over what the settings leave of three ConfigMaps, in which the node's own CAs are as well. All
 * together that is 2.5 MB of 3 MiB, since a CA is never split.
 */
const CA_BYTES = 1_500_000;
/** How much the node's own CAs may take before they take the room of peers. */
const OWN_CA_BYTES = 2 * MAX_PEER_CA;

/** How much there is room for, or how much a peer takes, in bytes. */
export interface Room {
  /** In what nats-server includes. */
  readonly nats: number;
  /** In the list of peers that the sidecars have. */
  readonly settings: number;
  /** Among the CAs that the sidecars have. */
  readonly cas: number;
}

/**
 * The room for all peers of a node.
 *
 * @param ownCas how much of the node's own CAs nats-server has, and how much the sidecars have
 */
export function roomForPeers(ownCas: Pick<Room, 'nats' | 'cas'>): Room {
  return {
    nats: NATS_BYTES - ownCas.nats,
    settings: SETTINGS_BYTES,
    cas: CA_BYTES - Math.max(0, ownCas.cas - OWN_CA_BYTES),
  };
}

export function minus(room: Room, taken: Room): Room {
  return {
    nats: room.nats - taken.nats,
    settings: room.settings - taken.settings,
    cas: room.cas - taken.cas,
  };
}

/** Why a peer does not fit; undefined where it does. Its CA is no reason: see {@link caTooLarge}. */
export function noRoom(takes: Room, left: Room, all: Room): string | undefined {
  if (takes.nats > left.nats) {
    return tooMuch('what nats-server includes for it', takes.nats, left.nats, all.nats, 'keys');
  }
  if (takes.settings > left.settings) {
    const less = 'formats and origins';
    return tooMuch('what the sidecars read for it', takes.settings, left.settings, all.settings, less);
  }
  return undefined;
}

function tooMuch(what: string, takes: number, left: number, all: number, less: string): string {
  return (
    `there is no room for it: ${what} takes ${kib(takes)}, and of the ${kib(all)} that a ConfigMap has for all peers of a node ` +
    `the older ones leave ${kib(left)}; delete peers that are not needed, or give them fewer ${less}`
  );
}

/** What is wrong with a CA for which the older peers leave no room. */
export function caTooLarge(size: number, left: number): string {
  return (
    `spec.ca takes ${kib(size)}, and of the ${kib(CA_BYTES)} that all peers of a node have for their CAs the older ones leave ` +
    `${kib(left)}: give only the peer's own CA, or delete peers that are not needed`
  );
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

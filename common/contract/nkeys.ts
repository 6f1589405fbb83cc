import { hkdfSync } from 'node:crypto';
import { encodeBase32 } from './base32.ts';

/**
 * NKeys as operator and sidecar must both derive them, and the text that they are written in. Pure; what signs with them is in
 * `operator/nats` and `sidecar/nats`.
 */

/** A user's seed begins with these, which read `SU` in base 32. */
const USER_SEED_PREFIX = [0x95, 0x00] as const;

/**
 * The seed of the user that a node is at its *own* NATS.
 *
 * NATS has a server name a number and the client sign it, and the signature does not say for which server. Signed with one key
 * everywhere, what a peer's server is given could be used at our own (ADR 18). So the node has another key there, which no
 * peer's server ever gets a signature of. It is made of the node's seed, and kept nowhere.
 */
export function localNatsSeed(nodeSeed: string | Uint8Array): string {
  return derivedSeed(nodeSeed, 'lfh-sync own');
}

/**
 * A user's seed that whoever has the node's seed can derive, and nobody else. Must give the same in every version: another one
 * would be refused by servers that run what was written before.
 *
 * @param nodeSeed `SU…`, without a line end
 * @param purpose what it is for; another one for each
 */
export function derivedSeed(nodeSeed: string | Uint8Array, purpose: string): string {
  return encodeUserSeed(new Uint8Array(hkdfSync('sha256', nodeSeed, '', purpose, 32)));
}

/** What nkeys.js can do but does not offer: a user's seed from 32 bytes that are given, prefix and checksum around them. */
function encodeUserSeed(raw: Uint8Array): string {
  const body = [...USER_SEED_PREFIX, ...raw];
  const checksum = crc16(body);
  return encodeBase32([...body, checksum & 0xff, checksum >> 8]);
}

/** CRC-16 as XMODEM has it, which NKeys end with, its low byte first. */
export function crc16(bytes: readonly number[]): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

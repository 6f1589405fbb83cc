import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign } from 'node:crypto';
import { decodeBase32, encodeBase32 } from './base32.ts';

/**
 * NKeys as operator and sidecar must both derive them, the text that they are written in, and what they sign.
 *
 * The keys are Ed25519, and Node's own is used: nkeys.js computes in JavaScript, which takes 5 ms for a public key and 8 ms for a
 * signature, and an operator signs in hundreds of times in a row. A test shows that both give the same.
 */

/** A user's seed begins with these, which read `SU` in base 32. */
const USER_SEED_PREFIX = [0x95, 0x00] as const;
/** A user's public key begins with this, which reads `U`. */
const USER_PREFIX = 0xa0;
/** Of the seed proper, and of the public key proper. */
const KEY_BYTES = 32;
const USER_SEED = /^SU[A-Z2-7]{56}$/;
/** The form in which Node takes the 32 bytes of an Ed25519 key (PKCS #8, RFC 8410): these, and then the bytes. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * The seed of the user that a node's operator is at its *local* NATS, with all rights in the stream's account.
 *
 * To sign in, a NATS client signs a number that the server chose, and the signature does not say for which server it is. With
 * one key for all servers, a peer's server could use our signature to sign in at our local NATS (ADR 18). So the node has
 * another key there, and no peer's server ever gets a signature made with it. It is derived from the node's seed, and stored
 * nowhere.
 */
export function localNatsSeed(nodeSeed: string | Uint8Array): string {
  return derivedSeed(nodeSeed, 'lfh-sync own');
}

/**
 * The seed of the user that a node's sidecars are at their local NATS. It may do only what they do there (`sidecarPermissions`):
 * a sidecar reads what other organisations send, so a sidecar that was taken over must not be able to delete the stream.
 */
export function sidecarNatsSeed(nodeSeed: string | Uint8Array): string {
  return derivedSeed(nodeSeed, 'lfh-sync sidecar');
}

/**
 * A user's seed that can be derived with the node's seed only. Every version must derive the same seed: servers that run a
 * configuration of an earlier version would refuse another one.
 *
 * @param nodeSeed `SU…`, without a line end
 * @param purpose what the seed is for; each purpose gets a seed of its own
 */
export function derivedSeed(nodeSeed: string | Uint8Array, purpose: string): string {
  return encodeUserSeed(derivedBytes(nodeSeed, purpose));
}

/**
 * The key, of 32 bytes, with which an operator authenticates the settings of its sidecars (`settings-mac.ts`). Both have the
 * node's seed, so that it need not be stored or mounted.
 */
export function settingsKey(nodeSeed: string | Uint8Array): Uint8Array {
  return derivedBytes(nodeSeed, 'lfh-sync settings');
}

function derivedBytes(nodeSeed: string | Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', nodeSeed, '', purpose, KEY_BYTES));
}

/** The public key (`U…`) of a user's seed (`SU…`, without a line end); undefined for anything else, also for a damaged seed. */
export function userPublicKey(seed: string | Uint8Array): string | undefined {
  return keyPair(seed)?.publicKey;
}

/** How a NATS client answers a server that asks who it is. */
export interface SignedNonce {
  readonly nkey: string;
  /** In base 64; empty where the server has asked for no signature, or for one that it must not have. */
  readonly sig: string;
}

/**
 * Returns what signs a server's nonces with a user's seed, and nothing but nonces ({@link signableNonce}).
 *
 * @throws Error where it is not a user's seed; the error does not contain it
 */
export function nonceSigner(seed: string | Uint8Array): (nonce: string | undefined) => SignedNonce {
  const pair = keyPair(seed);
  if (!pair) throw new Error('not the seed of a user');
  const { publicKey, privateKey } = pair;
  return (nonce) => {
    const signable = signableNonce(nonce);
    const sig = signable === undefined ? '' : sign(null, Buffer.from(signable), privateKey).toString('base64');
    return { nkey: publicKey, sig };
  };
}

function keyPair(seed: string | Uint8Array): { publicKey: string; privateKey: KeyObject } | undefined {
  const raw = decodeUserSeed(Buffer.from(seed).toString('latin1'));
  if (!raw) return undefined;
  const key = Buffer.concat([PKCS8_HEAD, Uint8Array.from(raw)]);
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  const bytes = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES);
  return { publicKey: checked([USER_PREFIX, ...bytes]), privateKey };
}

/** Keys whose seeds LinuxForHealth has published (docs/upstream.md): everybody can sign in with them. */
const PUBLISHED_KEYS: ReadonlySet<string> = new Set([
  'UAOG3WGHPVLI3OQQVVTAP33Q3VOJKHYRZWA7A3REHZ3AD4U7YJJUYXO4',
  'UC2VSUPV3KX22XSD25K4Y2RLOXN4DGJFD5IMTQ326UZYBPEDVMTL7EER',
]);

/** Whether everybody can sign in with this key, because its seed is in LinuxForHealth's sources or documentation. */
export function isPublished(publicKey: string): boolean {
  return PUBLISHED_KEYS.has(publicKey);
}

/** nats-server's nonces are 11 random bytes in base64url, and those of other versions not much longer. */
const NONCE = /^[A-Za-z0-9_-]{11,64}$/;

/**
 * The nonce that a server asks us to sign, where it is one; undefined for any other text, which is then not signed.
 *
 * A server chooses what it calls a nonce. A key that signed anything could be made to sign a document of the server's making.
 * So a user's key signs nonces and nothing else, and nothing but a user's key may sign nonces.
 */
function signableNonce(nonce: string | undefined): string | undefined {
  return nonce !== undefined && NONCE.test(nonce) ? nonce : undefined;
}

/** Makes a user's seed from 32 given bytes, with prefix and checksum around them. nkeys.js can do this but does not export it. */
function encodeUserSeed(raw: Uint8Array): string {
  return checked([...USER_SEED_PREFIX, ...raw]);
}

/** The bytes in a user's seed; undefined where it is none. */
function decodeUserSeed(seed: string): readonly number[] | undefined {
  if (!USER_SEED.test(seed)) return undefined;
  const body = decodeBase32(seed).slice(0, USER_SEED_PREFIX.length + KEY_BYTES);
  const isWhole = checked(body) === seed && USER_SEED_PREFIX.every((byte, at) => body[at] === byte);
  return isWhole ? body.slice(USER_SEED_PREFIX.length) : undefined;
}

/** Writes bytes with their checksum behind them. */
function checked(body: readonly number[]): string {
  const checksum = crc16(body);
  return encodeBase32([...body, checksum & 0xff, checksum >> 8]);
}

/** The CRC-16 of XMODEM. An NKey ends with it, the low byte first. */
export function crc16(bytes: readonly number[]): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}

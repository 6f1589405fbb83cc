/** Base 32 as in RFC 4648, without padding. NKeys are written in it, and so is a hash that becomes part of a name. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const BITS = 5;

/** Writes five bits a letter, the highest first, in upper case; the last letter is filled up with zeroes. */
export function encodeBase32(bytes: Iterable<number>): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return bits.replace(/.{1,5}/g, (five) => ALPHABET.charAt(Number.parseInt(five.padEnd(BITS, '0'), 2)));
}

/** Reads what {@link encodeBase32} wrote. The caller must have checked that the text has no other letters. */
export function decodeBase32(text: string): number[] {
  const bytes: number[] = [];
  let bits = 0;
  let count = 0;
  for (const letter of text) {
    bits = (bits << BITS) | ALPHABET.indexOf(letter);
    count += BITS;
    if (count < 8) continue;
    count -= 8;
    bytes.push(bits >> count);
    bits &= (1 << count) - 1;
  }
  return bytes;
}

/** The largest content that is decoded here, in bytes: what a message of 1 MiB, NATS's own limit, can hold. */
const MOST_BYTES = 768 * 1024;
const decoded = Buffer.allocUnsafeSlow(MOST_BYTES + 1);

/**
 * Decodes base64, and checks it on the way: Node's decoder leaves out what is not base64, so that there is less than there has
 * to be. It also takes the letters `-` and `_` of the other alphabet, which are looked for. Bits behind the last byte do not
 * matter, as they do not for connect.
 *
 * `undefined` says that the text is not base64, or is empty or too long for this.
 *
 * @param text of characters up to U+00FF: the decoder takes some others for letters
 * @returns the decoded bytes and a NUL behind them. They are overwritten by the next call
 */
export function decodeBase64(text: string): Buffer | undefined {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const length = (text.length / 4) * 3 - padding;
  if (text.length === 0 || text.length % 4 !== 0 || length > MOST_BYTES) return undefined;
  if (decoded.write(text, 'base64') !== length || text.includes('-') || text.includes('_')) return undefined;
  decoded[length] = 0;
  return decoded.subarray(0, length + 1);
}

/** A part of a record's value: bytes, or an ASCII text, of which each character is a byte. */
export type ValuePiece = Uint8Array | string;

/**
 * The value of a record, in pieces that are written one behind another. The whole is never put together before it is written
 * into a record batch: most of a value is the message's base64, and each copy costs more than everything else does.
 */
export interface RecordValue {
  readonly pieces: readonly ValuePiece[];
  /** In bytes, of all pieces. */
  readonly length: number;
}

export function recordValue(...pieces: readonly ValuePiece[]): RecordValue {
  return { pieces, length: pieces.reduce((sum, { length }) => sum + length, 0) };
}

/** Writes a value. @returns the place behind it */
export function writeValue({ pieces }: RecordValue, bytes: Buffer, at: number): number {
  let end = at;
  for (const piece of pieces) {
    if (typeof piece === 'string') bytes.write(piece, end, 'latin1');
    else bytes.set(piece, end);
    end += piece.length;
  }
  return end;
}

/** A value in one piece. @internal Only tests want that. */
export function bytesOf(value: RecordValue): Buffer {
  const bytes = Buffer.allocUnsafe(value.length);
  writeValue(value, bytes, 0);
  return bytes;
}

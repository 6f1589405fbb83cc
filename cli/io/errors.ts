/** Thrown where something is not well or cannot be done, which is exit code 1; its message says what, and what to do. */
export class NotWellError extends Error {
  override readonly name = 'NotWellError';
}

/** Thrown where the cluster cannot be asked, which is exit code 3. */
export class CannotAskError extends Error {
  override readonly name = 'CannotAskError';
}

/** Every exit code, with what it means. */
export const EXIT_CODES = {
  well: { code: 0, meaning: 'All is well, or what was asked for is done.' },
  notWell: { code: 1, meaning: 'Something is not well, or could not be done; the text says what.' },
  wrongUse: { code: 2, meaning: 'The command was used wrongly. Nothing was done.' },
  cannotAsk: {
    code: 3,
    meaning: 'The cluster cannot be asked, or not about all that matters, so that it is not known.',
  },
} as const;

export type Outcome = keyof typeof EXIT_CODES;

/** A count of 0 for each name of a table, so that what did not happen yet is there as well. */
export function zeroes<Name extends string>(names: Readonly<Record<Name, unknown>>): Record<Name, number> {
  return Object.fromEntries(Object.keys(names).map((name) => [name, 0])) as Record<Name, number>;
}

/**
 * What to take out so that nothing is left that is not wanted: a merge patch (RFC 7396), since an apply takes away only what
 * is ours. Lists are left alone: a merge patch replaces them whole.
 *
 * @returns undefined where nothing is too much
 */
export function mergePatchRemoving(found: unknown, wanted: unknown): object | undefined {
  if (!isPlain(found) || !isPlain(wanted)) return undefined;
  const entries = Object.entries(found).flatMap(([field, value]) => {
    const inside = wanted[field] === undefined ? null : mergePatchRemoving(value, wanted[field]);
    return inside === undefined ? [] : [[field, inside] as const];
  });
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

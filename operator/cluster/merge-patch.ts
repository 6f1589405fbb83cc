/**
 * Makes the merge patch (RFC 7396) that removes everything that is found and not wanted. It is needed because an apply
 * removes only our own fields. Lists are left alone, since a merge patch would replace them whole.
 *
 * @returns undefined where there is nothing to remove
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

type Known<Fields> = { readonly [Field in keyof Fields]?: Exclude<Fields[Field], undefined> };

/** The fields without those that are undefined: in a status, what is not known is absent. */
export function known<Fields extends object>(fields: Fields): Known<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Known<Fields>;
}

/** As {@link known}; undefined where nothing is. */
export function anyKnown<Fields extends object>(fields: Fields): Known<Fields> | undefined {
  const found = known(fields);
  return Object.keys(found).length === 0 ? undefined : found;
}

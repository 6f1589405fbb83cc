import type { References, Texts } from '../../../operator/plan/observed/observed.ts';

/** What became of a look at something: its value, undefined where it is not there; or why it could not be looked at. */
export type Looked<Value> = { readonly value: Value | undefined; readonly why?: undefined } | { readonly why: string };

/** ConfigMaps and Secrets that were looked at. */
export interface Contents {
  configMap(name: string): Looked<Texts>;
  secret(name: string): Looked<Texts>;
}

/**
 * The contents as the plans of the operator take them, which know no rights: what could not be read is as if it were not there.
 *
 * @param unread is filled with what was asked for and could not be read, such as `Secret connect-env`
 */
export function referencesTo(contents: Contents, unread: Set<string>): References {
  const read = (what: string, looked: Looked<Texts>): Texts | undefined => {
    if (looked.why === undefined) return looked.value;
    unread.add(what);
    return undefined;
  };
  return {
    configMap: (name) => read(`ConfigMap ${name}`, contents.configMap(name)),
    secret: (name) => read(`Secret ${name}`, contents.secret(name)),
  };
}

import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type ConfigMap, GROUP } from '../api/objects.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { mergePatchRemoving } from '../kube/merge-patch.ts';

type ByName = ReadonlyMap<string, ConfigMap>;

interface Outcome {
  readonly wrote: boolean;
  readonly refused: string | undefined;
}

/** Writes a node's ConfigMaps, each only where it is not as it should be. */
export class ConfigMaps {
  readonly #api: KubeClient;
  readonly #log: Logger;
  /** What an apply has returned, and over which version that had been seen. */
  readonly #applied = new Map<string, { readonly over: string | undefined; readonly result: ConfigMap }>();

  constructor(api: KubeClient, log: Logger) {
    this.#api = api;
    this.#log = log;
  }

  /**
   * What stands there: as it was last seen, or as it was written here where nothing was seen since. A watch may be late, and
   * what was given must not look as if it never had been, when it is to be taken back.
   */
  current(seen: ByName): ByName {
    const current = new Map(seen);
    for (const [name, { over, result }] of this.#applied) {
      if (seen.get(name)?.metadata.resourceVersion === over) current.set(name, result);
      else this.#applied.delete(name);
    }
    return current;
  }

  /**
   * Each object comes to be as it should, what others have put into its data or noted as if it were us is taken out, and what
   * they have added to the rest of it is theirs.
   *
   * @param otherwise what to write of an object that is refused
   * @returns whether anything was written, and in the server's words why something could not be
   * @throws KubeError where the API does not answer
   */
  async write(objects: readonly ConfigMap[], seen: ByName, revocations: readonly ConfigMap[] = []): Promise<Outcome> {
    const outcomes: Outcome[] = [];
    for (const object of objects) {
      const outcome = await this.#bring(object, seen);
      outcomes.push(outcome);
      if (outcome.refused === undefined) continue;
      const less = revocations.find(({ metadata }) => metadata.name === object.metadata.name);
      if (less) outcomes.push(await this.#bring(less, seen));
    }
    const refused = outcomes.find((outcome) => outcome.refused !== undefined)?.refused;
    return { wrote: outcomes.some(({ wrote }) => wrote), refused };
  }

  async #bring(object: ConfigMap, seen: ByName): Promise<Outcome> {
    const { name, namespace } = object.metadata;
    const before = this.current(seen).get(name);
    if (isAsWanted(object, before)) return { wrote: false, refused: undefined };
    try {
      const foreign = foreignIn(before, object);
      if (foreign) await this.#api.remove(object, foreign);
      const result = await this.#api.apply(object);
      this.#applied.set(name, { over: seen.get(name)?.metadata.resourceVersion, result });
      this.#log.info({ configMap: name, namespace }, 'written');
      return { wrote: true, refused: undefined };
    } catch (error) {
      if (!(error instanceof KubeError && error.isRefusal)) throw error;
      return { wrote: false, refused: error.isNamespaceTerminating ? undefined : messageOf(error) };
    }
  }
}

/** Whether an apply would change nothing. */
function isAsWanted(wanted: ConfigMap, found: ConfigMap | undefined): boolean {
  if (!found) return false;
  const within = (part: Readonly<Record<string, string>> = {}, whole: Readonly<Record<string, string>> = {}): boolean =>
    Object.entries(part).every(([name, value]) => whole[name] === value);
  const { ownerReferences: owners = [], annotations = {} } = found.metadata;
  return (
    within(wanted.data, found.data) &&
    within(found.data, wanted.data) &&
    within(wanted.metadata.labels, found.metadata.labels) &&
    within(wanted.metadata.annotations, annotations) &&
    within(notesOf(found), wanted.metadata.annotations) &&
    (wanted.metadata.ownerReferences ?? []).every(({ uid }) => owners.some((owner) => owner.uid === uid))
  );
}

/** What an apply leaves where it is, since others have put it there. */
function foreignIn(found: ConfigMap | undefined, wanted: ConfigMap): object | undefined {
  const data = mergePatchRemoving(found?.data, wanted.data);
  const annotations = mergePatchRemoving(found && notesOf(found), wanted.metadata.annotations ?? {});
  return data || annotations ? { ...(data && { data }), ...(annotations && { metadata: { annotations } }) } : undefined;
}

function notesOf({ metadata: { annotations = {} } }: ConfigMap): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => name.startsWith(`${GROUP}/`)));
}

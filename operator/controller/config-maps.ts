import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { type ConfigMap, GROUP, KINDS } from '../api/objects.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { KubeError } from '../cluster/errors.ts';
import { mergePatchRemoving } from '../cluster/merge-patch.ts';

type ByName = ReadonlyMap<string, ConfigMap>;

interface Outcome {
  readonly wrote: boolean;
  /** The ConfigMaps that somebody had made immutable, and that were deleted and made anew. */
  readonly replaced: readonly string[];
  /** In the API server's words, why something could not be written, and will not be; undefined where nothing was refused. */
  readonly refused: string | undefined;
  /** Why something else could not be written now, where that may pass. */
  readonly failure: KubeError | undefined;
}

/** Writes a node's ConfigMaps, each only where it is not up to date. */
export class ConfigMaps {
  readonly #api: Cluster;
  readonly #log: Logger;
  /** What an apply returned, and the version that the watch had delivered before it. */
  readonly #applied = new Map<string, { readonly over: string | undefined; readonly result: ConfigMap }>();
  /** Of the objects that count only all together, the one that could last not be written. */
  #unwrittenLast: string | undefined;

  constructor(api: Cluster, log: Logger) {
    this.#api = api;
    this.#log = log;
  }

  /**
   * The ConfigMaps as they are: as the watch last delivered them, or as they were written here where it has delivered
   * nothing since. A watch may be late, and access that was just given must not be overlooked when it is to be revoked.
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
   * Forgets what was made here and deleted by somebody else before the watch had delivered it. The watch shows that no differently
   * from one that has not been delivered yet, so the API server is asked.
   *
   * @throws KubeError where the API does not answer
   */
  async forgetDeleted(seen: ByName): Promise<void> {
    for (const [name, { over, result }] of this.#applied) {
      if (over !== undefined || seen.has(name)) continue;
      const found = await this.#api.get<ConfigMap>(KINDS.configMap, result.metadata.namespace ?? '', name);
      if (!found) this.#applied.delete(name);
    }
  }

  /**
   * Makes each object what it should be. What others have put into its data, or into annotations of our group, is
   * removed; what they have added to the rest of it stays theirs. One that somebody has made immutable is deleted and made
   * anew: otherwise no access could be taken back any more.
   *
   * One that cannot be written leaves the others to be written: the next one may be what takes access back.
   *
   * @param revocations what to write in place of an object that cannot be written
   * @param together names of objects that count only all together, as the sidecars' settings do: one MAC authenticates all of them.
   *   Where one cannot be written, all of them stay as they were
   */
  async write(
    objects: readonly ConfigMap[],
    seen: ByName,
    revocations: readonly ConfigMap[] = [],
    together: readonly string[] = [],
  ): Promise<Outcome> {
    const outcomes: Outcome[] = [];
    const done = new Set<string>();
    for (const object of inOrder(objects, together, this.current(seen), this.#unwrittenLast)) {
      const { name } = object.metadata;
      if (done.has(name)) continue;
      const outcome = await this.#writeOne(object, seen);
      outcomes.push(outcome);
      if (!isUnwritten(outcome)) {
        if (name === this.#unwrittenLast) this.#unwrittenLast = undefined;
        continue;
      }
      if (together.includes(name)) this.#unwrittenLast = name;
      const unwritten = together.includes(name) ? together : [name];
      for (const instead of inPlaceOf(unwritten, objects, revocations, this.current(seen))) {
        outcomes.push(await this.#writeOne(instead, seen));
      }
      for (const each of unwritten) done.add(each);
    }
    return allOf(outcomes);
  }

  async #writeOne(object: ConfigMap, seen: ByName): Promise<Outcome> {
    const { name, namespace } = object.metadata;
    const before = this.current(seen).get(name);
    const nothing = { wrote: false, replaced: [], refused: undefined, failure: undefined };
    if (isUpToDate(object, before)) return nothing;
    const replaced = before?.immutable === true ? [name] : [];
    try {
      await this.#clearWay(object, before);
      const result = await this.#api.apply(object);
      this.#applied.set(name, { over: seen.get(name)?.metadata.resourceVersion, result });
      this.#log.info({ configMap: name, namespace, replaced: replaced.length > 0 }, 'written');
      return { ...nothing, wrote: true, replaced };
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (!error.isRefusal) return { ...nothing, failure: error };
      return { ...nothing, refused: error.isNamespaceTerminating ? undefined : messageOf(error) };
    }
  }

  /** Removes what an apply of ours would leave in place, or the whole ConfigMap where nothing in it can be changed. */
  async #clearWay(wanted: ConfigMap, before: ConfigMap | undefined): Promise<void> {
    if (before?.immutable === true) return this.#delete(before);
    const foreign = foreignIn(before, wanted);
    if (foreign) await this.#api.remove(wanted, foreign);
  }

  /** Whoever could make it immutable could give it a finalizer, too, with which it would stay. */
  async #delete(found: ConfigMap): Promise<void> {
    const { name, namespace = '', finalizers = [] } = found.metadata;
    if (finalizers.length > 0) await this.#api.remove(found, { metadata: { finalizers: null } });
    await this.#api.delete(KINDS.configMap, namespace, name);
  }
}

function allOf(outcomes: readonly Outcome[]): Outcome {
  return {
    wrote: outcomes.some(({ wrote }) => wrote),
    replaced: outcomes.flatMap(({ replaced }) => replaced),
    refused: outcomes.find(({ refused }) => refused !== undefined)?.refused,
    failure: outcomes.find(({ failure }) => failure !== undefined)?.failure,
  };
}

/** Whether something could not be written, as it was asked for, for any reason. */
export function isUnwritten({ refused, failure }: Pick<Outcome, 'refused' | 'failure'>): boolean {
  return refused !== undefined || failure !== undefined;
}

/**
 * In which order objects are written of which some count only all together. What is planned before these stays before them: it takes
 * access back, which waits for nothing. Among them, whatever is likely to fail comes first, so that nothing has to be put back: the
 * one that could last not be written, and then what has to be made, which a quota may refuse. Otherwise each reconcile would write the
 * others and put them back, and the watch of these changes would begin the next one at once.
 */
export function inOrder(
  objects: readonly ConfigMap[],
  together: readonly string[],
  there: ByName,
  unwrittenLast: string | undefined,
): ConfigMap[] {
  const first = objects.findIndex(({ metadata }) => together.includes(metadata.name));
  const rank = ({ metadata: { name } }: ConfigMap, index: number): number => {
    if (!together.includes(name)) return index < first ? 0 : 4;
    if (name === unwrittenLast) return 1;
    return there.has(name) ? 3 : 2;
  };
  return objects
    .map((object, index) => ({ object, rank: rank(object, index) }))
    .sort((one, other) => one.rank - other.rank)
    .map(({ object }) => object);
}

/** Whether an apply would change nothing. */
function isUpToDate(wanted: ConfigMap, found: ConfigMap | undefined): boolean {
  if (!found || found.immutable === true) return false;
  const isPartOf = (
    part: Readonly<Record<string, string>> = {},
    whole: Readonly<Record<string, string>> = {},
  ): boolean => Object.entries(part).every(([name, value]) => whole[name] === value);
  const { ownerReferences: owners = [], annotations = {} } = found.metadata;
  return (
    isPartOf(wanted.data, found.data) &&
    isPartOf(found.data, wanted.data) &&
    isPartOf(found.binaryData, {}) &&
    isPartOf(wanted.metadata.labels, found.metadata.labels) &&
    isPartOf(wanted.metadata.annotations, annotations) &&
    isPartOf(notesOf(found), wanted.metadata.annotations) &&
    (wanted.metadata.ownerReferences ?? []).every(({ uid }) => owners.some((owner) => owner.uid === uid))
  );
}

/** The fields that others have written, which an apply of ours would leave in place. */
function foreignIn(found: ConfigMap | undefined, wanted: ConfigMap): object | undefined {
  const data = mergePatchRemoving(found?.data, wanted.data);
  const binaryData = mergePatchRemoving(found?.binaryData, {});
  const annotations = mergePatchRemoving(found && notesOf(found), wanted.metadata.annotations ?? {});
  const foreign = {
    ...(data && { data }),
    ...(binaryData && { binaryData }),
    ...(annotations && { metadata: { annotations } }),
  };
  return Object.keys(foreign).length > 0 ? foreign : undefined;
}

function notesOf({ metadata: { annotations = {} } }: ConfigMap): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => name.startsWith(`${GROUP}/`)));
}

/**
 * What to write where some objects cannot be written: their revocations. One that was made just now has none, and is emptied, which to a
 * sidecar is as if it were not there.
 */
function inPlaceOf(
  names: readonly string[],
  objects: readonly ConfigMap[],
  revocations: readonly ConfigMap[],
  current: ByName,
): ConfigMap[] {
  return names.flatMap((name) => {
    const isOfIt = ({ metadata }: ConfigMap): boolean => metadata.name === name;
    const revocation = revocations.find(isOfIt);
    if (revocation) return [revocation];
    const object = objects.find(isOfIt);
    return names.length > 1 && object && current.has(name) ? [{ ...object, data: {} }] : [];
  });
}

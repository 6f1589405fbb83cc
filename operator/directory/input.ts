import type { KubeObject, Metadata } from '../api/objects.ts';
import type { FileReading } from './documents.ts';
import { FILE, NAMESPACE } from './layout.ts';
import { type Fault, faultsOf, identityFault } from './validation.ts';

/**
 * Decides what the files of a directory mean for the objects that are in force. Pure. What is refused changes nothing, as it would be
 * with an API server: the object stays as it was.
 */

/** Something that a person has to mend. */
export interface Refusal {
  readonly file: string;
  /** `LfhSyncPeer hospital-b`; undefined for a whole file. */
  readonly object?: string;
  readonly field?: string;
  readonly problem: string;
  /** What is in force instead. */
  readonly inForce: 'nothing' | 'as before';
}

export interface Decision {
  /** Each as it should be, with the name of its file as an annotation. */
  readonly puts: readonly KubeObject[];
  readonly deletes: readonly KubeObject[];
  readonly refusals: readonly Refusal[];
}

/**
 * @param files all of them
 * @param known the objects that are in force
 */
export function decide(files: readonly FileReading[], known: readonly KubeObject[]): Decision {
  // A directory that was emptied at once was more likely not mounted.
  if (files.length === 0 && known.some(isFromFile)) {
    return { puts: [], deletes: [], refusals: [{ file: '*.yaml', problem: NO_FILES, inForce: 'as before' }] };
  }
  const reader = new Reader(known);
  for (const reading of files) reader.read(reading);
  return reader.decision();
}

class Reader {
  readonly #known: readonly KubeObject[];
  readonly #before: ReadonlyMap<string, KubeObject>;
  readonly #puts = new Map<string, KubeObject>();
  readonly #refusals: Refusal[] = [];
  /** What is in the files, also where it is refused: nothing of it is deleted. */
  readonly #named = new Set<string>();
  /** What is in more than one file. */
  readonly #twice = new Set<string>();
  #namespace: string | undefined;

  constructor(known: readonly KubeObject[]) {
    this.#known = known;
    this.#before = new Map(known.map((object) => [keyOf(object), object]));
  }

  read(reading: FileReading): void {
    const { file } = reading;
    if (reading.problem === undefined) {
      for (const document of reading.documents) this.#readDocument(file, document);
      return;
    }
    const kept = this.#known.filter((object) => object.metadata.annotations?.[FILE] === file);
    for (const object of kept) this.#named.add(keyOf(object));
    this.#refusals.push({ file, problem: reading.problem, inForce: kept.length > 0 ? 'as before' : 'nothing' });
  }

  decision(): Decision {
    const deletes = this.#known.filter((object) => isFromFile(object) && !this.#named.has(keyOf(object)));
    return { puts: [...this.#puts.values()], deletes, refusals: this.#refusals };
  }

  #readDocument(file: string, document: unknown): void {
    const fault = identityFault(document);
    if (fault) {
      const { field, problem } = fault;
      this.#refusals.push({ file, ...(field !== '' && { field }), problem, inForce: 'nothing' });
      return;
    }
    const found = document as KubeObject;
    const key = keyOf(found);
    this.#named.add(key);
    const faults = this.#isolationFaults(found) ?? this.#contentFaults(normalized(found, file));
    const inForce = this.#puts.has(key) || this.#before.has(key) ? 'as before' : 'nothing';
    for (const { field, problem } of faults) {
      this.#refusals.push({ file, object: key, ...(field !== '' && { field }), problem, inForce });
    }
  }

  /** What is wrong with an object beside the others; undefined where nothing is. */
  #isolationFaults(found: KubeObject): Fault[] | undefined {
    const { namespace } = found.metadata;
    this.#namespace ??= namespace;
    if (namespace !== undefined && namespace !== this.#namespace) {
      return [
        { field: 'metadata.namespace', problem: `is not ${this.#namespace} as in other files; ${ONE_NAMESPACE}` },
      ];
    }
    return this.#twinFaults(keyOf(found));
  }

  /** Of two that are the same object neither counts: else a file of somebody else's could take the place of yours by its name. */
  #twinFaults(key: string): Fault[] | undefined {
    const twin = this.#puts.get(key);
    if (twin === undefined) return this.#twice.has(key) ? [{ field: '', problem: TWICE }] : undefined;
    this.#twice.add(key);
    this.#puts.delete(key);
    const file = twin.metadata.annotations?.[FILE] ?? '';
    const inForce = this.#before.has(key) ? 'as before' : 'nothing';
    this.#refusals.push({ file, object: key, problem: TWICE, inForce });
    return [{ field: '', problem: `is in ${file} as well: remove one of them` }];
  }

  /** Takes an object up where nothing is wrong with it. */
  #contentFaults(object: KubeObject): Fault[] {
    const then = this.#before.get(keyOf(object));
    const faults = faultsOf(object, then);
    if (faults.length > 0) return faults;
    if (!then || isFromFile(then)) this.#puts.set(keyOf(object), object);
    else if (!hasSameContent(object, then)) return [{ field: '', problem: OURS }];
    return [];
  }
}

/** `Secret kafka`: what a person calls it, and by which it is known. */
export function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.name}`;
}

function isFromFile({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[FILE] !== undefined;
}

/** Without what an API server writes, as `kubectl get -o yaml` shows it, and what counts for nothing. */
function normalized(object: KubeObject, file: string): KubeObject {
  const {
    status: _status,
    stringData,
    ...rest
  } = withoutNulls(object) as KubeObject & {
    readonly status?: unknown;
    readonly stringData?: Readonly<Record<string, unknown>>;
  };
  const { name, labels, annotations } = rest.metadata;
  const metadata: Metadata = {
    name,
    namespace: NAMESPACE,
    ...(labels && { labels }),
    annotations: { ...annotations, [FILE]: file },
  };
  if (rest.kind !== 'Secret' || stringData === undefined) return { ...rest, metadata };
  const { data = {} } = rest as { readonly data?: Readonly<Record<string, string>> };
  const texts = Object.entries(stringData).map(([key, text]) => [
    key,
    // What is no text is refused by the schema.
    typeof text === 'string' ? Buffer.from(text).toString('base64') : text,
  ]);
  return { ...rest, metadata, data: { ...data, ...Object.fromEntries(texts) } } as KubeObject;
}

/** A `null` is a field that is not there. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== null)
      .map(([name, field]) => [name, withoutNulls(field)]),
  );
}

/** Whether a file only repeats what lfh-sync has made itself, such as the key of a node that comes back from Kubernetes. */
function hasSameContent(one: KubeObject, other: KubeObject): boolean {
  const dataOf = (object: KubeObject): string => {
    const { data = {} } = object as { readonly data?: Readonly<Record<string, string>> };
    return JSON.stringify(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)));
  };
  return dataOf(one) === dataOf(other);
}

const NO_FILES =
  'there is no file any more, as where a volume was not mounted. Nothing is taken back for that. To end everything, leave one file ' +
  'that is empty';
const TWICE = 'is in another file as well: remove one of them';
const ONE_NAMESPACE = 'a directory is one namespace: move the others to a directory of their own';
const OURS =
  'lfh-sync has made this object itself and keeps it in state/objects: remove it from this file. To bring a key of your own, name ' +
  'another Secret in spec.key.secretRef';

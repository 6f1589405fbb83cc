import { watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { KINDS, type KubeObject } from '../api/objects.ts';
import type { DirectoryCluster } from './directory-cluster.ts';
import { readSettled, signatureOf } from './documents.ts';
import { type Decision, decide, keyOf, type Refusal } from './input.ts';
import type { Layout } from './layout.ts';
import type { NatsReloader } from './nats-reload.ts';
import { writeOutputs, writeText } from './outputs.ts';
import { statusText } from './status-file.ts';

/** A watch of the operating system is quick, and on some file systems it sees nothing; so we look ourselves as well. */
const POLL_MS = 5_000;
/** Several files are often changed at once. */
const GATHER_MS = 50;

export interface FolderOptions {
  readonly layout: Layout;
  readonly cluster: DirectoryCluster;
  readonly reloader: NatsReloader;
  readonly log: Logger;
}

/**
 * The two ways between a directory and the objects that are in force: takes up what a person has written, and writes what is made of it.
 */
export class Folder {
  readonly #options: FolderOptions;
  /** Of the files that were taken up last. */
  #signature: string | undefined;
  #refused: readonly Refusal[] = [];
  #outputs: 'written' | 'wanted' | 'failed' = 'written';
  #writing: Promise<void> = Promise.resolve();
  #looking: Promise<void> = Promise.resolve();

  constructor(options: FolderOptions) {
    this.#options = options;
    options.cluster.onChange(() => this.#wantOutputs());
  }

  /** Why not everything is as it should be; undefined where it is. */
  get problem(): string | undefined {
    if (this.#refused.length > 0)
      return `${this.#refused.length} problems in the files of the directory: see status.yaml`;
    return this.#outputs === 'failed' ? 'what is made of the objects cannot be written: see the log' : undefined;
  }

  /** Looks at the files once, and takes up what has changed. Never throws: what is wrong is logged, and tried again with the next look. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  /** Goes on until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const watcher = this.#watch(signal);
    while (!signal.aborted) {
      await this.look();
      this.#wantOutputs();
      await this.#remindServers();
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
    watcher?.close();
    await this.#looking;
    await this.#writing;
  }

  #watch(signal: AbortSignal): ReturnType<typeof watch> | undefined {
    const { layout, log } = this.#options;
    try {
      const watcher = watch(layout.input, { signal }, () => void this.look());
      watcher.on('error', (error) =>
        log.warn({ problem: messageOf(error) }, 'the directory is not watched, only looked at'),
      );
      return watcher;
    } catch (error) {
      log.warn({ problem: messageOf(error) }, 'the directory cannot be watched, only looked at');
      return undefined;
    }
  }

  async #look(): Promise<void> {
    const { layout, cluster, log } = this.#options;
    try {
      if ((await signatureOf(layout.input)) === this.#signature) return;
      const read = await readSettled(layout.input);
      if (!read) return;
      const decision = decide(read.files, cluster.all());
      await takeUp(decision, cluster, log);
      this.#tell(decision.refusals);
      this.#signature = read.signature;
      this.#wantOutputs();
    } catch (error) {
      log.error(
        { problem: messageOf(error) },
        'the files of the directory cannot be taken up; what was in force stays',
      );
    }
  }

  #tell(refusals: readonly Refusal[]): void {
    const { log } = this.#options;
    const told = new Set(this.#refused.map((refusal) => JSON.stringify(refusal)));
    for (const refusal of refusals) {
      const { problem, ...where } = refusal;
      if (!told.has(JSON.stringify(refusal))) log.error(where, `refused: ${problem}`);
    }
    if (refusals.length === 0 && this.#refused.length > 0) log.info('nothing in the files is refused any more');
    this.#refused = refusals;
  }

  #wantOutputs(): void {
    const isWanted = this.#outputs === 'wanted';
    this.#outputs = 'wanted';
    if (!isWanted) this.#writing = this.#writing.then(() => this.#write());
  }

  async #write(): Promise<void> {
    const { layout, cluster, reloader, log } = this.#options;
    await sleep(GATHER_MS);
    this.#outputs = 'written';
    try {
      const objects = cluster.all();
      for (const node of await writeOutputs(layout, objects)) {
        log.info({ node }, 'wrote what nats-server includes');
        await reloader.reload(node);
      }
      await writeText(layout.status, statusText(objects, this.#refused));
    } catch (error) {
      this.#outputs = 'failed';
      log.error({ problem: messageOf(error) }, 'what is made of the objects cannot be written');
    }
  }

  /** A signal that came while a server was starting is lost. */
  async #remindServers(): Promise<void> {
    for (const object of this.#options.cluster.all()) {
      if (object.kind === KINDS.node.kind && isAwaited(object))
        await this.#options.reloader.reloadAgain(object.metadata.name);
    }
  }
}

/** What others refer to comes first, and goes last. */
const ORDER: readonly string[] = [KINDS.secret, KINDS.configMap, KINDS.node, KINDS.peer].map(({ kind }) => kind);

/** @throws KubeError where the store cannot be written */
export async function takeUp({ puts, deletes }: Decision, cluster: DirectoryCluster, log: Logger): Promise<void> {
  const byOrder = (a: KubeObject, b: KubeObject): number => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind);
  for (const object of puts.toSorted(byOrder)) await cluster.put(object);
  for (const object of deletes.toSorted((a, b) => byOrder(b, a))) {
    log.info({ object: keyOf(object) }, 'is in no file any more: deleted');
    const { kind, apiVersion, metadata } = object;
    await cluster.delete({ kind, apiVersion, plural: '' }, metadata.namespace ?? '', metadata.name);
  }
}

function isAwaited(node: KubeObject): boolean {
  const { status } = node as {
    readonly status?: { readonly conditions?: readonly { type: string; reason: string }[] };
  };
  return (
    status?.conditions?.some(({ type, reason }) => type === 'NatsConfigLive' && reason === 'ConfigNotLive') ?? false
  );
}

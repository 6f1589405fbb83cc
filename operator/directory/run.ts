import { chmod, mkdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { InvalidInputError } from '../../common/errors.ts';
import { createLogger, type Logger } from '../../common/log.ts';
import { startProbeServer } from '../../common/probe-server.ts';
import { VERSION } from '../../common/version.ts';
import type { RecordEvents } from '../controller/events.ts';
import { Work } from '../controller/work.ts';
import { createMetrics } from '../metrics.ts';
import { DirectoryCluster } from './directory-cluster.ts';
import { Folder } from './folder.ts';
import { keyOf } from './input.ts';
import { type Layout, layoutOf, NAMESPACE } from './layout.ts';
import { lockDirectory } from './lock.ts';
import { NatsReloader } from './nats-reload.ts';
import { writeText } from './outputs.ts';
import { fileStore, readStore } from './store.ts';

export interface RunDirectoryOptions {
  readonly directory: string;
  /** The pid file of the nats-server of each node, by the node's name; the one for the name '' is that of every other node. */
  readonly natsPidFiles: ReadonlyMap<string, string>;
  /** Where /healthz, /readyz, /status and /metrics are served; undefined: nowhere. */
  readonly httpAddress?: string | undefined;
  readonly logLevel: Parameters<typeof createLogger>[0]['level'];
}

/**
 * Keeps the nodes of a directory in sync until `signal` is aborted: the operator, with the files of a directory in place of a Kubernetes
 * API.
 *
 * @throws InvalidInputError for a directory that cannot be used, or that another process works on; and anything that is a bug
 */
export async function runDirectory(options: RunDirectoryOptions, signal: AbortSignal): Promise<void> {
  const { natsPidFiles, httpAddress, logLevel } = options;
  const layout = layoutOf(resolve(options.directory));
  await demandDirectory(layout.input);
  await makeState(layout);
  const unlock = await lockDirectory(layout);
  const log = createLogger({ name: 'lfh-sync', level: logLevel });
  try {
    const cluster = new DirectoryCluster(fileStore(layout.objects), await readStore(layout.objects));
    const folder = new Folder({ layout, cluster, reloader: new NatsReloader(natsPidFiles, log), log });
    // Before anything is reconciled: what is in no file yet would look as if it had been taken back.
    await folder.look();
    const metrics = createMetrics(VERSION, () => work.reported());
    const work = new Work({
      cluster,
      namespaces: [NAMESPACE],
      log,
      image: undefined,
      recordEvents: loggingEvents(log),
      metrics,
    });
    metrics.leading(true);
    const status = (): object => ({ version: VERSION, directory: layout.input, queued: work.queued });
    const probes =
      httpAddress === undefined
        ? undefined
        : await startProbeServer(httpAddress, {
            healthy: () => true,
            ready: () => folder.problem ?? (work.unlisted().length === 0 || 'the first look has not ended'),
            status,
            metrics: () => metrics.text(),
          });
    log.info({ version: VERSION, directory: layout.input, port: probes?.port }, 'started');
    try {
      await Promise.all([work.run(signal), folder.run(signal)]);
    } finally {
      await probes?.close();
    }
  } finally {
    await unlock();
    log.info('ended');
  }
}

/** What `kubectl describe` would show is in the log. */
function loggingEvents(log: Logger): RecordEvents {
  return (about, notices) => {
    for (const { type, reason, action, note } of notices) {
      log[type === 'Warning' ? 'warn' : 'info']({ object: keyOf(about), action, reason }, note);
    }
    return Promise.resolve();
  };
}

/** @throws InvalidInputError */
export async function demandDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) {
    throw new InvalidInputError(
      `${directory} is no directory: make it, and put an LfhSyncNode into it (docs/directory.md)`,
    );
  }
}

/** The state holds keys: no version control should take it, and nobody else may read the objects. */
async function makeState({ state, objects, gitignore }: Layout): Promise<void> {
  await mkdir(state, { recursive: true });
  await mkdir(objects, { recursive: true, mode: 0o700 });
  await chmod(objects, 0o700);
  await writeText(gitignore, '*\n');
}

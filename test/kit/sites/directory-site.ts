import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump, load } from 'js-yaml';
import { syncName } from '../../../common/contract/names.ts';
import { KINDS, type Kind, type KubeObject } from '../../../operator/api/objects.ts';
import { type Layout, layoutOf, NAMESPACE, nodeLayout } from '../../../operator/directory/layout.ts';
import { DirectoryProcess } from '../processes/directory-process.ts';
import { until } from '../processes/process.ts';
import { SidecarProcess } from '../processes/sidecar.ts';
import { includes, NODE, nodeOf, PeeredSite, type PeeredSiteOptions, prepare } from './peered-site.ts';
import { Site } from './site.ts';

const FILES = { lfhnode: 'node.yaml', lfhpeer: undefined } as const;

/**
 * A site whose node and peers are YAML files in a directory, on which `lfh-sync run` works. Nothing of Kubernetes runs: nats-server
 * includes what is written there, and is told to reload by its pid file.
 */
export class DirectorySite extends PeeredSite {
  override readonly namespace = NAMESPACE;
  readonly process: DirectoryProcess;
  readonly layout: Layout;
  /** What the directory is in, with the log. */
  readonly #root: string;

  private constructor(site: Site, process: DirectoryProcess, layout: Layout, root: string) {
    super(site);
    this.process = process;
    this.layout = layout;
    this.#root = root;
  }

  static async start(
    lfhId: string,
    { kafka = true, spec = {}, certificate, isolation = 'Accounts' }: PeeredSiteOptions = {},
  ): Promise<DirectorySite> {
    const root = await mkdtemp(join(tmpdir(), `lfh-sync-directory-${syncName(lfhId)}-`));
    const layout = layoutOf(join(root, 'sync'));
    await mkdir(layout.input);
    const prepared = await prepare(lfhId);
    const node = nodeOf(lfhId, prepared, { ...spec, nats: { isolation, ...spec.nats } });
    await writeFile(join(layout.input, FILES.lfhnode), dump(node));
    const natsPidFile = join(root, 'nats-server.pid');
    const logFile = join(root, 'lfh-sync.log');
    const process = await DirectoryProcess.start({ directory: layout.input, logFile, natsPidFile });
    try {
      const { nats } = nodeLayout(layout, NODE);
      await until('what nats-server includes is there', () => existsSync(join(nats, 'lfh-sync.conf')));
      // The place that the includes name.
      await symlink(nats, join(root, 'nats'));
      const { accounts, natsConfig } = includes(root, isolation);
      const site = await Site.start(lfhId, {
        kafka,
        prepared: { ...prepared, certificate, accounts, natsConfig: `${natsConfig}\npid_file: "${natsPidFile}"` },
      });
      return new DirectorySite(site, process, layout, root);
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  get log(): Promise<string> {
    return readFile(join(this.#root, 'lfh-sync.log'), 'utf8');
  }

  async metrics(): Promise<string> {
    return (await this.process.get('/metrics')).text();
  }

  override async get<Value extends KubeObject>({ kind }: Kind, name: string): Promise<Value | undefined> {
    const text = await readFile(join(this.layout.objects, `${kind}.${name}.yaml`), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (load(text) as Value);
  }

  /** Writes one of the files of the directory, in one step. */
  async write(file: string, text: string): Promise<void> {
    const path = join(this.layout.input, file);
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }

  override async applyInvitation(invitation: string): Promise<void> {
    const { metadata } = load(invitation) as KubeObject;
    await this.write(fileOf('lfhpeer', metadata.name), invitation);
  }

  override async applyPeer(name: string, spec: object): Promise<void> {
    const { apiVersion, kind } = KINDS.peer;
    await this.write(fileOf('lfhpeer', name), dump({ apiVersion, kind, metadata: { name }, spec }));
  }

  override async applySecret(name: string, texts: Readonly<Record<string, string>>): Promise<void> {
    const { apiVersion, kind } = KINDS.secret;
    await this.write(`secret-${name}.yaml`, dump({ apiVersion, kind, metadata: { name }, stringData: texts }));
  }

  override async patch(kind: 'lfhnode' | 'lfhpeer', name: string, spec: object): Promise<void> {
    const file = fileOf(kind, name);
    const object = load(await readFile(join(this.layout.input, file), 'utf8')) as object;
    await this.write(file, dump(merged(object, { spec })));
  }

  override async deletePeer(name: string): Promise<void> {
    await rm(join(this.layout.input, fileOf('lfhpeer', name)));
  }

  override async startSidecar(main?: string): Promise<SidecarProcess> {
    const directory = join(this.site.directory, `sidecar-${this.sidecars.length + 1}`);
    await mkdir(directory);
    await symlink(nodeLayout(this.layout, NODE).sidecar, join(directory, 'settings'));
    const sidecar = await SidecarProcess.startMounted(this.site, directory, main);
    this.sidecars.push(sidecar);
    return sidecar;
  }

  override async everythingShown(): Promise<string> {
    const found = await readdir(this.layout.input, { recursive: true, withFileTypes: true });
    const files = found
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !/secret|\/lock/i.test(path));
    return [await this.log, ...(await Promise.all(files.map((file) => readFile(file, 'utf8'))))].join('\n');
  }

  /** What a person reads. */
  status(): Promise<string> {
    return readFile(this.layout.status, 'utf8');
  }

  override async stop(): Promise<void> {
    for (const sidecar of this.sidecars) await sidecar.stop();
    await this.process.stop();
    await this.site.stop();
    await rm(this.#root, { recursive: true, force: true });
  }
}

function fileOf(kind: keyof typeof FILES, name: string): string {
  return FILES[kind] ?? `peer-${name}.yaml`;
}

/** A merge patch (RFC 7396), as a person edits a file. */
function merged(value: unknown, patch: object): Record<string, unknown> {
  const result: Record<string, unknown> = { ...(value as object) };
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete result[name];
    else if (typeof change === 'object' && !Array.isArray(change))
      result[name] = merged(result[name], change as object);
    else result[name] = change;
  }
  return result;
}

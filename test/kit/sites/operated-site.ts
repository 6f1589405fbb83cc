import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncName } from '../../../common/contract/names.ts';
import { type ConfigMap, KINDS, type Kind, type KubeObject } from '../../../operator/api/objects.ts';
import { KubeletStandIn, type VolumeSource } from '../processes/kubelet-stand-in.ts';
import { SidecarProcess } from '../processes/sidecar.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { includes, NODE, nodeOf, PeeredSite, type PeeredSiteOptions, prepare } from './peered-site.ts';
import { Site } from './site.ts';

/** The sources that are mounted by default. */
export const SIDECAR_SOURCES: readonly VolumeSource[] = [
  { configMap: `${NODE}-sidecar` },
  {
    secret: `${NODE}-nkey`,
    items: ['nats-server.nk', 'previous.nk'].map((key) => ({ key, path: `secrets/${key}` })),
    optional: true,
  },
];

/**
 * A site in a namespace that a running operator watches. Its nats-server includes the files that the operator writes, and its
 * sidecars read them. The stand-in for the kubelet mounts the files.
 */
export class OperatedSite extends PeeredSite {
  override readonly namespace: string;
  readonly #plane: ControlPlane;
  readonly #natsMount: KubeletStandIn;
  /** What the sidecars have mounted. */
  readonly mounts: KubeletStandIn[] = [];
  readonly #directory: string;
  readonly #node: object;

  private constructor(
    plane: ControlPlane,
    namespace: string,
    site: Site,
    directory: string,
    mount: KubeletStandIn,
    node: object,
  ) {
    super(site);
    this.#node = node;
    this.#plane = plane;
    this.namespace = namespace;
    this.#directory = directory;
    this.#natsMount = mount;
  }

  /** Makes the LfhSyncNode `local`, and starts the servers once the operator has written what they include. */
  static async start(
    plane: ControlPlane,
    namespace: string,
    lfhId: string,
    {
      kafka = true,
      kafkaProperties,
      spec = {},
      certificate,
      isolation = 'Accounts',
      monitorPort,
      reloads = true,
    }: PeeredSiteOptions = {},
  ): Promise<OperatedSite> {
    const directory = await mkdtemp(join(tmpdir(), `lfh-sync-mounted-${syncName(lfhId)}-`));
    const prepared = await prepare(lfhId);
    const node = nodeOf(lfhId, prepared, { ...spec, nats: { isolation, ...spec.nats } });
    await plane.apply([node], namespace);
    let onChange = (): void => undefined;
    const mount = await KubeletStandIn.mount({
      kubeConfig: plane.kubeConfig(),
      namespace,
      directory: join(directory, 'nats'),
      sources: [{ configMap: `${NODE}-nats` }],
      onChange: () => onChange(),
    });
    const { accounts, natsConfig } = includes(directory, isolation);
    const monitored = monitorPort === undefined ? '' : `\nhttp: "127.0.0.1:${monitorPort}"`;
    const site = await Site.start(lfhId, {
      kafka,
      ...(kafkaProperties && { kafkaProperties }),
      prepared: { ...prepared, certificate, accounts, natsConfig: natsConfig + monitored },
    });
    if (reloads) onChange = () => site.nats.signalReload();
    const operated = new OperatedSite(plane, namespace, site, directory, mount, node);
    // The files may have changed while the server was starting.
    onChange();
    return operated;
  }

  /**
   * Starts a sidecar like one that is injected into a connect pod. It knows nothing of Kubernetes.
   *
   * @param main the program to run instead of the product's main
   * @param sources of its settings
   */
  override async startSidecar(
    main?: string,
    sources: readonly VolumeSource[] = SIDECAR_SOURCES,
  ): Promise<SidecarProcess> {
    const directory = join(this.site.directory, `sidecar-${this.sidecars.length + 1}`);
    const { namespace } = this;
    const kubeConfig = this.#plane.kubeConfig();
    this.mounts.push(
      await KubeletStandIn.mount({ kubeConfig, namespace, directory: join(directory, 'settings'), sources }),
    );
    const sidecar = await SidecarProcess.startMounted(this.site, directory, main);
    this.sidecars.push(sidecar);
    return sidecar;
  }

  /** Applies the first version of the LfhSyncNode again. */
  recreateNode(): Promise<void> {
    return this.#plane.apply([this.#node], this.namespace);
  }

  /** Applies an object in this namespace as its administrator. */
  async apply({ apiVersion, kind }: Kind, name: string, fields: object): Promise<void> {
    await this.#plane.apply([{ apiVersion, kind, metadata: { name }, ...fields }], this.namespace);
  }

  /** Applies another site's invitation, as a person does: `kubectl apply -f syncpeer.yaml`. */
  override async applyInvitation(invitation: string): Promise<void> {
    await this.#plane.kubectl(['apply', '-n', this.namespace, '-f', '-'], invitation);
  }

  override async applyPeer(name: string, spec: object): Promise<void> {
    await this.apply(KINDS.peer, name, { spec });
  }

  override async applySecret(name: string, texts: Readonly<Record<string, string>>): Promise<void> {
    await this.apply(KINDS.secret, name, { stringData: texts });
  }

  override async deletePeer(name: string): Promise<void> {
    await this.kubectl('delete', 'lfhpeer', name);
  }

  override everythingShown(): Promise<string> {
    return this.kubectl('get', 'lfhnode,lfhpeer,configmap,event', '-o', 'json');
  }

  /** Whether the files of nats-server are those of a ConfigMap. */
  async isMounted(configMap: ConfigMap | undefined): Promise<boolean> {
    const files = Object.entries(configMap?.data ?? {}).map(async ([name, text]) => {
      const path = join(this.#directory, 'nats', name);
      return text === (await readFile(path, 'utf8').catch(() => undefined));
    });
    return files.length > 0 && (await Promise.all(files)).every(Boolean);
  }

  async kubectl(...args: string[]): Promise<string> {
    return (await this.#plane.kubectl(['-n', this.namespace, ...args])).stdout.trim();
  }

  override get<Value extends KubeObject>(kind: Kind, name: string): Promise<Value | undefined> {
    return this.#plane.api.get<Value>(kind, this.namespace, name);
  }

  /** Changes the spec of the node or of a peer, as `kubectl patch` does. */
  override async patch(kind: 'lfhnode' | 'lfhpeer', name: string, spec: object): Promise<void> {
    await this.kubectl('patch', kind, name, '--type=merge', '-p', JSON.stringify({ spec }));
  }

  /** Stops everything that runs. The namespace stays. */
  override async stop(): Promise<void> {
    for (const sidecar of this.sidecars) await sidecar.stop();
    for (const mount of [...this.mounts, this.#natsMount]) await mount.stop();
    await this.site.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

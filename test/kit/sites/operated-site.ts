import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUser } from 'nkeys.js';
import { syncName } from '../../../common/contract/names.ts';
import { type ConfigMap, KINDS, type Kind, type KubeObject, type Secret } from '../../../operator/api/objects.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../../operator/api/types.ts';
import { localNatsKey, type UserKey } from '../../../operator/nats/keys.ts';
import { ownUsersIn } from '../../../operator/plan/nats/files.ts';
import { KubeletStandIn, type VolumeSource } from '../processes/kubelet-stand-in.ts';
import { freePort, until } from '../processes/process.ts';
import { SidecarProcess } from '../processes/sidecar.ts';
import { type CertificateOptions, createCertificateAuthority } from '../servers/certificates.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { type PreparedSite, Site } from './site.ts';

const NODE = 'local';
/** The sources that are mounted by default. */
export const SIDECAR_SOURCES: readonly VolumeSource[] = [
  { configMap: `${NODE}-sidecar` },
  {
    secret: `${NODE}-nkey`,
    items: ['nats-server.nk', 'previous.nk'].map((key) => ({ key, path: `secrets/${key}` })),
    optional: true,
  },
];

export interface OperatedSiteOptions {
  /** false where a test needs no Kafka, and so no sidecar. */
  readonly kafka?: boolean;
  readonly kafkaProperties?: Readonly<Record<string, string>>;
  /** More of the node's spec; `nats` and `key` are merged. */
  readonly spec?: {
    readonly nats?: object;
    readonly key?: object;
    readonly [field: string]: unknown;
  };
  /** The certificate of its nats-server, where it is not as usual. */
  readonly certificate?: CertificateOptions;
  /** With `Users` the stream lives in the default account, and everyone is a user of that account. */
  readonly isolation?: 'Accounts' | 'Users';
  /** The port at which nats-server tells what it has done (`/varz`); absent: none. */
  readonly monitorPort?: number;
  /** Whether nats-server reloads when the mounted files change, as the reloader beside it makes it do. */
  readonly reloads?: boolean;
}

type Written<Value> = Value & KubeObject;

/**
 * A site in a namespace that a running operator watches. Its nats-server includes the files that the operator writes, and its
 * sidecars read them. The stand-in for the kubelet mounts the files.
 */
export class OperatedSite {
  readonly site: Site;
  readonly namespace: string;
  readonly sidecars: SidecarProcess[] = [];
  readonly #plane: ControlPlane;
  readonly #mounts: KubeletStandIn[];
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
    this.#node = node;
    this.#plane = plane;
    this.namespace = namespace;
    this.site = site;
    this.#directory = directory;
    this.#mounts = [mount];
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
    }: OperatedSiteOptions = {},
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

  get lfhId(): string {
    return this.site.lfhId;
  }

  /**
   * Starts a sidecar like one that is injected into a connect pod. It knows nothing of Kubernetes.
   *
   * @param sources of its settings
   * @param main the program to run instead of the product's main
   */
  async startSidecar(sources: readonly VolumeSource[] = SIDECAR_SOURCES, main?: string): Promise<SidecarProcess> {
    const directory = join(this.site.directory, `sidecar-${this.sidecars.length + 1}`);
    const { namespace } = this;
    const kubeConfig = this.#plane.kubeConfig();
    this.#mounts.push(
      await KubeletStandIn.mount({ kubeConfig, namespace, directory: join(directory, 'settings'), sources }),
    );
    const sidecar = await SidecarProcess.startMounted(this.site, directory, main);
    this.sidecars.push(sidecar);
    return sidecar;
  }

  /** Waits for the text that another site applies to have this one as its peer. */
  async invitation(): Promise<string> {
    let text: string | undefined;
    await until(`${this.lfhId} has an invitation`, async () => {
      const found = await this.get<ConfigMap>(KINDS.configMap, `${NODE}-invitation`);
      text = found?.data?.['syncpeer.yaml'];
      return text !== undefined;
    });
    return text ?? '';
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
  async applyInvitation(invitation: string): Promise<void> {
    await this.#plane.kubectl(['apply', '-n', this.namespace, '-f', '-'], invitation);
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

  get<Value extends KubeObject>(kind: Kind, name: string): Promise<Value | undefined> {
    return this.#plane.api.get<Value>(kind, this.namespace, name);
  }

  async node(): Promise<Written<LfhSyncNode>> {
    return demand(await this.get<Written<LfhSyncNode>>(KINDS.node, NODE));
  }

  async peer(name: string): Promise<Written<LfhSyncPeer>> {
    return demand(await this.get<Written<LfhSyncPeer>>(KINDS.peer, name));
  }

  async keySecret(): Promise<Secret> {
    return demand(await this.get<Secret>(KINDS.secret, `${NODE}-nkey`));
  }

  /** The user that the node signs in as at its local NATS, with its present key. */
  async ownUser(): Promise<UserKey> {
    const { data } = await this.keySecret();
    return localNatsKey(Buffer.from(data?.['nats-server.nk'] ?? '', 'base64').toString('utf8'));
  }

  /** The public keys with which nats-server's included files admit the node itself. */
  async ownUsers(): Promise<string[]> {
    return ownUsersIn((await this.get<ConfigMap>(KINDS.configMap, `${NODE}-nats`))?.data);
  }

  /** Changes the spec of the node or of a peer, as `kubectl patch` does. */
  async patch(kind: 'lfhnode' | 'lfhpeer', name: string, spec: object): Promise<void> {
    await this.kubectl('patch', kind, name, '--type=merge', '-p', JSON.stringify({ spec }));
  }

  /**
   * Waits until a condition has this reason.
   *
   * @returns the condition's message
   * @throws with all conditions that there are instead
   */
  async waitForReason(
    kind: 'lfhnode' | 'lfhpeer',
    name: string,
    type: string,
    reason: string,
    timeoutMs = 60_000,
  ): Promise<string> {
    let message = '';
    let seen = '';
    const condition = async (): Promise<boolean> => {
      const { status } = kind === 'lfhnode' ? await this.node() : await this.peer(name);
      const found = status?.conditions?.find((each) => each.type === type);
      seen = (status?.conditions ?? [])
        .map((each) => `${each.type} ${each.status} ${each.reason}: ${each.message}`)
        .join('\n');
      message = found?.message ?? '';
      return found?.reason === reason;
    };
    await until(`${kind} ${name} of ${this.lfhId}: ${type} is ${reason}`, condition, timeoutMs, 50).catch(
      (error: Error) => {
        throw new Error(`${error.message}; it has\n${seen}`, { cause: error });
      },
    );
    return message;
  }

  /** Stops everything that runs. The namespace stays. */
  async stop(): Promise<void> {
    for (const sidecar of this.sidecars) await sidecar.stop();
    for (const mount of this.#mounts) await mount.stop();
    await this.site.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Makes what is known before the operator has written anything. */
async function prepare(lfhId: string): Promise<Omit<PreparedSite, 'accounts' | 'natsConfig'>> {
  return {
    ca: await createCertificateAuthority(lfhId),
    administrator: createUser(),
    natsPort: await freePort(),
    kafkaPort: await freePort(),
  };
}

/** The places where a person includes the operator's files: inside the main account and beside it, or inside `authorization`. */
function includes(directory: string, isolation: 'Accounts' | 'Users'): Pick<PreparedSite, 'accounts' | 'natsConfig'> {
  const include = (file: string): string => `include "../../${directory.split('/').at(-1)}/nats/${file}"`;
  return isolation === 'Users'
    ? { accounts: '', natsConfig: `authorization {\n  ${include('lfh-sync.conf')}\n}` }
    : {
        accounts: `LFH {\n  jetstream: enabled\n  ${include('lfh-sync.conf')}\n}\n${include('lfh-sync-peers.conf')}`,
        natsConfig: '',
      };
}

function nodeOf(
  lfhId: string,
  prepared: Awaited<ReturnType<typeof prepare>>,
  spec: NonNullable<OperatedSiteOptions['spec']>,
): object {
  const servers = [`tls://127.0.0.1:${prepared.natsPort}`];
  const { nats, ...others } = spec;
  return {
    apiVersion: 'sync.linuxforhealth.io/v1alpha1',
    kind: 'LfhSyncNode',
    metadata: { name: NODE },
    spec: {
      lfhId,
      nats: {
        servers,
        advertise: servers,
        ca: { inline: prepared.ca.ca },
        users: [prepared.administrator.getPublicKey()],
        ...nats,
      },
      kafka: { brokers: [`127.0.0.1:${prepared.kafkaPort}`] },
      ...others,
    },
  };
}

function demand<Value>(found: Value | undefined): Value {
  if (found === undefined) throw new Error('it is not there');
  return found;
}

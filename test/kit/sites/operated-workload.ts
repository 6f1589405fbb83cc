import { KINDS, type Workload } from '../../../operator/api/objects.ts';
import type { LfhSyncNode } from '../../../operator/api/types.ts';
import { freePort, until } from '../processes/process.ts';
import type { ControlPlane } from '../servers/control-plane.ts';
import { workloadOf } from './installable-site.ts';

/** How the operator reports a write that the API server has refused because somebody else wrote first. */
const PUT_OFF = /could not be \w+ or changed just now/;

type Node = LfhSyncNode & { readonly apiVersion: string };

export interface SidecarState {
  readonly container: { readonly image: string; readonly [field: string]: unknown } | undefined;
  readonly volume: { readonly projected: { readonly sources: readonly object[] } } | undefined;
  /** The value of NATS_SYNC_SUBSCRIBERS in connect's own container. */
  readonly subscribers: string | undefined;
  /** The value of CONNECT_LFH_ID there. */
  readonly lfhId: string | undefined;
}

/** A manifest of connect, which as upstream ships it names no id. The options say what is different. */
export function connectManifest({
  kind = 'Deployment',
  name = 'connect',
  image = 'connect:1',
  container = 'connect',
  env = {},
  more = [],
  envFrom = [],
}: {
  readonly kind?: 'Deployment' | 'StatefulSet';
  readonly name?: string;
  readonly image?: string;
  readonly container?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Further containers. */
  readonly more?: readonly object[];
  readonly envFrom?: readonly object[];
} = {}): object {
  const entries = Object.entries(env).map(([key, value]) => ({ name: key, value }));
  const containers = [{ name: container, image, env: entries, envFrom }, ...more];
  return workloadOf(kind, name, { containers });
}

/** A namespace with workloads, and a node that asks for a sidecar in one of them. No NATS runs there. */
export class OperatedWorkload {
  readonly namespace: string;
  readonly #plane: ControlPlane;
  #reconciles = 0;

  constructor(plane: ControlPlane, namespace: string) {
    this.#plane = plane;
    this.namespace = namespace;
  }

  async kubectl(args: string, input?: object): Promise<string> {
    const text = input === undefined ? '' : JSON.stringify(input);
    return (await this.#plane.kubectl(['-n', this.namespace, ...args.split(' ')], text)).stdout.trim();
  }

  /** Applies a manifest as a person does. */
  async apply(manifest: object): Promise<void> {
    await this.kubectl('apply -f -', manifest);
  }

  async makeNode(connect: object | undefined, name = 'local', spec: object = {}): Promise<void> {
    await this.apply({
      apiVersion: 'sync.linuxforhealth.io/v1alpha1',
      kind: 'LfhSyncNode',
      metadata: { name },
      spec: {
        lfhId: `${this.namespace}-${name}`,
        nats: { servers: [`tls://127.0.0.1:${await freePort()}`] },
        kafka: { brokers: ['127.0.0.1:9092'] },
        ...(connect && { connect }),
        ...spec,
      },
    });
  }

  async patchNode(spec: object, name = 'local'): Promise<void> {
    await this.#plane.kubectl([
      '-n',
      this.namespace,
      'patch',
      'lfhnode',
      name,
      '--type=merge',
      '-p',
      JSON.stringify({ spec }),
    ]);
  }

  async node(name = 'local'): Promise<Node> {
    const found = await this.#plane.api.get<Node>(KINDS.node, this.namespace, name);
    if (!found) throw new Error(`there is no node ${name}`);
    return found;
  }

  async workload(name = 'connect', kind: 'deployment' | 'statefulSet' = 'deployment'): Promise<Workload> {
    const found = await this.#plane.api.get<Workload>(KINDS[kind], this.namespace, name);
    if (!found) throw new Error(`there is no ${kind} ${name}`);
    return found;
  }

  async sidecarIn(name?: string, kind?: 'deployment' | 'statefulSet'): Promise<SidecarState> {
    const { initContainers = [], containers, volumes = [] } = (await this.workload(name, kind)).spec.template.spec;
    const named = <Value extends { readonly name: string }>(
      list: readonly Value[],
      wanted: string,
    ): Value | undefined => list.find((each) => each.name === wanted);
    const env = containers.flatMap((container) => (container.name === 'lfh-sync' ? [] : (container.env ?? [])));
    return {
      container: named(initContainers, 'lfh-sync') as SidecarState['container'],
      volume: named(volumes, 'lfh-sync') as SidecarState['volume'],
      subscribers: named(env, 'NATS_SYNC_SUBSCRIBERS')?.value,
      lfhId: named(env, 'CONNECT_LFH_ID')?.value,
    };
  }

  /** Waits until the sidecar in a workload is as wanted. @throws with what is there instead, and with the node's status */
  async waitForSidecar(
    what: string,
    wanted: (state: SidecarState) => boolean,
    name?: string,
    kind?: 'deployment' | 'statefulSet',
  ): Promise<SidecarState> {
    let found: SidecarState | undefined;
    await until(`the sidecar ${what} in ${name ?? 'connect'} of ${this.namespace}`, async () => {
      found = await this.sidecarIn(name, kind);
      return wanted(found);
    }).catch(async (error: Error) => {
      const status = await this.node().then(
        (node) => node.status,
        () => 'gone',
      );
      const seen = `it is ${JSON.stringify(found)}, and the node's status ${JSON.stringify(status)}`;
      throw new Error(`${error.message}; ${seen}`, { cause: error });
    });
    return found as SidecarState;
  }

  /** Waits until the whole sidecar is in a workload: container, volume and connect's empty list of subscribers. */
  waitForInjection(name?: string, kind?: 'deployment' | 'statefulSet'): Promise<SidecarState> {
    const isWhole = ({ container, volume, subscribers }: SidecarState): boolean =>
      container !== undefined && volume !== undefined && subscribers === '[]';
    return this.waitForSidecar('is injected', isWhole, name, kind);
  }

  /** Waits until nothing of the sidecar is left in a workload. @param subscribers those that connect itself has then */
  async waitForRemoval(name?: string, subscribers?: string): Promise<void> {
    const isGone = (found: SidecarState): boolean =>
      !found.container && !found.volume && found.subscribers === subscribers;
    await this.waitForSidecar('is removed', isGone, name);
  }

  /** Waits until SidecarReady has that reason. @returns its message */
  async waitForReason(reason: string, name?: string): Promise<string> {
    let found: { readonly reason: string; readonly message: string } | undefined;
    await until(`SidecarReady of ${this.namespace} is ${reason}`, async () => {
      const { status } = await this.node(name);
      found = status?.conditions?.find(({ type }) => type === 'SidecarReady');
      return found?.reason === reason;
    }).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(found)}`, { cause: error });
    });
    return found?.message ?? '';
  }

  /**
   * Resolves when a reconcile that began after this call has ended with nothing put off: what it would have changed has changed,
   * since each reconcile reads the workload as it is. The controller of Deployments may write to the workload just between the
   * operator's read and its write; the API server then refuses the write, and the next reconcile does it.
   */
  async waitForReconcile(name?: string): Promise<void> {
    this.#reconciles += 1;
    await this.patchNode({ key: { overlap: `${this.#reconciles}h` } }, name);
    await until(`a reconcile of ${this.namespace} has done all it wanted`, async () => {
      const { metadata, status } = await this.node(name);
      const isPutOff = status?.conditions?.some(({ message }) => PUT_OFF.test(message));
      return status?.observedGeneration === metadata.generation && !isPutOff;
    });
  }
}

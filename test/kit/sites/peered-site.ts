import { createUser } from 'nkeys.js';
import { type ConfigMap, KINDS, type Kind, type KubeObject, type Secret } from '../../../operator/api/objects.ts';
import type { LfhSyncNode, LfhSyncPeer } from '../../../operator/api/types.ts';
import { localNatsKey, type UserKey } from '../../../operator/nats/keys.ts';
import { ownUsersIn } from '../../../operator/plan/nats/files.ts';
import { INVITATION_FILE, NAMES } from '../../../operator/plan/observed/names.ts';
import { freePort, until } from '../processes/process.ts';
import type { SidecarProcess } from '../processes/sidecar.ts';
import { type CertificateOptions, createCertificateAuthority } from '../servers/certificates.ts';
import type { PreparedSite, Site } from './site.ts';

export const NODE = 'local';

export interface PeeredSiteOptions {
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

export type Written<Value> = Value & KubeObject;

/**
 * A site whose keys, trust and access an operator looks after, with its LfhSyncNode `local`: in a namespace of a Kubernetes API
 * (operated-site.ts), or in a directory (directory-site.ts). A person does the same things at both.
 */
export abstract class PeeredSite {
  readonly site: Site;
  readonly sidecars: SidecarProcess[] = [];

  protected constructor(site: Site) {
    this.site = site;
  }

  get lfhId(): string {
    return this.site.lfhId;
  }

  /** The namespace, as metrics name it. */
  abstract readonly namespace: string;

  /** An object as it is in force. */
  abstract get<Value extends KubeObject>(kind: Kind, name: string): Promise<Value | undefined>;

  /** Takes another site's invitation, as a person does. */
  abstract applyInvitation(invitation: string): Promise<void>;

  /** Makes an LfhSyncPeer. */
  abstract applyPeer(name: string, spec: object): Promise<void>;

  /** Makes a Secret. */
  abstract applySecret(name: string, texts: Readonly<Record<string, string>>): Promise<void>;

  /** Changes the spec of the node or of a peer; `null` removes a field. */
  abstract patch(kind: 'lfhnode' | 'lfhpeer', name: string, spec: object): Promise<void>;

  abstract deletePeer(name: string): Promise<void>;

  /** Starts a sidecar that reads what the operator writes. @param main the program to run instead of the product's main */
  abstract startSidecar(main?: string): Promise<SidecarProcess>;

  /** Everything but Secrets that a person may look at, as text: objects, status, events and the operator's log. */
  abstract everythingShown(): Promise<string>;

  abstract stop(): Promise<void>;

  /** Waits for the text that another site takes to have this one as its peer. */
  async invitation(): Promise<string> {
    let text: string | undefined;
    await until(`${this.lfhId} has an invitation`, async () => {
      const found = await this.get<ConfigMap>(KINDS.configMap, NAMES.invitation(NODE));
      text = found?.data?.[INVITATION_FILE];
      return text !== undefined;
    });
    return text ?? '';
  }

  async node(): Promise<Written<LfhSyncNode>> {
    return demand(await this.get<Written<LfhSyncNode>>(KINDS.node, NODE));
  }

  async peer(name: string): Promise<Written<LfhSyncPeer>> {
    return demand(await this.get<Written<LfhSyncPeer>>(KINDS.peer, name));
  }

  async keySecret(): Promise<Secret> {
    return demand(await this.get<Secret>(KINDS.secret, NAMES.key(NODE)));
  }

  /** The user that the node signs in as at its local NATS, with its present key. */
  async ownUser(): Promise<UserKey> {
    const { data } = await this.keySecret();
    return localNatsKey(Buffer.from(data?.['nats-server.nk'] ?? '', 'base64').toString('utf8'));
  }

  /** The public keys with which nats-server's included files admit the node itself. */
  async ownUsers(): Promise<string[]> {
    return ownUsersIn((await this.get<ConfigMap>(KINDS.configMap, NAMES.nats(NODE)))?.data);
  }

  /** Waits until these peers are ready. */
  async waitUntilReady(...peers: readonly string[]): Promise<void> {
    for (const peer of peers) await this.waitForReason('lfhpeer', peer, 'Ready', 'AllReady');
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
}

/** Makes what is known before the operator has written anything. */
export async function prepare(lfhId: string): Promise<Omit<PreparedSite, 'accounts' | 'natsConfig'>> {
  return {
    ca: await createCertificateAuthority(lfhId),
    administrator: createUser(),
    natsPort: await freePort(),
    kafkaPort: await freePort(),
  };
}

/** The places where a person includes the operator's files: inside the main account and beside it, or inside `authorization`. */
export function includes(
  directory: string,
  isolation: 'Accounts' | 'Users',
): Pick<PreparedSite, 'accounts' | 'natsConfig'> {
  const include = (file: string): string => `include "../../${directory.split('/').at(-1)}/nats/${file}"`;
  return isolation === 'Users'
    ? { accounts: '', natsConfig: `authorization {\n  ${include('lfh-sync.conf')}\n}` }
    : {
        accounts: `LFH {\n  jetstream: enabled\n  ${include('lfh-sync.conf')}\n}\n${include('lfh-sync-peers.conf')}`,
        natsConfig: '',
      };
}

export function nodeOf(
  lfhId: string,
  prepared: Awaited<ReturnType<typeof prepare>>,
  spec: NonNullable<PeeredSiteOptions['spec']>,
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

export function demand<Value>(found: Value | undefined): Value {
  if (found === undefined) throw new Error('it is not there');
  return found;
}

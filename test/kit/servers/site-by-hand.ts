import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats';
import { createUser } from 'nkeys.js';
import { type CertificateAuthority, createCertificateAuthority } from './certificates.ts';
import { EVENTS_STREAM } from './events-stream.ts';
import { type AnyVersion, NatsServer } from './nats-server.ts';

const AUTHORIZATION = 'authorization.conf';

/**
 * A site without lfh-sync: a nats-server that is configured as connect's documentation says, with users in `authorization` and no
 * accounts, and an administrator who does what is handed to them, literally.
 */
export class SiteByHand {
  readonly nats: NatsServer;
  readonly ca: CertificateAuthority;
  readonly #directory: string;
  readonly #administrator = createUser();
  #connection: NatsConnection | undefined;

  private constructor(nats: NatsServer, ca: CertificateAuthority, directory: string) {
    this.nats = nats;
    this.ca = ca;
    this.#directory = directory;
  }

  static async start(version: AnyVersion): Promise<SiteByHand> {
    const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-by-hand-'));
    const ca = await createCertificateAuthority('by hand');
    await writeFile(join(directory, AUTHORIZATION), '');
    const nats = await NatsServer.start({
      directory,
      name: 'by-hand',
      version,
      certificate: await ca.issue(),
      accounts: '',
      extra: `authorization { include "${AUTHORIZATION}" }`,
    });
    const site = new SiteByHand(nats, ca, directory);
    await site.letIn('');
    await site.request('$JS.API.STREAM.CREATE.EVENTS', JSON.stringify(EVENTS_STREAM));
    return site;
  }

  /** Writes these lines beside the administrator's own, and reloads nats-server once. */
  async letIn(lines: string): Promise<void> {
    const users = `users: [\n{ nkey: ${this.#administrator.getPublicKey()} }\n${lines}\n]\n`;
    await writeFile(join(this.#directory, AUTHORIZATION), users);
    await this.nats.reload({});
  }

  /** As `nats request SUBJECT BODY`. @throws with what JetStream answers, where that is an error */
  async request(subject: string, body: string): Promise<void> {
    const answer = await (await this.#connected()).request(subject, body, { timeout: 5_000 });
    const { error } = answer.json<{ error?: { description: string } }>();
    if (error) throw new Error(`${subject}: ${error.description}`);
  }

  async announce(payloads: readonly Uint8Array[]): Promise<void> {
    const jetStream = (await this.#connected()).jetstream();
    for (const payload of payloads) await jetStream.publish('EVENTS.sync', payload);
  }

  async stop(): Promise<void> {
    await this.#connection?.close();
    await this.nats.stop();
    await rm(this.#directory, { recursive: true });
  }

  async #connected(): Promise<NatsConnection> {
    this.#connection ??= await connect({
      servers: [this.nats.url],
      tls: { ca: this.ca.ca },
      authenticator: nkeyAuthenticator(this.#administrator.getSeed()),
    });
    return this.#connection;
  }
}

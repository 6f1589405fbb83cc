import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { TurnBudget } from '../../../common/turns.ts';
import { Waits } from '../../../common/waits.ts';
import { ConnectionError, errorSaid, protocolError } from './errors.ts';
import type { Incoming } from './incoming.ts';
import { ProtocolReader } from './protocol-reader.ts';
import type { SecureSocket } from './secure-socket.ts';
import { readServerInfo, type ServerInfo } from './server-info.ts';
import { connectCommand, type Identity } from './sign-in.ts';

export interface PeerConnectionOptions extends Identity {
  /** The only inboxes that our user may subscribe to, without a final dot. */
  readonly inboxPrefix: string;
  /** How much of a message's payload is kept, in bytes. */
  readonly keptBytes: number;
}

export interface Publishing {
  /** The subject to answer on. */
  readonly reply?: string;
  /** One header, sent where the server takes any. */
  readonly header?: readonly [name: string, value: string];
}

/** How often the server is sent a ping, so that nothing on the way forgets an idle connection. */
const PING_INTERVAL_MS = 10_000;
/** A server that does not read what we send, such as the answers to its pings, must not fill our memory with it. */
const MAX_UNSENT = 1_000;
/** After so many milliseconds of reading, from all peers together, everything else in this process has its turn. */
const READING = new TurnBudget(5);

/**
 * A connection to a peer's server, which may be hostile. It speaks as much of NATS as a durable is pulled with, and is closed for
 * good after any error, and after any `-ERR`.
 */
export class PeerConnection {
  /** What ended it. It rejects for an error that nobody foresaw, which is a subscriber's. */
  readonly closed: Promise<Error>;
  readonly #options: PeerConnectionOptions;
  readonly #socket: TLSSocket;
  readonly #reader: ProtocolReader;
  readonly #closed = Promise.withResolvers<Error>();
  readonly #signedIn = Promise.withResolvers<void>();
  readonly #subscribers = new Map<number, (message: Incoming) => void>();
  /** One for each ping that is not answered. */
  readonly #pongs: (() => void)[] = [];
  readonly #waits = new Waits();
  readonly #inbox: string;
  #clock: NodeJS.Timeout | undefined;
  #info: ServerInfo | undefined;
  #isClosed = false;
  #inboxes = 0;
  #sids = 0;
  #receivedBytes = 0;
  #unsent = 0;
  #isCorked = false;

  private constructor({ socket, info }: SecureSocket, options: PeerConnectionOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#inbox = `${options.inboxPrefix}.${randomBytes(12).toString('hex')}`;
    this.closed = this.#closed.promise;
    // Nobody may be waiting for it.
    this.closed.catch(() => undefined);
    this.#reader = new ProtocolReader(
      {
        message: (message) => this.#subscribers.get(message.sid)?.(message),
        info: (json) => this.#greeted(json),
        error: (text) => this.#end(errorSaid(text)),
        ping: () => this.#send('PONG\r\n'),
        pong: () => this.#pongs.shift()?.(),
      },
      options.keptBytes,
    );
    let problem: Error | undefined;
    socket.on('error', (error) => (problem = error));
    socket.on('close', () => this.#end(problem ?? closedSilently()));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    if (info) this.#signIn(info);
  }

  /**
   * Signs in over a socket, and waits until the server has answered.
   *
   * @throws ConnectionError, or Node's own error
   */
  static async signIn(socket: SecureSocket, options: PeerConnectionOptions): Promise<PeerConnection> {
    const connection = new PeerConnection(socket, options);
    const ended = connection.closed.then((error) => Promise.reject(error));
    await Promise.race([connection.#signedIn.promise, ended]);
    // What ends a connection may come right behind the answer.
    if (!connection.isClosed) connection.#clock = setInterval(() => connection.#keepAlive(), PING_INTERVAL_MS);
    return connection;
  }

  /** The version that the server says it has. */
  get version(): string | undefined {
    return this.#info?.version;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * How many bytes have arrived, those of an unfinished message included. Any of them shows that the server is there: over a slow
   * line one message may take longer than any time we would give it.
   */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** A subject of our own that nobody else uses. */
  newInbox(): string {
    this.#inboxes += 1;
    return `${this.#inbox}${this.#inboxes}`;
  }

  /** @returns the number of the subscription */
  subscribe(subject: string, onMessage: (message: Incoming) => void): number {
    this.#sids += 1;
    this.#subscribers.set(this.#sids, onMessage);
    this.#send(`SUB ${subject} ${this.#sids}\r\n`);
    return this.#sids;
  }

  unsubscribe(sid: number): void {
    if (this.#subscribers.delete(sid)) this.#send(`UNSUB ${sid}\r\n`);
  }

  /** Sends a message, or nothing after the end. */
  publish(subject: string, body: string, { reply, header }: Publishing = {}): void {
    const to = reply === undefined ? subject : `${subject} ${reply}`;
    const bodySize = Buffer.byteLength(body);
    if (header === undefined || !this.#info?.takesHeaders) {
      this.#send(`PUB ${to} ${bodySize}\r\n${body}\r\n`);
      return;
    }
    const fields = `NATS/1.0\r\n${header[0]}: ${header[1]}\r\n\r\n`;
    const headerSize = Buffer.byteLength(fields);
    this.#send(`HPUB ${to} ${headerSize} ${headerSize + bodySize}\r\n${fields}${body}\r\n`);
  }

  /**
   * Sends a request and waits for its first answer. Where nothing listens on the subject, the server's answer has the status 503.
   *
   * @throws ConnectionError, with the code TIMEOUT where none comes in time; or what ended the connection
   */
  async request(
    subject: string,
    body: string,
    { timeoutMs, header }: Pick<Publishing, 'header'> & { readonly timeoutMs: number },
  ): Promise<Incoming> {
    const { promise, resolve, reject } = Promise.withResolvers<Incoming>();
    const reply = this.newInbox();
    const sid = this.subscribe(reply, (answer) => resolve(answer.copy()));
    const timer = setTimeout(() => reject(new ConnectionError('TIMEOUT', 'no answer came in time')), timeoutMs);
    this.publish(subject, body, { reply, ...(header && { header }) });
    try {
      return await this.#waits.until(promise);
    } finally {
      clearTimeout(timer);
      this.unsubscribe(sid);
    }
  }

  /** Resolves when the server has read all that was sent before, and what it had sent before was read; or when the connection ends. */
  async flush(): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#ping(resolve));
    await this.#waits.until(answered).catch(() => undefined);
  }

  /** Ends it at once. What was sent just before may be lost; {@link flush} waits for it. */
  async close(): Promise<void> {
    this.#end(closedSilently());
    await this.closed.catch(() => undefined);
  }

  #read(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    const began = performance.now();
    try {
      this.#reader.read(chunk);
    } catch (error) {
      if (error instanceof ConnectionError) this.#end(error);
      else this.#endWith(error, () => this.#closed.reject(error));
      return;
    }
    READING.spend(performance.now() - began);
    if (READING.isSpent) this.#pauseForATurn();
  }

  /** Node hands over what a socket holds, as much as that is, before anything else has its turn. */
  #pauseForATurn(): void {
    if (this.#socket.isPaused()) return;
    this.#socket.pause();
    setImmediate(() => this.#socket.resume());
  }

  /** What a server says of itself later is about other servers, and about its end, which the end itself shows. */
  #greeted(json: string): void {
    if (!this.#info) this.#signIn(readServerInfo(json));
  }

  #signIn(info: ServerInfo): void {
    this.#info = info;
    this.#send(connectCommand(this.#options, info));
    this.#ping(() => this.#signedIn.resolve());
  }

  #keepAlive(): void {
    // Over a slow line the answer may take long.
    if (this.#pongs.length === 0) this.#ping(() => undefined);
  }

  #ping(answered: () => void): void {
    this.#pongs.push(answered);
    this.#send('PING\r\n');
  }

  /** Everything that is sent in one go leaves in one TLS record. */
  #send(text: string): void {
    if (this.#isClosed) return;
    if (this.#unsent === MAX_UNSENT) {
      this.#end(protocolError());
      return;
    }
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#unsent += 1;
    this.#socket.write(text, () => (this.#unsent -= 1));
  }

  #end(error: Error): void {
    this.#endWith(error, () => this.#closed.resolve(error));
  }

  #endWith(error: unknown, settle: () => void): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#clock);
    this.#subscribers.clear();
    this.#socket.destroy();
    this.#waits.end(() => error);
    settle();
  }
}

function closedSilently(): ConnectionError {
  return new ConnectionError('CONNECTION_CLOSED', 'the connection was closed');
}

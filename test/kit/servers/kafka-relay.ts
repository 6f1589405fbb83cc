import { connect, createServer, type Server, type Socket } from 'node:net';

/** The requests whose answers tests change, by their number in Kafka's protocol. */
export const JOIN_GROUP = 11;
export const HEARTBEAT = 12;
export const END_TXN = 26;

/** Errors, by their number in Kafka's protocol. */
export const UNKNOWN_SERVER_ERROR = -1;
export const COORDINATOR_LOAD_IN_PROGRESS = 14;
export const UNKNOWN_MEMBER_ID = 25;

/**
 * A way to a real Kafka on which single answers of its coordinators can be exchanged for an error, which they give
 * by themselves only for moments that no test can hit. Kafka has done what it was asked. Everything else passes as it is.
 */
export class KafkaRelay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #errors = new Map<number, { readonly error: number; readonly given: () => void }>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a port that the Kafka behind it has to advertise. */
  static async start(listenPort: number, kafkaPort: number): Promise<KafkaRelay> {
    const server = createServer();
    const relay = new KafkaRelay(server);
    server.on('connection', (client) => relay.#relay(client, connect(kafkaPort, '127.0.0.1')));
    await new Promise<void>((resolve) => server.listen(listenPort, '127.0.0.1', resolve));
    return relay;
  }

  /** Gives this error as the next answer to such a request; resolves when it was given. */
  answerNext(request: number, error: number): Promise<void> {
    return new Promise((given) => {
      this.#errors.set(request, { error, given });
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #relay(client: Socket, kafka: Socket): void {
    /** Which request an answer is for, by its correlation id. */
    const asked = new Map<number, number>();
    for (const [from, to] of [
      [client, kafka],
      [kafka, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on('error', () => from.destroy());
    }
    client.on(
      'data',
      frames((frame) => {
        asked.set(frame.readInt32BE(8), frame.readInt16BE(4));
        kafka.write(frame);
      }),
    );
    kafka.on(
      'data',
      frames((frame) => {
        const request = asked.get(frame.readInt32BE(4)) ?? -1;
        asked.delete(frame.readInt32BE(4));
        const exchange = this.#errors.get(request);
        this.#errors.delete(request);
        // All of these answers begin, after size and correlation id, with the throttle time and the error.
        if (exchange) frame.writeInt16BE(exchange.error, 12);
        client.write(frame);
        exchange?.given();
      }),
    );
  }
}

/** Cuts what arrives into what Kafka's protocol sends as one: four bytes of size and so many more. */
function frames(handle: (frame: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      handle(Buffer.from(rest.subarray(0, end)));
      rest = rest.subarray(end);
    }
  };
}

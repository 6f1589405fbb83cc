import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What a line does: it carries everything; it carries so many bytes a second each way; it is still, so that nothing arrives and
 * nobody is told; or it is cut, so that connections end and new ones are refused.
 */
export type LineState = 'whole' | 'still' | 'cut' | { readonly bytesPerSecond: number };

/** How often a slow line carries a slice of what waits. */
const SLICE_MS = 50;
/** What the line itself holds; the rest waits in the socket of the sender. */
const HELD_BYTES = 65_536;

/** A way over TCP to a port of this machine, which can be made worse and better at any time. */
export class Line {
  readonly #server: Server;
  readonly #toPort: number;
  readonly #ways = new Set<Way>();
  #state: LineState;

  private constructor(server: Server, toPort: number, state: LineState) {
    this.#server = server;
    this.#toPort = toPort;
    this.#state = state;
  }

  /** @param port where it begins; 0 takes any free one */
  static async start(toPort: number, state: LineState = 'whole', port = 0): Promise<Line> {
    const server = createServer();
    const line = new Line(server, toPort, state);
    server.on('connection', (client) => line.#carry(client));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return line;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  set(state: LineState): void {
    this.#state = state;
    for (const way of this.#ways) {
      if (state === 'cut') way.end();
      else way.turnInto(state);
    }
  }

  async stop(): Promise<void> {
    for (const way of this.#ways) way.end();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #carry(client: Socket): void {
    if (this.#state === 'cut') return void client.resetAndDestroy();
    const origin = connect(this.#toPort, '127.0.0.1');
    for (const [from, to] of [
      [client, origin],
      [origin, client],
    ] as const) {
      const way = new Way(from, to, this.#state);
      this.#ways.add(way);
      from.on('close', () => this.#ways.delete(way));
    }
  }
}

/** One direction of one connection. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  #state: Exclude<LineState, 'cut'>;
  #waiting: Buffer = Buffer.alloc(0);
  #clock: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, state: Exclude<LineState, 'cut'>) {
    this.#from = from;
    this.#to = to;
    this.#state = state;
    from.on('data', (chunk: Buffer) => {
      this.#waiting = this.#waiting.length === 0 ? chunk : Buffer.concat([this.#waiting, chunk]);
      this.#flow();
    });
    to.on('drain', () => this.#flow());
    from.on('error', () => this.end());
    from.on('close', () => {
      clearInterval(this.#clock);
      if (this.#state === 'whole') to.end(this.#waiting);
      else to.destroy();
    });
    this.turnInto(state);
  }

  turnInto(state: Exclude<LineState, 'cut'>): void {
    this.#state = state;
    clearInterval(this.#clock);
    if (typeof state === 'object') {
      const slice = Math.max(1, Math.floor((state.bytesPerSecond * SLICE_MS) / 1000));
      this.#clock = setInterval(() => this.#write(slice), SLICE_MS);
    }
    this.#flow();
  }

  end(): void {
    clearInterval(this.#clock);
    this.#from.destroy();
    this.#to.destroy();
  }

  #flow(): void {
    if (this.#state === 'whole' && !this.#to.writableNeedDrain) this.#write(this.#waiting.length);
    if (this.#waiting.length >= HELD_BYTES) this.#from.pause();
  }

  #write(count: number): void {
    if (this.#waiting.length > 0 && !this.#to.destroyed) this.#to.write(this.#waiting.subarray(0, count));
    this.#waiting = this.#waiting.subarray(count);
    if (this.#waiting.length < HELD_BYTES) this.#from.resume();
  }
}

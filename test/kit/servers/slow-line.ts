import { connect, createServer, type Socket } from 'node:net';

/** A way over TCP to a port of this machine that carries only so many bytes a second. */
export interface SlowLine {
  readonly port: number;
  stop(): Promise<void>;
}

/** How often the line carries a slice of what waits. */
const SLICE_MS = 50;
/** What the line itself holds; the rest waits in the socket of the sender. */
const HELD_BYTES = 65_536;

/** Starts a line from the port that it returns to `toPort`. The way there is free; the way back has the limit. */
export async function startSlowLine(toPort: number, bytesPerSecond: number): Promise<SlowLine> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const origin = connect(toPort, '127.0.0.1');
    for (const socket of [client, origin]) sockets.add(socket);
    carry(origin, client, Math.max(1, Math.floor((bytesPerSecond * SLICE_MS) / 1000)));
    client.pipe(origin);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Carries what `from` sends to `to`, one slice at a time, until one of them ends. */
function carry(from: Socket, to: Socket, slice: number): void {
  let waiting: Buffer = Buffer.alloc(0);
  const clock = setInterval(() => {
    if (waiting.length > 0) to.write(waiting.subarray(0, slice));
    waiting = waiting.subarray(slice);
    if (waiting.length < HELD_BYTES) from.resume();
  }, SLICE_MS);
  from.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    if (waiting.length >= HELD_BYTES) from.pause();
  });
  const end = (): void => {
    clearInterval(clock);
    from.destroy();
    to.destroy();
  };
  for (const socket of [from, to]) {
    socket.on('error', end);
    socket.on('close', end);
  }
}

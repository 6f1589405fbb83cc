import { createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { ServerCertificate } from './certificates.ts';

/** What is sent as soon as a durable is pulled from. */
export interface Flood {
  readonly certificate: ServerCertificate;
  /** What the server says about itself. */
  readonly info: object;
  /** Sent as it is, with `SID` and `INBOX` replaced by those of the pull. */
  readonly text: string;
}

/** A server that answers the first pull with more than a server sends at once. It has a thread of its own, which takes no time of ours. */
export class FloodingServer {
  readonly url: string;
  readonly #worker: Worker;

  private constructor(worker: Worker, port: number) {
    this.#worker = worker;
    this.url = `tls://127.0.0.1:${port}`;
  }

  static async start(flood: Flood): Promise<FloodingServer> {
    const worker = new Worker(new URL(import.meta.url), { workerData: flood });
    const port = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    return new FloodingServer(worker, port);
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}

function serve(raw: Socket, { certificate: { cert, key }, info, text }: Flood): void {
  raw.on('error', () => undefined).write(`INFO ${JSON.stringify(info)}\r\n`);
  const socket = new TLSSocket(raw, { isServer: true, cert, key }).on('error', () => undefined);
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    if (chunk.includes('PING\r\n')) socket.write('PONG\r\n');
    received += chunk.toString('latin1');
    const [, inbox, sid] = /SUB (\S+) (\d+)\r\nPUB/.exec(received) ?? [];
    if (inbox === undefined || sid === undefined) return;
    received = '';
    socket.write(text.replaceAll('INBOX', inbox).replaceAll('SID', sid));
  });
}

if (!isMainThread) {
  const server = createServer((socket) => serve(socket, workerData as Flood));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  server.listen(0, '127.0.0.1', () => parentPort?.postMessage((server.address() as { port: number }).port));
}

import { connect } from 'node:net';
import { join } from 'node:path';
import type { Site } from '../sites/site.ts';
import { freePort, ServerProcess, until } from './process.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'cluster', 'stand-ins', 'connect.ts');

/** The stand-in for connect that the cluster's sites run, as a process beside a site. */
export class ConnectStandIn {
  readonly #process: ServerProcess;
  readonly #port: number;

  private constructor(process: ServerProcess, port: number) {
    this.#process = process;
    this.#port = port;
  }

  static async start(site: Site): Promise<ConnectStandIn> {
    const port = await freePort();
    const env = {
      CONNECT_LFH_ID: site.lfhId,
      CONNECT_CA_FILE: await site.file('connect-ca.pem', site.ca.ca),
      NATS_NK_FILE: await site.file('connect.nk', site.administrator.getSeed()),
      NATS_SERVERS: JSON.stringify([site.nats.url]),
      KAFKA_BOOTSTRAP_SERVERS: JSON.stringify(site.kafka.brokers),
      UVICORN_PORT: String(port),
    };
    const process = new ServerProcess(
      'connect',
      [globalThis.process.execPath, PROGRAM],
      join(site.directory, 'connect.log'),
      env,
    );
    const standIn = new ConnectStandIn(process, port);
    const answers = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/status`)).ok;
    await until('the stand-in for connect answers', answers, 60_000);
    return standIn;
  }

  /**
   * POSTs with just these headers, in this order; a client of a library would add its own.
   *
   * @returns status and body of the answer
   */
  async post(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer,
  ): Promise<{ status: number; text: string }> {
    const socket = connect(this.#port, '127.0.0.1');
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n`);
    socket.write(body);
    let answer = Buffer.alloc(0);
    for await (const chunk of socket) {
      answer = Buffer.concat([answer, chunk as Buffer]);
      const [all = '', status, length] =
        /^HTTP\/1\.1 (\d+)[^]*content-length: (\d+)[^]*?\r\n\r\n/i.exec(answer.toString('latin1')) ?? [];
      const text = answer.subarray(all.length);
      if (all && text.length >= Number(length)) return { status: Number(status), text: text.toString('utf8') };
    }
    throw new Error('the stand-in for connect did not answer');
  }

  stop(): Promise<void> {
    return this.#process.stop();
  }
}

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** The first byte of a TLS handshake. */
const HANDSHAKE = 0x16;

/**
 * A proxy that passes TLS through by the name of the server in it, as an ingress or an OpenShift Route does: it says nothing until
 * the client has sent its first message of TLS, and closes the connection where that does not have the name.
 */
export class SniProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param name that it routes @param targetPort on 127.0.0.1 */
  static async start(name: string, targetPort: number): Promise<SniProxy> {
    const proxy = new SniProxy(createServer());
    proxy.#server.on('connection', (client) => {
      proxy.#keep(client);
      client.once('data', (hello) => {
        if (hello[0] !== HANDSHAKE || !hello.includes(name)) return void client.destroy();
        const target = connect(targetPort, '127.0.0.1');
        proxy.#keep(target);
        target.write(hello);
        client.pipe(target).pipe(client);
      });
    });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => this.#sockets.delete(socket));
  }
}

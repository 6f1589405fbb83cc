import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createCertificateAuthority } from '../servers/certificates.ts';
import type { ControlPlane } from '../servers/control-plane.ts';

/** Answers in the place of a kubelet when the API server asks it for the log of a container; it runs no pod. */
export class KubeletLogs {
  readonly #server: Server;
  readonly #plane: ControlPlane;
  readonly #node: string;

  private constructor(server: Server, plane: ControlPlane, node: string) {
    this.#server = server;
    this.#plane = plane;
    this.#node = node;
  }

  /** @param logOf gives the log of `<namespace>/<pod>/<container>` */
  static async start(plane: ControlPlane, node: string, logOf: (path: string) => string): Promise<KubeletLogs> {
    const { cert, key } = await (await createCertificateAuthority('kubelet')).issue();
    const server = createServer({ cert, key }, ({ url = '' }, response) => {
      const [, path] = /^\/containerLogs\/([^?]+)/.exec(url) ?? [];
      response.writeHead(path === undefined ? 404 : 200).end(path === undefined ? '' : logOf(path));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const object = { apiVersion: 'v1', kind: 'Node', metadata: { name: node } };
    await plane.kubectl(['create', '-f', '-'], JSON.stringify(object));
    const status = {
      addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    };
    await plane.kubectl(['patch', 'node', node, '--subresource=status', '-p', JSON.stringify({ status })]);
    return new KubeletLogs(server, plane, node);
  }

  async stop(): Promise<void> {
    await this.#plane.kubectl(['delete', 'node', this.#node]);
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

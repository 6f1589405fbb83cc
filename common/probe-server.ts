import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { http } from './http.ts';
import { splitHostPort } from './server-url.ts';

/** What is answered over HTTP. Each function is called again for every request. */
export interface Probes {
  /** Whether the process should stay alive. */
  readonly healthy: () => boolean;
  /** True when the process does its work; otherwise a text that says what is missing. */
  readonly ready: () => true | string;
  readonly status: () => unknown;
  readonly metrics: () => Promise<string>;
}

export interface ProbeServer {
  readonly port: number;
  close(): Promise<void>;
}

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Serves `/healthz`, `/readyz`, `/status` (JSON) and `/metrics` (Prometheus). It is for reading only, and for small requests.
 * A client that holds a connection open without a request is cut off after 2 s, or sooner where there are too many. Otherwise any pod could keep the kubelet out with idle connections, until it ends us for not answering.
 *
 * At `[::]` it answers at every address, of IPv6 and of IPv4: a pod may have either or both, and kubelet and Prometheus choose
 * one. Where the kernel has no IPv6 it listens at every address of IPv4.
 *
 * @param address `host:port`; port 0 takes any free one
 * @throws what listening throws, such as EADDRINUSE
 */
export async function startProbeServer(address: string, probes: Probes): Promise<ProbeServer> {
  const { host, port } = splitHostPort(address);
  const server = http.createServer(
    {
      requestTimeout: 5_000,
      headersTimeout: IDLE_MS,
      keepAliveTimeout: IDLE_MS,
      // Node looks only so often for connections whose time is over; by default every 30 s.
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 8_192,
    },
    (request, response) => {
      void respond(request, response, probes);
    },
  );
  const open = new Map<Socket, string>();
  server.on('connection', (socket) => admit(open, socket));
  try {
    await listen(server, host, port);
  } catch (error) {
    const instead = withoutIpv6(host, error);
    if (instead === undefined) throw error;
    await listen(server, instead, port);
  }
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** What the kernel says of an IPv6 address where IPv6 is not built in, or is turned off. */
const NO_IPV6: readonly unknown[] = ['EAFNOSUPPORT', 'EADDRNOTAVAIL'];

/**
 * Where to listen instead, when listening failed because there is no IPv6.
 *
 * @returns undefined where somebody asked for one address, or something else is wrong
 */
export function withoutIpv6(host: string, error: unknown): string | undefined {
  return host === '::' && NO_IPV6.includes((error as { code?: unknown }).code) ? '0.0.0.0' : undefined;
}

const IDLE_MS = 2_000;
const MAX_CONNECTIONS = 100;
/** A kubelet and a Prometheus need one or two each. */
const MAX_PER_ADDRESS = 20;

/**
 * Makes room for a new connection by ending the oldest, of its address or of all. Refusing the new one would keep the kubelet
 * out: its request comes last and takes milliseconds, and it may have the same address as those that hold idle connections.
 *
 * @param open the open connections with their addresses, the oldest first
 */
function admit(open: Map<Socket, string>, socket: Socket): void {
  const address = socket.remoteAddress ?? '';
  open.set(socket, address);
  socket.once('close', () => open.delete(socket));
  const ofAddress = [...open.keys()].filter((other) => open.get(other) === address);
  const [oldest] = ofAddress.length > MAX_PER_ADDRESS ? ofAddress : open.keys();
  if (oldest === undefined || (ofAddress.length <= MAX_PER_ADDRESS && open.size <= MAX_CONNECTIONS)) return;
  // Not only when its close is seen: many may come before that.
  open.delete(oldest);
  oldest.destroy();
}

async function respond(request: IncomingMessage, response: ServerResponse, probes: Probes): Promise<void> {
  const { code, type, body } = await answerTo(request, probes).catch(() => text(500, 'failed; see the log'));
  response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answerTo(request: IncomingMessage, probes: Probes): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET and HEAD');
  switch (new URL(request.url ?? '/', 'http://localhost').pathname) {
    case '/healthz':
      return probes.healthy() ? text(200, 'ok') : text(503, 'ending');
    case '/readyz': {
      const ready = probes.ready();
      return ready === true ? text(200, 'ok') : text(503, ready);
    }
    case '/status':
      return { code: 200, type: 'application/json', body: `${JSON.stringify(probes.status())}\n` };
    case '/metrics':
      return { code: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: await probes.metrics() };
    default:
      return text(404, 'there are /healthz, /readyz, /status and /metrics');
  }
}

function text(code: number, body: string): Answer {
  return { code, type: 'text/plain; charset=utf-8', body: `${body}\n` };
}

import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { createUser } from 'nkeys.js';
import { pino } from 'pino';
import { TransientError } from '../../../common/errors.ts';
import { connectLocal } from '../../../sidecar/nats/connect-local.ts';
import type { NatsOptions } from '../../../sidecar/nats/connection.ts';
import { translate } from '../../../sidecar/nats/errors.ts';
import { openPeerStream } from '../../../sidecar/nats/peer-stream.ts';
import { soonerThan, until } from '../../kit/processes/process.ts';
import { createCertificateAuthority, type ServerCertificate } from '../../kit/servers/certificates.ts';

const INFO = 'INFO {"server_id":"x","version":"2.15.2","headers":true,"tls_required":true,"max_payload":1048576}\r\n';

interface Opened {
  /** Rejects when the server, or what it sent, ends the connection. */
  readonly ended: () => Promise<unknown>;
  readonly close: () => Promise<void>;
}

type Open = (options: NatsOptions) => Promise<Opened>;

/** Our own client, at a peer's server, and nats.js with its patch in patches/, at the node's own. */
const CLIENTS: Readonly<Record<string, Open>> = {
  "the client for a peer's server": async (options) => {
    const stream = await openPeerStream({ ...options, stream: 'EVENTS', durable: 'lfh-sync-b' });
    return { ended: () => stream.available(10_000), close: () => stream.close() };
  },
  "the client for the node's own server": async (options) => {
    const { connection, remote } = await connectLocal(options);
    const ended = async (): Promise<never> => {
      throw translate((await connection.closed()) ?? undefined, remote);
    };
    return { ended, close: () => connection.close() };
  },
};

/** What a server can do to us below the level of messages. */
for (const [client, openBy] of Object.entries(CLIENTS))
  describe(client, function () {
    this.timeout(240_000);
    let ca: string;
    let certificate: ServerCertificate;
    let server: Server;
    const sockets = new Set<Socket>();

    before(async () => {
      const authority = await createCertificateAuthority('hospital-a');
      ca = authority.ca;
      certificate = await authority.issue();
    });
    afterEach(() => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
      server.close();
    });

    async function open(serve: (socket: Socket) => void): Promise<Opened> {
      server = createServer((socket) => {
        sockets.add(socket.on('error', () => undefined));
        serve(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return openBy({
        server: `tls://127.0.0.1:${(server.address() as { port: number }).port}`,
        seed: createUser().getSeed(),
        ca,
        inboxPrefix: '_INBOX.b',
        name: 'lfh-sync test',
        owner: 'hospital-a',
        log: pino({ level: 'silent' }),
      });
    }

    /** Signs the client in, and then sends. */
    function afterSigningIn(send: (socket: TLSSocket) => void): (raw: Socket) => void {
      return (raw) => {
        raw.write(INFO);
        const socket = new TLSSocket(raw, { isServer: true, cert: certificate.cert, key: certificate.key });
        socket.on('error', () => undefined).write(INFO);
        socket.on('data', (chunk: Buffer) => {
          if (!chunk.includes('PING')) return;
          socket.write('PONG\r\n');
          setTimeout(send, 50, socket);
        });
      };
    }

    async function fails(opened: Opened): Promise<void> {
      await assert.rejects(opened.ended(), (error: unknown) => {
        assert.ok(error instanceof TransientError && error.reason === 'Unreachable', String(error));
        assert.doesNotMatch(`${error.message}${String(error.cause)}`, /Jane/);
        return true;
      });
      await opened.close();
    }

    /** Our end is closed: the server reads the end of the stream. */
    async function weHungUp(): Promise<void> {
      for (const socket of sockets) socket.resume();
      const over = (): boolean => [...sockets].every((socket) => socket.readableEnded || socket.destroyed);
      await until('our end of the connection is closed', over);
    }

    it('leaves no connection behind when the server never says a word', async () => {
      await assert.rejects(
        open(() => undefined),
        TransientError,
      );
      await weHungUp();
    });

    it('leaves no connection behind when the server never ends its handshake', async () => {
      await assert.rejects(
        open((socket) => void socket.write(INFO)),
        TransientError,
      );
      await weHungUp();
    });

    it('gives up a greeting without an end before it has kept much of it', async () => {
      let sent = 0;
      const opening = open((socket) => {
        const more = (): void => {
          while (!socket.destroyed && socket.write(Buffer.alloc(64 * 1024, 'I'))) sent += 64 * 1024;
        };
        socket.on('drain', more);
        more();
      });
      await soonerThan(
        4_000,
        'it is refused for its length, not for its time',
        assert.rejects(opening, TransientError),
      );
      assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken`);
    });

    it('ends at bytes that are not the NATS protocol, and does not print them', async () => {
      const printed: string[] = [];
      const { log } = console;
      // oxlint-disable-next-line no-console -- it is what the library would print with
      console.log = (...args: unknown[]) => void printed.push(args.map(String).join(' '));
      try {
        await fails(await open(afterSigningIn((socket) => void socket.write('Jane Doe, born 1970\r\n'))));
      } finally {
        // oxlint-disable-next-line no-console -- it is what the library would print with
        console.log = log;
      }
      assert.deepEqual(printed, []);
    });

    it('ends at the announcement of a message of many gigabytes', async () => {
      await fails(await open(afterSigningIn((socket) => void socket.write('MSG a 1 b 99999999999\r\nx'))));
    });

    it('ends at pings whose answers are not read', async () => {
      const flood = Buffer.from('PING\r\n'.repeat(10_000));
      await fails(
        await open(
          afterSigningIn((socket) => {
            socket.pause();
            for (let at = 0; at < 10; at += 1) socket.write(flood);
          }),
        ),
      );
    });

    it('ends at a line without an end', async () => {
      const endless = afterSigningIn((socket) => {
        socket.write('MSG ');
        for (let at = 0; at < 4; at += 1) socket.write('x'.repeat(32 * 1024));
      });
      await fails(await open(endless));
    });
  });

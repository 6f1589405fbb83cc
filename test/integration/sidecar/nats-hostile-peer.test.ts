import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connect, headers, type NatsConnection, nkeyAuthenticator } from 'nats';
import { createUser } from 'nkeys.js';
import { pino } from 'pino';
import { TransientError } from '../../../common/errors.ts';
import { type OpenPeerStream, openPeerStream } from '../../../sidecar/nats/peer-stream.ts';
import { MAX_OUTSTANDING, sweep } from '../../../sidecar/session/sweep.ts';
import { until } from '../../kit/processes/process.ts';
import { createCertificateAuthority, type ServerCertificate } from '../../kit/servers/certificates.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';

const DURABLE = 'lfh-sync-hospital-b';
const NEXT = `$JS.API.CONSUMER.MSG.NEXT.EVENTS.${DURABLE}`;
const RESET = `$JS.API.CONSUMER.RESET.EVENTS.${DURABLE}`;
const INFO = { server_id: 'x', version: '2.15.2', headers: true, tls_required: true, max_payload: 1048576 };

interface Pull {
  readonly request: { readonly batch: number; readonly max_bytes?: number };
  /** Counted from 1. */
  readonly count: number;
  /** Sends a message for the pull, with any reply subject; with padding behind it in one TLS record. */
  readonly send: (reply: string, payload: string | Buffer, padding?: string) => void;
  /** Answers the pull with a status. */
  readonly answer: (status: string) => void;
  /** Writes anything at all. */
  readonly write: (bytes: string | Buffer) => void;
}

/**
 * A server that speaks just enough NATS to be pulled from, and sends what a nats-server never would: nats-server lets no
 * client publish with an ack subject as reply, so that only a peer that has changed its server can do what is tried here.
 */
class HostileServer {
  /** How many PINGs of ours were answered. */
  pongs = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param info more of what the server says about itself */
  static async start(
    certificate: ServerCertificate,
    onPull: (pull: Pull) => void,
    info: object = {},
  ): Promise<HostileServer> {
    const server = createServer();
    const hostile = new HostileServer(server);
    const greeting = `INFO ${JSON.stringify({ ...INFO, ...info })}\r\n`;
    server.on('connection', (socket) => hostile.#serve(socket, certificate, greeting, onPull));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hostile;
  }

  get url(): string {
    return `tls://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(raw: Socket, { cert, key }: ServerCertificate, greeting: string, onPull: (pull: Pull) => void): void {
    this.#sockets.add(raw.on('error', () => undefined));
    raw.write(greeting);
    const socket = new TLSSocket(raw, { isServer: true, cert, key }).on('error', () => undefined);
    const inboxes = new Map<string, string>();
    let text = '';
    let count = 0;
    socket.write(greeting);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const [verb, subject = '', reply = ''] = text.slice(0, end).split(' ');
        text = text.slice(end + 2);
        if (verb === 'PING') socket.write('PONG\r\n');
        if (verb === 'PONG') this.pongs += 1;
        if (verb === 'SUB') inboxes.set(subject, reply);
        if (verb !== 'PUB' || subject !== NEXT) continue;
        count += 1;
        const sid = inboxes.get(reply);
        onPull({
          request: JSON.parse(text.slice(0, text.indexOf('\r\n'))),
          count,
          send: (ack, payload, padding) => {
            const line = `MSG ${reply} ${sid} ${ack} ${Buffer.byteLength(payload)}\r\n`;
            if (padding !== undefined) return void socket.write(`${line}${payload.toString()}\r\n${padding}`);
            socket.write(line);
            socket.write(payload);
            socket.write('\r\n');
          },
          answer: (status) => {
            const fields = `NATS/1.0 ${status}\r\n\r\n`;
            socket.write(`HMSG ${reply} ${sid} ${fields.length} ${fields.length}\r\n${fields}\r\n`);
          },
          write: (bytes) => socket.write(bytes),
        });
      }
    });
  }
}

describe('a hostile server', () => {
  const key = createUser();
  let ca: string;
  let certificate: ServerCertificate;
  let server: HostileServer;
  let stream: OpenPeerStream;
  let log: string;

  before(async () => {
    const authority = await createCertificateAuthority('hospital-a');
    ca = authority.ca;
    certificate = await authority.issue();
  });
  afterEach(async () => {
    await stream.close();
    server.stop();
  });

  async function begin(
    onPull: (pull: Pull) => void,
    info?: object,
    options?: { readonly keptBytes: number },
  ): Promise<void> {
    log = '';
    server = await HostileServer.start(certificate, onPull, info);
    stream = await openPeerStream({
      server: server.url,
      seed: key.getSeed(),
      ca,
      stream: 'EVENTS',
      durable: DURABLE,
      inboxPrefix: '_INBOX.b',
      name: 'lfh-sync test',
      owner: 'hospital-a',
      log: pino({ level: 'trace' }, { write: (line: string) => void (log += line) }),
      ...options,
    });
  }

  it('gets nothing in by ack subjects that are not of our durable, and nothing into the log', async () => {
    const foreign = [
      '$JS.ACK.EVENTS.lfh-sync-other.1.1.1.1700000000000000000.0',
      `$JS.ACK.OTHER.${DURABLE}.1.1.1.1700000000000000000.0`,
      `$JS.ACK.EVENTS.${DURABLE}.1.9007199254740993.1.1700000000000000000.0`,
      `$JS.ACK.EVENTS.${DURABLE}.1.-1.1.1700000000000000000.0`,
      'EVENTS.sync',
    ];
    // The first pulls are for one message each.
    await begin(({ count, send }) => {
      const reply = foreign[count - 1];
      if (reply !== undefined) send(reply, 'Jane Doe');
      if (count === foreign.length + 1) send(ackSubject(7, 1), 'ours');
    });
    stream.start({ messages: 100, bytes: 1e6 });
    await stream.available(10_000);
    const taken = stream.take({ messages: 100, bytes: 1e6 });
    assert.deepEqual(
      taken.map(({ payload }) => Buffer.from(payload).toString()),
      ['ours'],
    );
    assert.equal(taken[0]?.streamSequence, 7);
    assert.equal(stream.dropped, foreign.length);
    assert.match(log, /dropped/);
    assert.doesNotMatch(log, /Jane/);
  });

  it('is disconnected when it sends far more bytes than were asked for', async () => {
    const payload = Buffer.alloc(1_000_000);
    await begin(({ send }) => {
      for (let at = 1; at <= 20; at += 1) send(ackSubject(at, at), payload);
    });
    stream.start({ messages: 100, bytes: 1_000_000 });
    await assert.rejects(untilItFails(), /more than it is asked for/);
    assert.deepEqual(stream.take({ messages: 100, bytes: 1e9 }), [], 'nothing of it is kept');
  });

  it('gets no more messages in than were asked for', async () => {
    await begin(({ count, send, write }) => {
      if (count > 1) return;
      for (let at = 1; at <= 10_000; at += 1) send(ackSubject(at, at), '');
      write('PING\r\n');
    });
    stream.start({ messages: 100, bytes: 1e6 });
    await stream.available(10_000);
    // The client answers a PING when it has read everything before it.
    await until('all of it was read', () => server.pongs > 0);
    assert.equal(stream.take({ messages: 100_000, bytes: 1e9 }).length, 1, 'the first pull was for one message');
  });

  it('that never answers a look at its stream cannot keep us from ending', async () => {
    let talking: NodeJS.Timeout | undefined;
    await begin(({ write }) => {
      talking ??= setInterval(() => write('+OK\r\n'), 100);
    });
    const look = stream.peek();
    look.catch(() => undefined);
    await until('it looks', () => talking !== undefined);
    await stream.close();
    clearInterval(talking);
    await assert.rejects(look, /closed by us/);
  });

  it('makes us hold no more of messages of 32 MB than is asked for, and is read on behind them', async () => {
    const [size, asked, kept] = [32_000_000, 4_000_000, 1_000_000];
    const payload = Buffer.alloc(size);
    let sent = 0;
    const onPull = ({ request, send, answer, write }: Pull): void => {
      if (request.max_bytes !== undefined) return answer('409 Message Size Exceeds MaxBytes');
      sent += 1;
      send(ackSubject(sent, sent), payload);
      write('PING\r\n');
    };
    await begin(onPull, {}, { keptBytes: kept });
    const before = await heldBytes();
    stream.start({ messages: 100, bytes: asked });
    // The client answers a PING when it has read everything before it.
    await until('there is no room for more', () => sent === 3 && server.pongs === sent);
    const held = (await heldBytes()) - before;
    assert.ok(held < asked * 1.25, `${held} bytes are held`);
    const taken = stream.take({ messages: 100, bytes: 1e9 });
    assert.deepEqual(
      taken.map((delivered) => [delivered.streamSequence, delivered.size, delivered.payload.byteLength]),
      [1, 2, 3].map((sequence) => [sequence, size, kept]),
    );
    await until('more is asked for', () => sent > 3);
  });

  it('makes us hold no more than a few hundred bytes of messages of one byte in TLS records of 16 KB', async () => {
    const [count, padding] = [1_000, '+OK\r\n'.repeat(3_000)];
    let sent = 0;
    const onPull = ({ send, write }: Pull): void => {
      for (; sent < count; sent += 1) send(ackSubject(sent + 1, sent + 1), 'x', padding);
      write('PING\r\n');
    };
    // A server that cannot reset is asked for many messages at once.
    await begin(onPull, { version: '2.10.0' });
    const before = await heldBytes();
    stream.start({ messages: count * 4, bytes: 8_000_000 });
    await until('all of it was read', () => server.pongs > 0);
    const held = (await heldBytes()) - before;
    assert.ok(held < count * 1_000, `${held} bytes are held`);
    assert.equal(stream.take({ messages: count * 4, bytes: 1e9 }).length, count);
  });

  it('that hands out ever more messages again cannot make a sweep remember without end', async () => {
    let handedOut = 0;
    const onPull = ({ request, send }: Pull): void => {
      for (let at = 0; at < request.batch; at += 1) {
        handedOut += 1;
        send(ackSubject(handedOut, handedOut, 2), 'x');
      }
    };
    await begin(onPull, { version: '2.10.0' });
    const sweeping = sweep(Object.assign(stream, { ackWaitMs: 0 }), 0, new AbortController().signal);
    await assert.rejects(sweeping, (error: unknown) => {
      assert.ok(error instanceof TransientError && error.reason === 'ChainBroken', String(error));
      assert.match(error.message, /has more outstanding than a durable may/);
      return true;
    });
    assert.ok(handedOut < MAX_OUTSTANDING + 20_000, `${handedOut} were taken`);
  });

  it('cannot send us to other servers by naming them before it hangs up', async () => {
    let visits = 0;
    const trap = createServer((socket) => {
      visits += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    try {
      const elsewhere = `127.0.0.1:${(trap.address() as { port: number }).port}`;
      await begin(() => server.stop(), { connect_urls: [elsewhere] });
      stream.start({ messages: 100, bytes: 1e6 });
      await assert.rejects(stream.available(10_000), TransientError);
      await stream.close();
      // Connections are accepted in the order in which they come: had it gone there before it ended, it would have been the first.
      const ours = connectSocket((trap.address() as { port: number }).port, '127.0.0.1').on('error', () => undefined);
      await once(ours, 'close');
      assert.equal(visits, 1);
    } finally {
      trap.close();
    }
  });

  async function untilItFails(): Promise<never> {
    for (;;) {
      await stream.available(5000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
});

/** How much messages are held in, without what can be thrown away; a thread of its own does that. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  let held = Number.POSITIVE_INFINITY;
  let calm = 0;
  await until('no more is thrown away', () => {
    gc();
    const { arrayBuffers } = process.memoryUsage();
    calm = arrayBuffers < held ? 0 : calm + 1;
    held = Math.min(held, arrayBuffers);
    return calm === 10;
  });
  return held;
}

function ackSubject(streamSequence: number, consumerSequence: number, deliveryCount = 1): string {
  return `$JS.ACK.EVENTS.${DURABLE}.${deliveryCount}.${streamSequence}.${consumerSequence}.1700000000000000000.0`;
}

/**
 * A real nats-server whose account has no JetStream: there `$JS.API…` are subjects like any other, and what answers on
 * them here is a peer that has gone bad.
 */
describe('a hostile peer', () => {
  const [ours, theirs] = [createUser(), createUser()];
  let directory: string;
  let server: NatsServer;
  let ca: string;
  let bad: NatsConnection;
  let stream: OpenPeerStream;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lfh-sync-nats-hostile-'));
    const authority = await createCertificateAuthority('hospital-a');
    ca = authority.ca;
    server = await NatsServer.start({
      directory,
      name: 'hostile',
      certificate: await authority.issue(),
      accounts: `A { users: [ { nkey: ${ours.getPublicKey()} }, { nkey: ${theirs.getPublicKey()} } ] }`,
    });
  });
  after(async () => {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  });

  beforeEach(async () => {
    bad = await connect({ servers: server.url, tls: { ca }, authenticator: nkeyAuthenticator(theirs.getSeed()) });
    stream = await openPeerStream({
      server: server.url,
      seed: ours.getSeed(),
      ca,
      stream: 'EVENTS',
      durable: DURABLE,
      inboxPrefix: '_INBOX.b',
      name: 'lfh-sync test',
      owner: 'hospital-a',
      log: pino({ level: 'silent' }),
    });
  });
  afterEach(async () => {
    await stream.close();
    await bad.close();
  });

  /** Answers a reset; and a pull as nats-server answers the impossible one that only asks whether the durable is there. */
  async function onReset(answer: string, identity?: string): Promise<void> {
    bad.subscribe(NEXT, {
      callback: (_error, pull) => void pull.respond(undefined, { headers: headers(400, 'Bad Request') }),
    });
    bad.subscribe(RESET, {
      callback: (_error, request) => {
        const fields = headers();
        if (identity !== undefined) fields.set('Nats-Stream-Identity', identity);
        request.respond(answer, { headers: fields });
      },
    });
    await bad.flush();
  }

  const answers: readonly [what: string, answer: string, identity?: string][] = [
    ['is not JSON', 'Jane Doe'],
    ['is null', 'null'],
    ['says nothing', '{}'],
    ['counts from 0', '{"reset_seq":0,"num_pending":0}'],
    ['counts backwards', '{"reset_seq":1,"num_pending":-1}'],
    ['cannot be counted with', '{"reset_seq":9007199254740993,"num_pending":0}'],
    ['counts in words', '{"reset_seq":"1","num_pending":0}'],
    ['is half a megabyte', `{"reset_seq":1,"num_pending":0,"x":"${'x'.repeat(500_000)}"}`],
    ['has an identity that goes on for ever', '{"reset_seq":1,"num_pending":0}', 'x'.repeat(1000)],
  ];
  for (const [what, answer, identity] of answers) {
    it(`is not believed when its answer to a reset ${what}`, async () => {
      await onReset(answer, identity);
      await assert.rejects(stream.reset(), (error: unknown) => {
        assert.ok(error instanceof TransientError && error.reason === 'Unreachable', String(error));
        assert.doesNotMatch(error.message, /Jane|xxx/);
        return true;
      });
    });
  }

  it("cannot put line ends or a novel into our status by an error's text", async () => {
    await onReset(JSON.stringify({ error: { description: `a\nlfh-sync: all is well${'!'.repeat(5000)}` } }));
    await assert.rejects(stream.reset(), (error: unknown) => {
      assert.ok(error instanceof TransientError && error.reason === 'ConsumerMissing', String(error));
      assert.ok(!error.message.includes('\n') && error.message.length < 800);
      return true;
    });
  });
});

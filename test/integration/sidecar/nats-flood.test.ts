import assert from 'node:assert/strict';
import { createUser } from 'nkeys.js';
import { pino } from 'pino';
import { type OpenPeerStream, openPeerStream } from '../../../sidecar/nats/peer-stream.ts';
import { assertShortStretch, busyMs, longestStretch } from '../../kit/event-loop.ts';
import { createCertificateAuthority, type ServerCertificate } from '../../kit/servers/certificates.ts';
import { FloodingServer } from '../../kit/servers/flooding-server.ts';

const COUNT = 100_000;
const MAX_MS = 20;
/** As many as are asked for at a time only of a server that cannot reset. */
const INFO = { server_id: 'x', version: '2.10.0', headers: true, tls_required: true, max_payload: 1048576 };
const LAST = `MSG INBOX SID ${ackSubject(COUNT)} 1\r\nx\r\n`;

const ONE_BYTE = (): string => numbered((n) => `MSG INBOX SID ${ackSubject(n)} 1\r\nx\r\n`);
const FLOODS: readonly (readonly [what: string, text: () => string, servers: number])[] = [
  ['messages of one byte', ONE_BYTE, 1],
  ['messages of one byte, from six servers', ONE_BYTE, 6],
  ['messages that nobody asked for', () => 'MSG a 999 1\r\nx\r\n'.repeat(COUNT) + LAST, 1],
  ['confirmations', () => '+OK\r\n'.repeat(COUNT) + LAST, 1],
];

describe("100,000 small things of a peer's server at once", function () {
  this.timeout(60_000);
  let ca: string;
  let certificate: ServerCertificate;

  before(async () => {
    const authority = await createCertificateAuthority('hospital-a');
    ca = authority.ca;
    certificate = await authority.issue();
  });

  for (const [what, text, count] of FLOODS) {
    it(`keep the event loop for less than ${MAX_MS} ms at a stretch: ${what}`, async () => {
      const flood = { certificate, info: INFO, text: text() };
      const servers = await Promise.all(Array.from({ length: count }, () => FloodingServer.start(flood)));
      try {
        const urls = servers.map(({ url }) => url);
        const limit = (): number => Math.max(MAX_MS, usualMs() * MAX_MS);
        await assertShortStretch(limit, () => longestStretchFrom(urls, ca));
      } finally {
        await Promise.all(servers.map((server) => server.stop()));
      }
    });
  }
});

/** The most time of the processor that passed between two turns of the event loop until the last messages came, in milliseconds. */
async function longestStretchFrom(servers: readonly string[], ca: string): Promise<number> {
  const streams = await Promise.all(servers.map((server) => open(server, ca)));
  try {
    return await longestStretch(async () => {
      for (const stream of streams) stream.start({ messages: 4 * COUNT, bytes: 1e9 });
      await Promise.all(streams.map(takeAll));
    });
  } finally {
    await Promise.all(streams.map((stream) => stream.close()));
  }
}

function open(server: string, ca: string): Promise<OpenPeerStream> {
  return openPeerStream({
    server,
    seed: createUser().getSeed(),
    ca,
    stream: 'EVENTS',
    durable: 'lfh-sync-b',
    inboxPrefix: '_INBOX.b',
    name: 'lfh-sync test',
    log: pino({ level: 'silent' }),
    pull: { maxBatch: 2 * COUNT, expiresMs: 10_000 },
  });
}

async function takeAll(stream: OpenPeerStream): Promise<void> {
  for (let sequence = 0; sequence < COUNT; ) {
    await stream.available(10_000);
    sequence = stream.take({ messages: COUNT, bytes: 1e9 }).at(-1)?.streamSequence ?? sequence;
  }
}

/** What something takes of the processor that takes 1 ms on a quiet one: on a busy machine everything takes longer. */
function usualMs(): number {
  const before = busyMs();
  const texts: string[] = [];
  for (let n = 0; n < 10_000; n += 1) texts.push(String(n));
  assert.equal(texts.length, 10_000);
  return busyMs() - before;
}

function ackSubject(sequence: number): string {
  return `$JS.ACK.EVENTS.lfh-sync-b.1.${sequence}.${sequence}.1700000000000000000.${COUNT - sequence}`;
}

function numbered(line: (n: number) => string): string {
  return Array.from({ length: COUNT }, (_, index) => line(index + 1)).join('');
}

import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { type Logger, pino } from 'pino';
import { TransientError } from '../../../../common/errors.ts';
import type { KafkaPort, OwnersPort, PeerStream, ReplayWriter } from '../../../../sidecar/ports.ts';
import { Allowance } from '../../../../sidecar/session/allowance.ts';
import { createMetrics, type Metrics } from '../../../../sidecar/session/metrics.ts';
import { type PeerReplay, replayPeer } from '../../../../sidecar/session/peer.ts';
import { PeerReport } from '../../../../sidecar/session/report.ts';

const PAYLOAD = 'Jane Doe';

/** What an engine, a library or a bug of ours may throw: none of it is foreseen. */
const UNFORESEEN: readonly (readonly [what: string, thrown: () => unknown])[] = [
  ['a TypeError', () => new TypeError(`Cannot create property 'x' on string '${PAYLOAD}'`)],
  ['a RangeError', () => new RangeError('Set maximum size exceeded')],
  [
    'a SyntaxError that quotes a payload',
    () => new SyntaxError(`Unexpected token 'J', "${PAYLOAD}" is not valid JSON`),
  ],
  ['a string', () => PAYLOAD],
  ['undefined', () => undefined],
  ['an object without a prototype', () => Object.create(null)],
  [
    'an error that cannot be looked at',
    () =>
      Object.defineProperties(new Error(), {
        name: { get: () => assert.fail('its name') },
        message: { get: () => assert.fail('its message') },
        stack: { get: () => assert.fail('its stack') },
      }),
  ],
  [
    'an error that is its own cause',
    () => {
      const circle: Error = new Error('a circle');
      circle.cause = circle;
      return circle;
    },
  ],
];

describe('the replay of a peer', () => {
  let metrics: Metrics;
  let report: PeerReport;
  let stop: AbortController;
  let lines: string;
  let log: Logger;
  let closed: string[];

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    metrics = createMetrics('1.2.3');
    report = new PeerReport({ name: 'b', lfhId: 'hospital-b' }, metrics.forPeer('b'));
    stop = new AbortController();
    lines = '';
    log = pino({ level: 'trace' }, { write: (line: string) => void (lines += line) });
    closed = [];
  });

  afterEach(() => {
    stop.abort();
    mock.timers.reset();
  });

  const owners: OwnersPort = {
    joined: true,
    problem: undefined,
    held: new Set(),
    onChange: () => undefined,
    confirmed: async () => undefined,
  };
  const writer = (): ReplayWriter => ({
    begin: () => ({ add: () => undefined, locations: () => [] }),
    send: async () => undefined,
    commit: async () => undefined,
    close: async () => void closed.push('writer'),
  });
  const kafka = (): KafkaPort => ({
    takeOver: async () => ({ writer: writer(), position: undefined }),
    takeOverRedrive: () => assert.fail('nothing is redriven'),
    ensureTopics: async () => new Map(),
  });
  const stream = (over: Partial<PeerStream> = {}): PeerStream => ({
    server: 'b:4222',
    key: 'U',
    certificateExpires: undefined,
    ackWaitMs: 1,
    superseded: new AbortController().signal,
    idle: true,
    reset: async () => ({ floor: 0, identity: 'i', pending: 0 }),
    peek: async () => undefined,
    start: () => undefined,
    stop: async () => undefined,
    available: async () => undefined,
    take: () => [],
    handBack: async () => undefined,
    close: async () => void closed.push('stream'),
    ...over,
  });

  function replaying(openStream: () => Promise<PeerStream>): Promise<void> {
    const replay: PeerReplay = {
      peer: 'b',
      settings: {
        name: 'b',
        lfhId: 'hospital-b',
        servers: ['tls://b:4222'],
        stream: 'EVENTS',
        startFrom: { policy: 'Earliest' },
      } as never,
      rules: {
        ownLfhId: 'hospital-a',
        peerLfhId: 'hospital-b',
        allowOrigins: [],
        isAllowedFormat: () => true,
        maxMessageBytes: 1_000_000,
      },
      allowance: new Allowance(),
      limits: { messages: 100, bytes: 1_000_000, ageMs: 10 },
      kafka: kafka(),
      owners,
      report,
      log,
      openStream,
    };
    return replayPeer(replay, stop.signal);
  }

  async function settled(): Promise<void> {
    for (let turn = 0; turn < 100; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  async function internalErrors(): Promise<number> {
    return Number(/^lfh_sync_internal_errors_total\{peer="b"\} (\d+)$/m.exec(await metrics.text())?.[1]);
  }

  for (const [what, thrown] of UNFORESEEN) {
    it(`that stops with ${what} is InternalError, counted, logged with no payload, and does not reject`, async () => {
      const done = replaying(() => Promise.reject(thrown()));
      await settled();
      assert.equal(report.status.reason, 'InternalError');
      assert.match(report.status.message, /nobody foresaw .* tried again in 30 s/);
      assert.equal(await internalErrors(), 1);
      const logged = lines.split('\n').filter((line) => line.includes('nobody foresaw'));
      assert.equal(logged.length, 1);
      assert.equal(JSON.parse(logged[0] as string).level, 50);
      assert.doesNotMatch(lines + report.status.message, /Jane/);
      stop.abort();
      await done;
    });
  }

  it('logs the stack of an error that nobody foresaw', async () => {
    const done = replaying(() => Promise.reject(new TypeError('of ours')));
    await settled();
    const { error } = JSON.parse(lines) as { error: { name: string; stack: string[] } };
    assert.equal(error.name, 'TypeError');
    assert.match(error.stack[0] ?? '', /^at .*peer\.test\.ts:\d+:\d+/);
    stop.abort();
    await done;
  });

  it('is tried again 30 s after an error that nobody foresaw, then after a minute, and at last every 10 minutes', async () => {
    let attempts = 0;
    const done = replaying(() => {
      attempts += 1;
      return Promise.reject(new TypeError('again'));
    });
    for (const [nth, seconds] of [30, 60, 120, 240, 480, 600, 600].entries()) {
      await settled();
      assert.equal(attempts, nth + 1);
      mock.timers.tick(seconds * 1000 - 1);
      await settled();
      assert.equal(attempts, nth + 1, `tried before ${seconds} s were over`);
      mock.timers.tick(1);
    }
    stop.abort();
    await done;
  });

  it('closes its writer and its stream when an error that nobody foresaw stops it in the middle of a session', async () => {
    const take = (): never => {
      throw new RangeError('in the middle');
    };
    const done = replaying(async () => stream({ take }));
    await settled();
    assert.equal(report.status.reason, 'InternalError');
    assert.deepEqual(closed, ['writer', 'stream']);
    stop.abort();
    await done;
  });

  it('goes on reporting a foreseen error by its own reason, and retries it soon', async () => {
    let attempts = 0;
    const done = replaying(() => {
      attempts += 1;
      return Promise.reject(new TransientError('Unreachable', 'nothing listens there'));
    });
    await settled();
    assert.equal(report.status.reason, 'Unreachable');
    mock.timers.tick(30_000);
    await settled();
    assert.ok(attempts >= 2);
    assert.equal(await internalErrors(), 0);
    stop.abort();
    await done;
  });
});

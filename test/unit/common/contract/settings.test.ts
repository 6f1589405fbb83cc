import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DEFAULT_FORMATS, type PeerSettings, type StartFrom } from '../../../../common/contract/peers.ts';
import { decodeSettings, encodeSettings, SETTINGS } from '../../../../common/contract/settings.ts';

const SEED = 'SUAIT6XNSPT2JZXX2XCPQPQO6F3BZ3VUGDP73WMEXUEBBVBMXMIJHUQHWE';
const peer = { name: 'a', lfhId: 'hospital-a', servers: ['tls://a.example:4222'] };

function decode(texts: Readonly<Record<string, string>>) {
  return decodeSettings((name) => texts[name]);
}

function decodePeers(...peers: readonly object[]) {
  return decode({ LFH_SYNC_PEERS: JSON.stringify(peers) }).peers;
}

describe('settings', () => {
  it('have a value for everything when nothing is set', () => {
    const settings = decode({});
    assert.deepEqual(settings.kafkaBrokers, ['kafka:9092']);
    assert.deepEqual(settings.peers, []);
    assert.equal(settings.caFile, undefined);
  });

  it('decode to what was encoded, for any settings', () => {
    const host = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/);
    const startFrom: fc.Arbitrary<StartFrom> = fc.oneof(
      fc.constant<StartFrom>({ policy: 'Earliest' }),
      fc.constant<StartFrom>({ policy: 'Latest' }),
      fc
        .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
        .map((date): StartFrom => ({ policy: 'Time', time: date.toISOString() })),
    );
    const peers: fc.Arbitrary<PeerSettings[]> = fc.uniqueArray(
      fc.record(
        {
          name: fc.stringMatching(/^[a-z0-9]{1,20}$/),
          lfhId: fc.stringMatching(/^[A-Za-z0-9.*> ä-]{1,40}$/),
          servers: fc.array(
            host.map((name) => `tls://${name}:4222`),
            { minLength: 1, maxLength: 3 },
          ),
          paused: fc.boolean(),
          startFrom,
          restart: fc.record(
            { position: fc.maxSafeNat().map((n) => Math.max(1, n)), startFrom },
            { noNullPrototype: true },
          ),
          redrive: fc.record(
            {
              id: fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?$/),
              dryRun: fc.boolean(),
              reasons: fc.subarray(['TooLarge', 'FormatNotAllowed'] as const),
              since: fc.constant('2026-11-24T08:00:00+01:00'),
            },
            { requiredKeys: ['id', 'dryRun'], noNullPrototype: true },
          ),
          allowFormats: fc.array(fc.stringMatching(/^[A-Z0-9*-]{1,10}$/)),
          allowOrigins: fc.array(fc.stringMatching(/^[a-z.]{1,10}$/)),
          limits: fc.record(
            { messagesPerSecond: fc.integer({ min: 1 }), bytesPerDay: fc.integer({ min: 1 }) },
            { requiredKeys: [], noNullPrototype: true },
          ),
          stream: fc.constant('EVENTS'),
        },
        {
          requiredKeys: ['name', 'lfhId', 'servers', 'paused', 'startFrom', 'allowFormats', 'allowOrigins', 'stream'],
          noNullPrototype: true,
        },
      ),
      { selector: ({ name }) => name, maxLength: 4 },
    );
    const settings = fc.record(
      {
        lfhId: fc.constant('the-node-itself'),
        peers: peers.filter((list) => new Set(list.map(({ lfhId }) => lfhId)).size === list.length),
        kafkaBrokers: fc.array(
          host.map((name) => `${name}:9092`),
          { minLength: 1 },
        ),
        natsServers: fc.array(
          host.map((name) => `tls://${name}:4222`),
          { minLength: 1 },
        ),
        batchMaxMessages: fc.integer({ min: 1, max: 10_000 }),
        announce: fc.boolean(),
        logLevel: fc.constantFrom('trace', 'info', 'fatal'),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(settings, (written) => {
        const read = decode(encodeSettings(written));
        assert.deepEqual(
          Object.fromEntries(Object.keys(written).map((key) => [key, read[key as keyof typeof read]])),
          written,
        );
      }),
    );
  });

  it('take a list as JSON, as one bare value, or with commas, as connect and its manifests write it', () => {
    for (const text of ['["a:1","b:2"]', 'a:1,b:2', ' a:1 , b:2 ']) {
      assert.deepEqual(decode({ KAFKA_BOOTSTRAP_SERVERS: text }).kafkaBrokers, ['a:1', 'b:2'], text);
    }
    for (const text of ['["[fd00::1]:1","b:2"]', '[fd00::1]:1,b:2', ' [fd00::1]:1 , b:2']) {
      assert.deepEqual(decode({ KAFKA_BOOTSTRAP_SERVERS: text }).kafkaBrokers, ['[fd00::1]:1', 'b:2'], text);
    }
    assert.deepEqual(decode({ NATS_SERVERS: 'tls://nats:4222' }).natsServers, ['tls://nats:4222']);
  });

  it("take Python's booleans", () => {
    assert.equal(decode({ LFH_SYNC_ANNOUNCE: 'False' }).announce, false);
    assert.equal(decode({ LFH_SYNC_ANNOUNCE: 'True' }).announce, true);
  });

  it("refuse connect's own subscribers, which would replay everything a second time", () => {
    assert.deepEqual(decode({ NATS_SYNC_SUBSCRIBERS: '[]' }).syncSubscribers, []);
    assert.throws(() => decode({ NATS_SYNC_SUBSCRIBERS: '["tls://a:4222"]' }), /NATS_SYNC_SUBSCRIBERS: must be \[\]/);
  });

  const wrong: readonly [name: string, text: string, message: RegExp][] = [
    [
      'LFH_SYNC_BATCH_MAX_MESSAGES',
      '0',
      /^LFH_SYNC_BATCH_MAX_MESSAGES: expected a whole number from 1 to 10000, .*; the operator takes it from spec\.sidecar\.batch\.maxMessages$/,
    ],
    ['LFH_SYNC_BATCH_MAX_MESSAGES', '2e3', /whole number/],
    ['KAFKA_ADMIN_NEW_TOPIC_PARTITIONS', '0', /from 1 to 1000, or -1 for what the brokers are set to/],
    ['KAFKA_ADMIN_NEW_TOPIC_REPLICATION_FACTOR', '-2', /from 1 to 100, or -1/],
    ['LFH_SYNC_LOG_LEVEL', 'loud', /expected one of trace/],
    ['LFH_SYNC_ANNOUNCE', 'maybe', /expected true or false/],
    ['KAFKA_BOOTSTRAP_SERVERS', '["a:1", 5]', /^KAFKA_BOOTSTRAP_SERVERS\[1\]: expected host:port/],
    ['KAFKA_BOOTSTRAP_SERVERS', '[', /expected JSON/],
    ['NATS_SERVERS', 'http://x', /^NATS_SERVERS\[0\]/],
    ['LFH_SYNC_NODE', 'Local', /lower-case/],
    ['LFH_SYNC_PEERS', '{}', /expected a JSON list/],
    [
      'LFH_SYNC_KAFKA_SASL_MECHANISM',
      'plain',
      /spec\.kafka\.sasl\.mechanism \(LFH_SYNC_KAFKA_SASL_MECHANISM\) needs spec\.kafka\.sasl\.username/,
    ],
  ];
  for (const [name, text, message] of wrong) {
    it(`say what is wrong with ${name}=${text}`, () => assert.throws(() => decode({ [name]: text }), { message }));
  }

  it('refuse a key where the path of its file belongs, because a path is quoted when the file cannot be read', () => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----';
    for (const name of ['NATS_NK_FILE', 'LFH_SYNC_PREVIOUS_NK_FILE', 'CONNECT_CA_FILE']) {
      for (const key of [SEED, ` ${SEED}`, `${SEED}\n`, `/keys/${SEED}`, pem, pem.replaceAll('\n', ' ')]) {
        assert.throws(
          () => decode({ [name]: key }),
          new RegExp(`^InvalidInputError: ${name}: expected the path of a file`),
        );
      }
      for (const path of ['nats-server.nk', '/var/run/lfh sync/key', '../keys/SUA.nk']) decode({ [name]: path });
    }
  });

  it('are never quoted in an error, because a secret may be in the wrong place', () => {
    for (const { name } of Object.values(SETTINGS)) {
      try {
        decode({ [name]: SEED });
      } catch (error) {
        assert.ok(!String(error).includes(SEED), name);
      }
    }
    for (const field of ['name', 'servers', 'caFile', 'paused', 'startFrom', 'stream', 'consumer', SEED]) {
      try {
        decodePeers({ ...peer, [field]: `${SEED} ` });
      } catch (error) {
        assert.ok(!String(error).includes(SEED), field);
      }
    }
  });
});

describe('a peer', () => {
  it('needs a name, an lfhId and a server, and has a default for everything else', () => {
    assert.deepEqual(decodePeers(peer), [
      {
        ...peer,
        paused: false,
        startFrom: { policy: 'Earliest' },
        allowFormats: [...DEFAULT_FORMATS],
        allowOrigins: [],
        stream: 'EVENTS',
      },
    ]);
  });

  const wrong: readonly [what: string, fields: Record<string, unknown>, message: RegExp][] = [
    ['no lfhId', { lfhId: undefined }, /LFH_SYNC_PEERS\[0\]: lfhId is missing/],
    ['a server without TLS', { servers: ['nats://a:4222'] }, /LFH_SYNC_PEERS\[0\]\.servers\[0\]: expected tls:/],
    ['no server', { servers: [] }, /servers: expected at least one/],
    ['a path as CA file', { caFile: '../../etc/passwd' }, /caFile: expected the name of a file/],
    ['a CA file in a parent directory', { caFile: '..' }, /caFile: expected the name of a file/],
    ['an unknown field', { server: 'x' }, /has 1 unknown field\(s\); known are name, lfhId/],
    ['a wildcard as consumer', { consumer: '>' }, /consumer: expected/],
    ['a dot in the stream', { stream: 'A.B' }, /stream: expected/],
    ['an unknown policy', { startFrom: { policy: 'Now' } }, /startFrom\.policy: expected Earliest, Latest or Time/],
    [
      'a time that does not exist',
      { startFrom: { policy: 'Time', time: '2026-13-40T00:00:00Z' } },
      /a time that exists/,
    ],
    ['a time with Latest', { startFrom: { policy: 'Latest', time: '2026-01-01T00:00:00Z' } }, /has no meaning/],
    [
      'a restart without a position',
      { restart: { startFrom: { policy: 'Latest' } } },
      /restart\.position: expected the seq/,
    ],
    ['a restart without a start', { restart: { position: 7 } }, /restart\.startFrom: expected an object/],
    ['a redrive without an id', { redrive: { dryRun: true } }, /redrive\.id: expected a word/],
    ['a redrive whose id is no word', { redrive: { id: 'a b' } }, /redrive\.id: expected a word/],
    [
      'a redrive since no time',
      { redrive: { id: 'a', since: 'yesterday' } },
      /redrive\.since: expected a time such as/,
    ],
    [
      'a redrive for what is no reason',
      { redrive: { id: 'a', reasons: ['too large'] } },
      /redrive\.reasons\[0\]: expected a reason/,
    ],
    ['a control character in the lfhId', { lfhId: 'a\nb' }, /lfhId: expected/],
  ];
  for (const [what, fields, message] of wrong) {
    it(`with ${what} is refused`, () => assert.throws(() => decodePeers({ ...peer, ...fields }), { message }));
  }

  it('is refused when another peer has its name or its lfhId, or when its lfhId is our own', () => {
    assert.throws(() => decodePeers(peer, { ...peer, lfhId: 'x' }), /\[1\]\.name: is the same as that of \[0\]/);
    assert.throws(() => decodePeers(peer, { ...peer, name: 'x' }), /\[1\]\.lfhId: is the same as that of \[0\]/);
    assert.throws(
      () => decode({ CONNECT_LFH_ID: 'hospital-a', LFH_SYNC_PEERS: JSON.stringify([peer]) }),
      /LFH_SYNC_PEERS\[0\]\.lfhId: is this node's own/,
    );
  });
});

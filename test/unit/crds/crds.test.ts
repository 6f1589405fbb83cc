import assert from 'node:assert/strict';
import { STREAM } from '../../../common/contract/names.ts';
import { DEFAULT_FORMATS, peerList } from '../../../common/contract/peers.ts';
import { REJECT_REASONS } from '../../../common/contract/reasons.ts';
import { decodeSettings, SETTINGS, type Settings } from '../../../common/contract/settings.ts';
import { splitHostPort } from '../../../common/server-url.ts';
import { type Definition, readDefinitions, type Schema, walk } from '../../../crds/read.ts';
import { KINDS } from '../../../operator/api/objects.ts';

const definitions = readDefinitions();
const KEY = `U${'A'.repeat(55)}`;

function definitionOf(kind: string): Definition {
  const found = definitions.find((definition) => definition.kind === kind);
  assert.ok(found, kind);
  return found;
}

/** Every schema of a CRD by its path, such as `spec.servers[]`. */
function schemasOf({ schema }: Definition): ReadonlyMap<string, Schema> {
  const schemas = new Map<string, Schema>();
  walk(schema, (path, field) => schemas.set(path, field));
  return schemas;
}

/** The regular expression that a rule holds a field to. */
function patternOf(kind: string, field: string): RegExp {
  for (const [path, schema] of schemasOf(definitionOf(kind))) {
    for (const { rule, fieldPath = '' } of schema['x-kubernetes-validations'] ?? []) {
      const [, pattern] = /\.matches\(r?'(.*)'\)/.exec(rule) ?? [];
      if (`${path}${fieldPath}` === field && pattern !== undefined) return new RegExp(pattern, 'u');
    }
  }
  throw new Error(`no rule of ${kind} holds ${field} to a pattern`);
}

for (const definition of definitions) {
  describe(`the CRD of ${definition.kind}`, () => {
    const schemas = [...schemasOf(definition)];
    const inSpec = schemas.filter(([path]) => path.startsWith('spec'));

    it('explains every field', () => {
      const unexplained = schemas.filter(
        ([path, { description }]) => path !== 'metadata' && !description?.endsWith('.'),
      );
      assert.deepEqual(
        unexplained.map(([path]) => path),
        [],
      );
    });

    it('has the names by which the operator asks for it', () => {
      const kind = Object.values(KINDS).find(({ kind }) => kind === definition.kind);
      const { apiVersion, manifest } = definition;
      assert.deepEqual(kind, { apiVersion, kind: definition.kind, plural: manifest.spec.names.plural });
      assert.equal(manifest.metadata.name, `${manifest.spec.names.plural}.${manifest.spec.group}`);
    });

    it('preserves no unknown fields', () => {
      assert.doesNotMatch(JSON.stringify(definition.manifest), /preserve-unknown-fields/);
    });

    it('limits every text and list, without which its rules would cost too much', () => {
      const endless = inSpec.filter(
        ([, { type, enum: names, format, maxLength, maxItems }]) =>
          (type === 'string' && !names && !format && maxLength === undefined) ||
          (type === 'array' && maxItems === undefined),
      );
      assert.deepEqual(
        endless.map(([path]) => path),
        [],
      );
    });

    it('never prints a value in an error where somebody could have pasted a secret', () => {
      const echoing = inSpec.filter(([, field]) => {
        const isValue = field.type !== 'object';
        return isValue && (field.pattern ?? field.enum ?? field['x-kubernetes-validations']) !== undefined;
      });
      const harmless =
        /\.(kind|policy|time|since|reload|isolation|mechanism|overlap|overlapMax|logLevel|client|reasons\[\])$/;
      assert.deepEqual(
        echoing.map(([path]) => path).filter((path) => !harmless.test(path)),
        [],
      );
    });

    it('has rules whose messages are fixed texts, which quote nothing', () => {
      for (const [path, field] of schemas) {
        for (const rule of field['x-kubernetes-validations'] ?? []) {
          assert.deepEqual(
            Object.keys(rule).filter((name) => !['rule', 'message', 'fieldPath'].includes(name)),
            [],
            path,
          );
          assert.ok(rule.message.length > 20, path);
        }
      }
    });

    it('checks nothing in the status, so that the operator can write whatever it observes', () => {
      const checked = schemas.filter(
        ([path, field]) =>
          path.startsWith('status') && !path.includes('.conditions') && (field.pattern ?? field.required),
      );
      assert.deepEqual(
        checked.map(([path]) => path),
        [],
      );
    });

    it('has only printer columns of fields that exist', () => {
      for (const { name, jsonPath } of definition.columns) {
        const path = jsonPath.slice(1).replace(/\[\?\(@\.type=="Ready"\)\]/, '[]');
        assert.ok(path.startsWith('metadata.') || schemasOf(definition).has(path), `${name}: ${jsonPath}`);
      }
    });
  });
}

describe('kubectl get', () => {
  const columnsOf = (kind: string, wide: boolean): string[] =>
    definitionOf(kind)
      .columns.filter(({ priority = 0 }) => wide || priority === 0)
      .map(({ name }) => name.toUpperCase());

  it('shows the columns of a peer', () => {
    assert.deepEqual(columnsOf('LfhSyncPeer', false), [
      'READY',
      'REASON',
      'RECEIVE LAG',
      'SEND LAG',
      'REJECTED',
      'LAST SYNC',
      'AGE',
    ]);
    assert.deepEqual(columnsOf('LfhSyncPeer', true).slice(7), ['LFH-ID']);
  });

  it('shows the columns of a node', () => {
    assert.deepEqual(columnsOf('LfhSyncNode', false), ['READY', 'REASON', 'PEERS READY', 'PEERS', 'AGE']);
    assert.deepEqual(columnsOf('LfhSyncNode', true).slice(5), ['LFH-ID']);
  });
});

describe('the CRDs and the sidecar', () => {
  const accepts = (decode: () => unknown): boolean => {
    try {
      decode();
      return true;
    } catch {
      return false;
    }
  };
  const peer = { name: 'b', lfhId: 'b', servers: ['tls://b:4222'] };
  const peerTakes = (fields: object): boolean =>
    accepts(() => peerList.decode(JSON.stringify([{ ...peer, ...fields }])));
  const settingTakes = (name: string, value: string): boolean =>
    accepts(() => decodeSettings((asked) => (asked === name ? value : undefined)));

  const SERVERS = [
    'tls://192.168.1.201:4222',
    'tls://nats.example.org',
    'tls://[fd00::1]:4222',
    'nats://b:4222',
    'tls://user:password@b:4222',
    'tls://b:4222/path',
    'tls://b:4222\n',
    'tls://',
    'b:4222',
    KEY,
    '',
  ];
  const TEXTS = ['EVENTS', 'my-stream_1', 'a.b', 'a*', 'a>b', 'a b', '', 'é', 'b\n', 'FHIR-R4', '127.0.0.1', 'fd00::1'];
  const TIMES = ['2026-11-24T08:00:00Z', '2026-11-24T08:00:00.25+01:00', '2026-11-24t08:00:00z', '2026-11-24'];

  const cases: readonly [
    field: string,
    values: readonly string[],
    taken: (value: string) => boolean,
    pattern: RegExp,
  ][] = [
    ['spec.servers', SERVERS, (value) => peerTakes({ servers: [value] }), patternOf('LfhSyncPeer', 'spec.servers')],
    ['spec.lfhId', TEXTS, (lfhId) => peerTakes({ lfhId }), patternOf('LfhSyncPeer', 'spec.lfhId')],
    [
      'spec.tlsServerName',
      TEXTS,
      (tlsServerName) => peerTakes({ tlsServerName }),
      patternOf('LfhSyncPeer', 'spec.tlsServerName'),
    ],
    [
      'spec.receive.allowFormats',
      TEXTS,
      (value) => peerTakes({ allowFormats: [value] }),
      patternOf('LfhSyncPeer', 'spec.receive.allowFormats'),
    ],
    [
      'spec.receive.allowOrigins',
      TEXTS,
      (value) => peerTakes({ allowOrigins: [value] }),
      patternOf('LfhSyncPeer', 'spec.receive.allowOrigins'),
    ],
    ['spec.receive.stream', TEXTS, (stream) => peerTakes({ stream }), patternOf('LfhSyncPeer', 'spec.receive.stream')],
    [
      'spec.receive.consumer',
      TEXTS,
      (consumer) => peerTakes({ consumer }),
      patternOf('LfhSyncPeer', 'spec.receive.consumer'),
    ],
    [
      'spec.receive.startFrom.time',
      TIMES,
      (time) => peerTakes({ startFrom: { policy: 'Time', time } }),
      new RegExp(schemasOf(definitionOf('LfhSyncPeer')).get('spec.receive.startFrom.time')?.pattern ?? '$^'),
    ],
    [
      'spec.receive.restart.startFrom.time',
      TIMES,
      (time) => peerTakes({ restart: { position: 1, startFrom: { policy: 'Time', time } } }),
      new RegExp(schemasOf(definitionOf('LfhSyncPeer')).get('spec.receive.restart.startFrom.time')?.pattern ?? '$^'),
    ],
    [
      'spec.receive.redrive.since',
      TIMES,
      (since) => peerTakes({ redrive: { id: 'a', since } }),
      new RegExp(schemasOf(definitionOf('LfhSyncPeer')).get('spec.receive.redrive.since')?.pattern ?? '$^'),
    ],
    [
      'spec.receive.redrive.id',
      TEXTS,
      (id) => peerTakes({ redrive: { id } }),
      patternOf('LfhSyncPeer', 'spec.receive.redrive.id'),
    ],
    [
      'spec.kafka.brokers',
      ['kafka:9092', '[fd00::1]:9092', 'kafka', 'user:password@kafka:9092', ''],
      (value) => settingTakes('KAFKA_BOOTSTRAP_SERVERS', JSON.stringify([value])),
      patternOf('LfhSyncNode', 'spec.kafka.brokers'),
    ],
  ];
  for (const [field, values, taken, pattern] of cases) {
    it(`accept the same values of ${field}`, () => {
      const verdicts = values.map((value) => pattern.test(value));
      assert.deepEqual(verdicts, values.map(taken));
      assert.deepEqual(new Set(verdicts), new Set([true, false]));
    });
  }

  it('know the same reasons for which messages are rejected', () => {
    const { enum: known } = schemasOf(definitionOf('LfhSyncPeer')).get('spec.receive.redrive.reasons[]') ?? {};
    assert.deepEqual(known, Object.keys(REJECT_REASONS));
    assert.ok(peerTakes({ redrive: { id: 'a', reasons: known } }));
  });

  it('accept the same spec.nats.servers, as far as the CRD does', () => {
    const pattern = patternOf('LfhSyncNode', 'spec.nats.servers');
    const allowed = SERVERS.filter((server) => pattern.test(server));
    assert.equal(allowed.length, 3);
    for (const server of allowed) assert.ok(settingTakes('NATS_SERVERS', JSON.stringify([server])), server);
    assert.deepEqual(patternOf('LfhSyncNode', 'spec.nats.advertise'), pattern);
  });

  it('have the same defaults', () => {
    const schemas = schemasOf(definitionOf('LfhSyncPeer'));
    const [decoded] = peerList.decode(JSON.stringify([peer]));
    assert.equal(schemas.get('spec.receive.stream')?.default, STREAM);
    assert.equal(schemas.get('spec.receive.startFrom.policy')?.default, decoded?.startFrom.policy);
    assert.equal(schemas.get('spec.receive.paused')?.default, decoded?.paused);
    const formats = schemas.get('spec.receive.allowFormats')?.description ?? '';
    assert.ok(formats.endsWith(`which is ${DEFAULT_FORMATS.join(', ')}.`), formats);
    const settings = decodeSettings(() => undefined);
    const node = schemasOf(definitionOf('LfhSyncNode'));
    assert.equal(node.get('spec.kafka.topics.partitions')?.default, settings.newTopicPartitions);
    assert.equal(node.get('spec.kafka.topics.replicationFactor')?.default, settings.newTopicReplicationFactor);
    assert.equal(node.get('spec.kafka.tls')?.default, settings.kafkaTls);
  });
});

describe('a setting of the sidecar', () => {
  const inNode = schemasOf(definitionOf('LfhSyncNode'));

  for (const [key, { name, field }] of Object.entries(SETTINGS)) {
    if (field === undefined || !field.startsWith('spec.')) continue;
    it(`${name} is in the field of the resource that messages name, with the same default`, () => {
      const schema = inNode.get(field);
      assert.ok(schema, field);
      if (schema.default === undefined || schema.type === 'object') return;
      const settings = decodeSettings(() => undefined);
      const own = key === 'httpAddress' ? splitHostPort(settings.httpAddress).port : settings[key as keyof Settings];
      assert.deepEqual(schema.default, own);
    });
  }

  it("can be set through a resource, but for the one that must be empty, and connect's own of the transmission", () => {
    const without = Object.values(SETTINGS).filter(({ field }) => field === undefined);
    assert.deepEqual(
      without.map(({ name }) => name),
      ['NATS_SYNC_SUBSCRIBERS', 'CONNECT_EXTERNAL_FHIR_SERVERS', 'CONNECT_GENERATE_FHIR_SERVER_URL'],
    );
  });

  it('has the limits of the field', () => {
    for (const [path, { minimum, maximum, type }] of inNode) {
      const setting = Object.values(SETTINGS).find(({ field }) => field === path);
      if (!setting || type !== 'integer' || path.endsWith('Port')) continue;
      for (const limit of [minimum, maximum])
        decodeSettings((name) => (name === setting.name ? String(limit) : undefined));
      const beyond = String(Number(maximum) + 1);
      assert.throws(() => decodeSettings((name) => (name === setting.name ? beyond : undefined)), {
        name: 'InvalidInputError',
      });
    }
  });
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { connectPatch } from '../../../../cli/setup/connect.ts';
import { aclCommands, strimziUser } from '../../../../cli/setup/kafka-acls.ts';
import { chartValues, plainIncludes } from '../../../../cli/setup/nats.ts';
import { kafkaRights } from '../../../../common/contract/kafka-rights.ts';
import type { NodeObject } from '../../../../operator/plan/observed/observed.ts';
import { aNode } from '../../operator/plan/fixtures.ts';

const TREE = join(import.meta.dirname, '..', '..', '..', '..');
const read = (path: string): string => readFileSync(join(TREE, path), 'utf8');
const EXAMPLE = load(read('docs/examples/node.yaml')) as NodeObject;

describe('what NATS needs', () => {
  it('is what the examples for the official chart have, but for how the peers get there', () => {
    for (const [file, isolation] of [
      ['nats-values', 'Accounts'],
      ['nats-values-users', 'Users'],
    ] as const) {
      const { service: _, ...example } = load(read(`docs/examples/official-chart/${file}.yaml`)) as Record<
        string,
        unknown
      >;
      const node = { ...EXAMPLE, spec: { ...EXAMPLE.spec, nats: { ...EXAMPLE.spec.nats, isolation } } };
      assert.deepEqual(chartValues(node), example, file);
    }
  });

  it('is what docs/operator.md says for a server of your own', () => {
    const words = (text: string): string =>
      text
        .replaceAll(/ *#.*$/gm, '')
        .replaceAll(/\s+/g, ' ')
        .trim();
    const [block] = /accounts \{[\s\S]*?\n\}/.exec(read('docs/operator.md')) ?? [];
    assert.equal(words(plainIncludes(EXAMPLE)), words(block ?? ''));
  });

  it('is a block of users where the stream is in the default account', () => {
    const node = aNode({ spec: { nats: { servers: [], isolation: 'Users' } } });
    assert.match(
      JSON.stringify(chartValues(node)),
      /"merge":\{"authorization":\{"\$include":"\.\.\/lfh-sync\/lfh-sync\.conf"\}\}/,
    );
    assert.match(plainIncludes(node), /^authorization \{\n {2}include "lfh-sync\/lfh-sync\.conf"\n\}$/m);
  });
});

describe('the patch of connect', () => {
  it('gives it its key as docs/examples/connect-manifests has it, its id, and the CA alone', () => {
    const node = aNode({ spec: { ...EXAMPLE.spec, lfhId: 'hospital-a' } });
    const example = load(read('docs/examples/connect-manifests/connect-key.yaml')) as Record<string, never>;
    const text = JSON.stringify(connectPatch(node, 'connect-nkey'));
    for (const part of [
      '"name":"NATS_NK_FILE","value":"/etc/connect-nkey/nats-server.nk"',
      '"secret":{"secretName":"connect-nkey"}',
    ]) {
      assert.ok(text.includes(part) && JSON.stringify(example).includes(part), part);
    }
    assert.ok(text.includes('{"name":"CONNECT_LFH_ID","value":"hospital-a"}'));
    assert.ok(text.includes('"secret":{"secretName":"nats-tls","items":[{"key":"ca.crt","path":"ca.crt"}]}'));
  });

  it('is not there without a workload, and has no CA that is inline', () => {
    assert.equal(connectPatch(aNode(), 'x'), undefined);
    const connect = { workloadRef: { name: 'connect' } };
    assert.doesNotMatch(
      JSON.stringify(connectPatch(aNode({ spec: { ...aNode().spec, connect } }), 'x')),
      /CONNECT_CA_FILE/,
    );
  });
});

describe('the rights in Kafka', () => {
  const rights = kafkaRights({ node: 'local', formats: ['FHIR*', 'HL7-V2', '*', 'A*B', 'FHIR*'], transmits: false });

  it('are for the topics of the formats, by what Kafka knows of patterns', () => {
    const topics = rights
      .filter(({ resource }) => resource === 'topic')
      .map(({ name, prefix }) => `${name}${prefix ? '…' : ''}`);
    assert.deepEqual(topics, ['LFH_SYNC…', 'LFH_EXCEPTION', 'FHIR…', 'HL7-V2', '*', 'A…']);
    const withServers = kafkaRights({ node: 'local', transmits: true });
    assert.ok(withServers.some(({ name }) => name === 'RETRANSMIT'));
  });

  it('are lines for kafka-acls.sh', () => {
    const lines = aclCommands(rights, 'lfh sync', 'kafka:9092');
    assert.equal(lines.length, rights.length);
    assert.equal(
      lines.at(-2),
      "kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal 'User:lfh sync' --operation Read " +
        '--group lfh-sync.local. --resource-pattern-type prefixed',
    );
    assert.match(lines.find((line) => line.includes("--topic '*'")) ?? '', /literal$/);
  });

  it('are a KafkaUser of Strimzi', () => {
    const { spec, metadata } = strimziUser(rights, 'lfh-sync', 'kafka') as {
      spec: { authorization: { acls: object[] } };
      metadata: object;
    };
    assert.deepEqual(metadata, { name: 'lfh-sync', labels: { 'strimzi.io/cluster': 'kafka' } });
    assert.deepEqual(spec.authorization.acls.at(-1), {
      resource: { type: 'transactionalId', name: 'lfh-sync.', patternType: 'prefix' },
      operations: ['Write'],
    });
  });
});

import type { KafkaRight } from '../../common/contract/kafka-rights.ts';

/** The rights in Kafka, in the form of what makes them. */

/** A KafkaUser, as an object. @param cluster the name of the Kafka that Strimzi runs */
export function strimziUser(rights: readonly KafkaRight[], user: string, cluster: string): object {
  return {
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'KafkaUser',
    metadata: { name: user, labels: { 'strimzi.io/cluster': cluster } },
    spec: {
      authentication: { type: 'scram-sha-512' },
      authorization: {
        type: 'simple',
        acls: rights.map(({ resource, name, prefix, operations }) => ({
          resource: { type: resource, name, patternType: prefix ? 'prefix' : 'literal' },
          operations: [...operations],
        })),
      },
    },
  };
}

const FLAGS = { topic: '--topic', group: '--group', transactionalId: '--transactional-id' } as const;

/** A line for each right. */
export function aclCommands(rights: readonly KafkaRight[], user: string, broker: string): string[] {
  return rights.map(({ resource, name, prefix, operations }) =>
    [
      `kafka-acls.sh --bootstrap-server ${broker} --add --allow-principal ${quoted(`User:${user}`)}`,
      ...operations.map((operation) => `--operation ${operation}`),
      `${FLAGS[resource]} ${quoted(name)} --resource-pattern-type ${prefix ? 'prefixed' : 'literal'}`,
    ].join(' '),
  );
}

/** As one word of a shell. */
function quoted(text: string): string {
  return /^[\w.:@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

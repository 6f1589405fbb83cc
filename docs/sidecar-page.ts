import { type KafkaRight, kafkaRights } from '../common/contract/kafka-rights.ts';
import { markdownTable, withMade } from './markdown.ts';

/** docs/sidecar.md: the rights in Kafka are made from the table that `lfh-sync kafka-acls` prints. */
export function sidecarPage(written: string): string {
  const rights = kafkaRights({ node: '<node>', formats: ['<data_format>'], transmits: true });
  const rows = rights.map((right) => [nameOf(right), right.operations.join(', '), right.why]);
  return withMade(written, 'kafka-rights.ts', [markdownTable(['on', 'operations', 'what for'], rows)]);
}

const WORDS = { topic: 'topic', group: 'group', transactionalId: 'transactional id' } as const;

function nameOf({ resource, name, prefix }: KafkaRight): string {
  return `${WORDS[resource]}${prefix ? 's that begin with' : ''} \`${name}\``;
}

import { DEFAULT_FORMATS } from './peers.ts';

/** What a sidecar may do in a Kafka with ACLs. docs/sidecar.md and `lfh-sync kafka-acls` are made from this. */

export interface KafkaRight {
  readonly resource: 'topic' | 'group' | 'transactionalId';
  readonly name: string;
  /** Whether everything whose name begins so is meant. */
  readonly prefix: boolean;
  readonly operations: readonly ('Create' | 'Describe' | 'DescribeConfigs' | 'Read' | 'Write')[];
  readonly why: string;
}

const ON_TOPICS = ['Create', 'Describe', 'DescribeConfigs', 'Read', 'Write'] as const;
/**
 * Nothing of ours reads them. Where Kafka has committed a transaction in some partitions only, READ would show what became of it
 * there (docs/adr/0019-transactions-that-kafka-leaves-open.md). That is too rare to ask for what patients' messages say.
 */
const ON_FORMATS = ['Create', 'Describe', 'DescribeConfigs', 'Write'] as const;

export interface KafkaRightsOf {
  /** The name of the node, which is `LFH_SYNC_NODE`. */
  readonly node: string;
  /** Patterns of data_format, as in a peer's allowFormats. Absent: those that are allowed unless it says otherwise. */
  readonly formats?: readonly string[];
  readonly transmits: boolean;
}

export function kafkaRights({ node, formats = DEFAULT_FORMATS, transmits }: KafkaRightsOf): KafkaRight[] {
  const topic = (name: string, prefix: boolean, operations: KafkaRight['operations'], why: string): KafkaRight => ({
    resource: 'topic',
    name,
    prefix,
    operations,
    why,
  });
  return [
    topic('LFH_SYNC', true, ON_TOPICS, 'what is replayed, and in LFH_SYNC_POSITION_… how far'),
    topic('LFH_EXCEPTION', false, ON_TOPICS, 'what is rejected, and is redriven from there'),
    ...(transmits ? [topic('RETRANSMIT', false, ON_TOPICS, 'what waits to be sent to a FHIR server again')] : []),
    ...[...new Set(formats)].map((pattern) => formatRight(pattern)),
    {
      resource: 'group',
      name: `lfh-sync.${node}.`,
      prefix: true,
      operations: ['Read'],
      why: 'who replays which peer, and how far later stages are',
    },
    { resource: 'transactionalId', name: 'lfh-sync.', prefix: true, operations: ['Write'], why: 'the transactions' },
  ];
}

/** Kafka knows the beginning of a name, and no other pattern: a `*` in the middle allows more than the sidecar uses. */
function formatRight(pattern: string): KafkaRight {
  const [start = ''] = pattern.split('*');
  // To Kafka `*` alone is every topic.
  const [name, prefix] = start === '' ? ['*', false] : [start, pattern.includes('*')];
  return { resource: 'topic', name, prefix, operations: ON_FORMATS, why: `messages of the format \`${pattern}\`` };
}

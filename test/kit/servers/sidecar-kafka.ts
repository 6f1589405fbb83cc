import { createLogger, type Logger } from '../../../common/log.ts';
import { type OpenKafka, openKafka } from '../../../sidecar/kafka/open.ts';
import type { ReplayWriter } from '../../../sidecar/ports.ts';
import type { OutgoingRecord, RecordLocation } from '../../../sidecar/replay/outgoing-record.ts';
import type { Position } from '../../../sidecar/replay/position.ts';

/** The sidecar's own access to a Kafka, for tests that need no whole sidecar. By default it logs nothing. */
export function openSidecarKafka(
  brokers: readonly string[],
  partitions = 3,
  log: Logger = createLogger({ name: 'test', level: 'fatal' }),
): OpenKafka {
  const topics = { partitions, replicationFactor: 1, maxTopics: 100 };
  return openKafka({ brokers: [...brokers], clientId: 'test', node: 'local', log, ...topics });
}

/** Sends records as one batch, uncommitted. @returns where each is */
export async function sendRecords(
  writer: ReplayWriter,
  records: readonly OutgoingRecord[],
  position: Position,
): Promise<RecordLocation[]> {
  const batch = writer.begin();
  batch.add(records);
  await writer.send(batch, position);
  return batch.locations();
}

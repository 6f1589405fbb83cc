import {
  EXCEPTION_TOPIC,
  partitionOf,
  redriveId,
  redriveTopic,
  SYNC_TOPIC,
  type SyncName,
} from '../../common/contract/names.ts';
import type { ExceptionLog, RedriveLog } from '../ports.ts';
import { openExceptions } from './exception-log.ts';
import { fenceAndRead, type KafkaTakeOver } from './fence.ts';
import type { TransactionalWriter } from './writer.ts';

/**
 * Fences every earlier redrive of a peer, and only then reads what those have done. It has a writer and a position topic of its
 * own, so that neither it nor the replay of the peer waits for the other one.
 */
export async function takeOverRedrive(options: KafkaTakeOver, peer: SyncName): Promise<RedriveLog> {
  const { topics } = options;
  const topic = redriveTopic(peer);
  // Its own topic first, which shows what the brokers take by default.
  await topics.ensure([topic, SYNC_TOPIC, EXCEPTION_TOPIC]);
  const claim = { owner: peer, transactionalId: redriveId(options.node, peer), topic, hasMarks: true };
  const { writer, newest, marks } = await fenceAndRead(options, claim);
  try {
    const { partitions } = topics.known(EXCEPTION_TOPIC);
    const exceptions = await openExceptions(options, partitions, partitionOf(peer, partitions));
    return redriveLog(exceptions, writer, { run: newest?.value?.toString('utf8'), marks });
  } catch (error) {
    await writer.close();
    throw error;
  }
}

function redriveLog(
  exceptions: ExceptionLog,
  writer: TransactionalWriter,
  found: Pick<RedriveLog, 'run' | 'marks'>,
): RedriveLog {
  return {
    ...found,
    ranges: (since) => exceptions.ranges(since),
    read: (partition, offset) => exceptions.read(partition, offset),
    commit: async (records, marks, run) => {
      const batch = writer.begin();
      batch.add(records);
      await writer.send(batch, run);
      if (marks.length > 0) await writer.sendMarks(marks);
      await writer.commit();
      return () => batch.locations();
    },
    close: async () => {
      await Promise.all([writer.close(), exceptions.close()]);
    },
  };
}

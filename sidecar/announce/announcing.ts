import { delay, sleep } from '../../common/backoff.ts';
import { ANNOUNCE_REASON_TEXTS, type AnnounceReason } from '../../common/contract/announce-status.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { AnnounceLog, AnnounceLogPort, Announcement, AnnouncePort, OwnersPort, SyncRecord } from '../ports.ts';
import { takeOverAgain } from '../take-over-again.ts';
import type { AnnounceReport } from './report.ts';

/** The announcements, and everything that they need. */
export interface Announcing {
  readonly kafka: AnnounceLogPort;
  readonly owners: OwnersPort;
  readonly nats: AnnouncePort;
  readonly report: AnnounceReport;
  readonly log: Logger;
  /** Where nobody has announced before, it begins with what was replayed at this time or later, in milliseconds since 1970. */
  readonly since: number;
}

/** How long Kafka waits for something to announce before it answers. Topics with several partitions are asked one after the other. */
const IDLE_MS = 500;
/** While the local NATS fails. What is asked of it then costs nothing where it is not connected. */
const RETRY_MS = 1_000;
/** What is announced between two transactions. A crash in between lets so many be announced again at most. */
const BATCH = { bytes: 1024 * 1024, messages: 512 };

/**
 * Announces what was replayed until `signal`, through every failure: after one of Kafka the announcements are taken over again,
 * and one of the local NATS is waited for.
 */
export function announceReplayed(announcing: Announcing, signal: AbortSignal): Promise<void> {
  const { kafka, owners, report, log, since } = announcing;
  return takeOverAgain(
    {
      owners,
      run: async () => {
        const announceLog = await kafka.takeOverAnnouncements(since);
        try {
          report.takenOver();
          await announceFrom(announcing, announceLog, signal);
        } finally {
          await announceLog.close();
        }
      },
      retryMs: (failures) => delay(failures, Math.random()),
      failed: (error) => {
        const { reason } = error;
        report.released();
        report.state(
          reason in ANNOUNCE_REASON_TEXTS ? (reason as AnnounceReason) : 'KafkaUnavailable',
          messageOf(error),
        );
        log.warn({ reason, problem: messageOf(error) }, 'the announcements stopped; they will be taken over again');
      },
      failedUnforeseen: (error, retrySeconds) => {
        report.released();
        report.state(
          'InternalError',
          `an error that nobody foresaw (${error.name}) stopped the announcements alone; they are tried again in ` +
            `${retrySeconds} s. The log of the container lfh-sync has its stack: please report it`,
        );
        log.error({ error, retrySeconds }, 'an error that nobody foresaw stopped announcements');
      },
    },
    signal,
  );
}

/** Goes on from where a take-over left off, until `signal` or a failure of Kafka. */
async function announceFrom(announcing: Announcing, announceLog: AnnounceLog, signal: AbortSignal): Promise<void> {
  const { nats, report, log } = announcing;
  let isFailing = false;
  tellState(report, announceLog);
  while (!signal.aborted) {
    const records = batchOf(await announceLog.next(isFailing ? 0 : IDLE_MS));
    report.progress(announceLog.lag, announceLog.expired);
    if (!isFailing) tellState(report, announceLog);
    if (records.length === 0) continue;
    const { done, tooLarge, problem } = await nats.announce(records.map(announcementOf));
    if (done > 0) {
      await announceLog.commit(done);
      report.announced(done - tooLarge.length);
      report.lost('TooLarge', tooLarge.length);
      for (const index of tooLarge) log.warn({ record: records[index]?.place }, TOO_LARGE);
      report.progress(announceLog.lag, announceLog.expired);
    }
    if (problem) {
      const text = messageOf(problem);
      report.state('LocalNatsFails', `nothing is lost, and what was replayed waits in LFH_SYNC: ${text}`);
      if (!isFailing) log.warn({ reason: problem.reason, problem: text }, 'the local NATS takes no announcements');
      await sleep(RETRY_MS, signal);
      if (!signal.aborted) await announceLog.measure();
    } else if (isFailing) {
      report.state('Announcing', '');
      log.info('the local NATS takes announcements again');
    }
    isFailing = problem !== undefined;
  }
}

/** Reports that all is well with the local NATS. */
function tellState(report: AnnounceReport, { heldUp }: AnnounceLog): void {
  if (heldUp === undefined) report.state('Announcing', '');
  else report.state('KafkaUnavailable', heldUp);
}

const TOO_LARGE =
  "a replayed message is larger than max_payload of this node's NATS, or than max_msg_size of its stream EVENTS, and is never " +
  "announced; it is in Kafka. Raise max_payload to what the peers' NATS servers have, and max_msg_size to -1";

function batchOf(records: readonly SyncRecord[]): readonly SyncRecord[] {
  let bytes = 0;
  const end = records.findIndex(({ value }, index) => {
    const isFull = bytes >= BATCH.bytes || index === BATCH.messages;
    bytes += value.length;
    return isFull;
  });
  return end < 0 ? records : records.slice(0, end);
}

/**
 * The id is the record's place in Kafka, which is the same whoever announces it, and however often. The time is in it because a
 * topic that was made again has the same places anew.
 */
function announcementOf({ place, value, since }: SyncRecord): Announcement {
  return { id: `${place.topic}:${place.partition}:${place.offset}:${since}`, payload: value };
}

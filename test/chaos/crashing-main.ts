import { makeParts } from '../../sidecar/parts.ts';
import type {
  AnnounceLog,
  AnnounceLogPort,
  KafkaPort,
  PeerStream,
  Received,
  RedriveLog,
  ReplayWriter,
} from '../../sidecar/ports.ts';
import { run } from '../../sidecar/run.ts';

/**
 * The product's sidecar, but it kills itself, as kill -9 would, at one step of one batch. It is put together from the
 * product's own parts; the wrappers around them only count and kill.
 *
 * CRASH_AT: one of {@link STEPS}; CRASH_ON: which transaction, 1 for the first, which writes the position before any message. Of
 * {@link ANNOUNCE_STEPS} it is the transaction of the announcements, 1 for the first that has any.
 */
export const STEPS = ['before-send', 'after-send', 'before-commit', 'after-commit', 'before-ack', 'after-ack'] as const;

const at = process.env.CRASH_AT;
const on = Number(process.env.CRASH_ON);
let transaction = 0;
let announced = 0;
let redriven = 0;

/** About a transaction of a redrive, 1 for the one that begins it. */
export const REDRIVE_STEPS = ['before-redrive-commit', 'during-redrive-commit', 'after-redrive-commit'] as const;

/** When the announcements are stored in the stream, before and after that is written to Kafka. */
export const ANNOUNCE_STEPS = ['before-announce-commit', 'after-announce-commit'] as const;

function reach(step: (typeof STEPS)[number]): void {
  if (step === at && transaction === on) process.kill(process.pid, 'SIGKILL');
}

function crashingWriter(writer: ReplayWriter): ReplayWriter {
  return {
    begin: () => writer.begin(),
    send: async (batch, position) => {
      transaction += 1;
      reach('before-send');
      await writer.send(batch, position);
      reach('after-send');
    },
    commit: async () => {
      reach('before-commit');
      await writer.commit();
      reach('after-commit');
    },
    close: () => writer.close(),
  };
}

function crashingKafka(kafka: KafkaPort & AnnounceLogPort): KafkaPort & AnnounceLogPort {
  return {
    takeOver: async (peer) => {
      const { writer, position } = await kafka.takeOver(peer);
      return { writer: crashingWriter(writer), position };
    },
    takeOverRedrive: async (peer) => crashingRedriveLog(await kafka.takeOverRedrive(peer)),
    takeOverAnnouncements: async (since) => crashingAnnounceLog(await kafka.takeOverAnnouncements(since)),
    ensureTopics: (topics, options) => kafka.ensureTopics(topics, options),
  };
}

/** How long after its beginning a commit is under way. */
const DURING_MS = 3;

function crashingRedriveLog(log: RedriveLog): RedriveLog {
  const reachInLog = (step: (typeof REDRIVE_STEPS)[number]): void => {
    if (step === at && redriven === on) process.kill(process.pid, 'SIGKILL');
  };
  return {
    run: log.run,
    marks: log.marks,
    ranges: (since) => log.ranges(since),
    read: (partition, offset) => log.read(partition, offset),
    commit: async (...transactionOf) => {
      redriven += 1;
      reachInLog('before-redrive-commit');
      setTimeout(() => reachInLog('during-redrive-commit'), DURING_MS);
      const locations = await log.commit(...transactionOf);
      reachInLog('after-redrive-commit');
      return locations;
    },
    close: () => log.close(),
  };
}

function crashingAnnounceLog(log: AnnounceLog): AnnounceLog {
  const reachInLog = (step: (typeof ANNOUNCE_STEPS)[number]): void => {
    if (step === at && announced === on) process.kill(process.pid, 'SIGKILL');
  };
  return {
    get lag() {
      return log.lag;
    },
    get heldUp() {
      return log.heldUp;
    },
    get expired() {
      return log.expired;
    },
    next: (waitMs) => log.next(waitMs),
    measure: () => log.measure(),
    close: () => log.close(),
    commit: async (taken) => {
      announced += 1;
      reachInLog('before-announce-commit');
      await log.commit(taken);
      reachInLog('after-announce-commit');
    },
  };
}

function crashingStream(stream: PeerStream): PeerStream {
  return {
    server: stream.server,
    key: stream.key,
    certificateExpires: stream.certificateExpires,
    ackWaitMs: stream.ackWaitMs,
    superseded: stream.superseded,
    get idle() {
      return stream.idle;
    },
    reset: (sequence) => stream.reset(sequence),
    peek: () => stream.peek(),
    start: (limits) => stream.start(limits),
    stop: () => stream.stop(),
    available: (timeoutMs) => stream.available(timeoutMs),
    take: (limits) => stream.take(limits).map(crashingDelivery),
    handBack: (replies, delayMs) => stream.handBack(replies, delayMs),
    close: () => stream.close(),
  };
}

function crashingDelivery(delivered: Received): Received {
  const { payload, size, streamSequence, consumerSequence, deliveryCount, time, pending, cutOff, reply } = delivered;
  const ack = (): void => {
    reach('before-ack');
    delivered.ack();
    // The acknowledgement leaves the process with the next turn of the event loop.
    setImmediate(() => setImmediate(() => reach('after-ack')));
  };
  return { payload, size, streamSequence, consumerSequence, deliveryCount, time, pending, cutOff, reply, ack };
}

if (import.meta.main) {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  const parts = await makeParts(process.env);
  const { kafka, openStream } = parts;
  await run(
    {
      ...parts,
      kafka: { ...kafka, ...crashingKafka(kafka) },
      openStream: async (...request) => crashingStream(await openStream(...request)),
    },
    stop.signal,
  );
}

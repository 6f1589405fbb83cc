import { sleep } from '../../common/backoff.ts';
import type { LoadedFhirServer, RetrySettings } from '../../common/contract/fhir-servers.ts';
import { fhirServerId, RETRANSMIT_TOPIC, transmitOwnersPartition } from '../../common/contract/names.ts';
import { READ_AT_ONCE } from '../../common/contract/object-reader.ts';
import { TRANSMIT_REASON_TEXTS, type TransmitReason } from '../../common/contract/transmit-reasons.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { inTurns, nextTurn } from '../../common/turns.ts';
import type { OwnersPort, SyncRecord, TransmitLog, TransmitPort } from '../ports.ts';
import { takeOverAgain } from '../take-over-again.ts';
import { type Circuit, CLOSED, restsUntil } from '../transmit/circuit.ts';
import { fullText } from '../transmit/crowd.ts';
import { dueNow, nextDue, roomFor, surplusOf, takeIncoming } from '../transmit/due.ts';
import { targetUrl } from '../transmit/request.ts';
import { readResource } from '../transmit/resource.ts';
import { type Incoming, type Round, type Settled, settle, type Task } from '../transmit/round.ts';
import { retryDelay } from '../transmit/schedule.ts';
import type { Pending } from '../transmit/state.ts';
import { FhirClient } from './client.ts';
import { KnownCapabilities } from './known-capabilities.ts';
import type { ServerReport } from './report.ts';
import { type Sender, sendRound } from './send-round.ts';

/** The transmission to one server, and everything that it needs. */
export interface Transmission {
  readonly server: LoadedFhirServer;
  readonly ownLfhId: string;
  readonly kafka: TransmitPort;
  readonly owners: OwnersPort;
  readonly report: ServerReport;
  readonly log: Logger;
}

/** What is remembered from one round to the next, and begun anew by a take-over. */
type Memory = Pick<Settled, 'circuit' | 'isFull'>;

/** How long to wait for something to transmit before everything else is looked at again. */
const IDLE_MS = 1_000;
/** How long the requests that are under way may take once the transmission has to end. */
const FINISH_MS = 4_000;
/** After a failure of Kafka. */
const KAFKA_RETRY = { maxDelaySeconds: 30, giveUpAfterSeconds: 0 };

/**
 * Transmits to one server until `signal`, through every failure: after a failure of Kafka the transmission is taken over again.
 * A failure of the server ends nothing.
 */
export function transmit(transmission: Transmission, signal: AbortSignal): Promise<void> {
  const { report, log, kafka, owners, server } = transmission;
  return takeOverAgain(
    {
      owners,
      run: async () => {
        const transmitLog = await kafka.takeOverTransmission(fhirServerId(server.url));
        try {
          report.takenOver();
          await runRounds(transmission, transmitLog, signal);
        } finally {
          await transmitLog.close();
          // The last round has reported the lag once more, also where another sidecar has the transmission by now. It would stay for ever.
          report.released();
        }
      },
      retryMs: (failures) => retryDelay(failures, Math.random(), KAFKA_RETRY),
      failed: (error) => {
        const { reason } = error;
        report.state(
          reason in TRANSMIT_REASON_TEXTS ? (reason as TransmitReason) : 'KafkaUnavailable',
          messageOf(error),
        );
        log.warn({ reason, problem: messageOf(error) }, 'the transmission stopped; it will be taken over again');
      },
      failedUnforeseen: (error, retrySeconds) => {
        report.internalError(
          `an error that nobody foresaw (${error.name}) stopped the transmission to this server alone; it is tried again ` +
            `in ${retrySeconds} s. The log of the container lfh-sync has its stack: please report it`,
        );
        log.error({ error, retrySeconds }, 'an error that nobody foresaw stopped a transmission');
      },
    },
    signal,
  );
}

async function runRounds(transmission: Transmission, log: TransmitLog, signal: AbortSignal): Promise<void> {
  const { server, report, owners } = transmission;
  const partition = transmitOwnersPartition(fhirServerId(server.url));
  const client = new FhirClient(server);
  const capabilities = new KnownCapabilities(client, transmission.log);
  // By the time that it is confirmed, it may have been lost and given back, and another sidecar has transmitted meanwhile.
  let wasLost = false;
  const noteLoss = (): void => void (wasLost = !owners.held.has(partition));
  signal.addEventListener('abort', noteLoss, { once: true });
  const sender: Sender = {
    server,
    client,
    capabilities,
    isOurs: async (finished) => {
      await owners.confirmed(finished);
      return !wasLost && owners.held.has(partition);
    },
    onRequest: (seconds) => report.metrics.request(seconds),
  };
  let memory: Memory = { circuit: CLOSED, isFull: false };
  reportAnswering(transmission, log.pending, log.heldUp);
  report.progress(log.lag, log.pending, log.expired);
  try {
    while (!signal.aborted) {
      const settled = await runRound(transmission, sender, log, memory.circuit, signal);
      if (settled === undefined) {
        await wait(log, memory.circuit, server.retry, signal);
        if (memory.circuit.failures === 0) reportAnswering(transmission, log.pending, log.heldUp);
      } else {
        tell(transmission, memory, settled, log.heldUp);
        memory = settled;
      }
      report.progress(log.lag, log.pending, log.expired);
    }
  } finally {
    signal.removeEventListener('abort', noteLoss);
    client.close();
  }
}

/** @returns undefined where there was nothing to do */
async function runRound(
  { server, ownLfhId }: Transmission,
  sender: Sender,
  log: TransmitLog,
  circuit: Circuit,
  signal: AbortSignal,
): Promise<Settled | undefined> {
  const { retry } = server;
  const due = dueNow(log.pending, circuit, retry, Date.now());
  const surplus = surplusOf(log.pending, circuit);
  const isIdle = due.length + surplus.length === 0;
  const isWaiting = Date.now() < restsUntil(circuit, retry, Date.now());
  const records = isWaiting ? [] : await log.next(isIdle ? waitFor(log, circuit, retry) : 0);
  const incoming = await readIncoming(records, ownLfhId, roomFor(circuit));
  const taken = incoming.slice(0, takeIncoming(incoming, log.pending.length, circuit, retry, Date.now()));
  if (isIdle && taken.length === 0) return undefined;
  const waiting = await readWaiting(log, [...due, ...surplus], ownLfhId);
  // Nothing would end these requests in time: an event that has been is not heard.
  if (signal.aborted) return undefined;
  const fresh = taken.flatMap(({ reading, ...record }): Task[] =>
    reading.kind === 'resource' ? [{ ...record, resource: reading.resource }] : [],
  );
  const isSurplus = ({ pending }: Task): boolean => pending !== undefined && surplus.includes(pending);
  const tasks = [...fresh, ...waiting.tasks.filter((task) => !isSurplus(task))];
  const finish = new AbortController();
  const late = (): void => void sleep(FINISH_MS, finish.signal).then(() => finish.abort());
  signal.addEventListener('abort', late);
  const started = performance.now();
  const verdicts = await sendRound(sender, tasks, log.pending, finish.signal);
  signal.removeEventListener('abort', late);
  finish.abort();

  const tookMs = Math.ceil(performance.now() - started);
  const round: Round = { taken, tasks, verdicts, lost: waiting.lost, surplus: waiting.tasks.filter(isSurplus) };
  const settled = settle(
    {
      server: server.url,
      targetOf: (type) => targetUrl(server, type),
      retry,
      limits: await log.limits(),
      random: Math.random(),
      now: Date.now(),
      tookMs,
    },
    { pending: log.pending, circuit },
    round,
  );
  await log.commit(taken.length, settled.records, settled.pending);
  return settled;
}

/** @param room for so many resources; what comes after them is not read yet */
async function readIncoming(records: readonly SyncRecord[], ownLfhId: string, room: number): Promise<Incoming[]> {
  const incoming: Incoming[] = [];
  let resources = 0;
  let bytes = 0;
  for (const record of records) {
    bytes += record.value.length;
    if (bytes > READ_AT_ONCE) {
      await nextTurn();
      bytes = 0;
    }
    const reading = await inTurns(readResource(record.value, ownLfhId));
    incoming.push({ ...record, reading });
    if (reading.kind === 'resource') resources += 1;
    if (resources >= room) break;
  }
  return incoming;
}

/** Reads what is due from RETRANSMIT, where connect writes as well: a record is ours only if it is the one that waits. */
async function readWaiting(
  log: TransmitLog,
  due: readonly Pending[],
  ownLfhId: string,
): Promise<{ readonly tasks: Task[]; readonly lost: Pending[] }> {
  const values = due.length > 0 ? await log.readPending(due) : new Map<Pending, Buffer>();
  const tasks: Task[] = [];
  const lost: Pending[] = [];
  for (const pending of due) {
    const value = values.get(pending);
    const reading = value && (await inTurns(readResource(value, ownLfhId)));
    if (value === undefined || reading?.kind !== 'resource' || reading.resource.message.uuid !== pending.uuid) {
      lost.push(pending);
      continue;
    }
    const { partition, offset, since } = pending;
    const place = { topic: RETRANSMIT_TOPIC, partition, offset };
    tasks.push({ resource: reading.resource, value, place, since, pending });
  }
  return { tasks, lost };
}

/** How long LFH_SYNC may be waited for before one of the pending is due. */
function waitFor({ pending }: TransmitLog, circuit: Circuit, retry: RetrySettings): number {
  const due = nextDue(pending, circuit, retry, Date.now());
  return due === undefined ? IDLE_MS : Math.max(0, Math.min(IDLE_MS, due - Date.now()));
}

/** After a round in which there was nothing to do. Where LFH_SYNC was not waited for, time has to pass here. */
async function wait(log: TransmitLog, circuit: Circuit, retry: RetrySettings, signal: AbortSignal): Promise<void> {
  const untilAnswer = restsUntil(circuit, retry, Date.now()) - Date.now();
  if (untilAnswer > 0) {
    await sleep(Math.min(IDLE_MS, untilAnswer), signal);
    if (!signal.aborted) await log.measure();
  } else if (log.hasNext) {
    // There is something to read, and no room for it.
    await sleep(Math.max(50, waitFor(log, circuit, retry)), signal);
    if (!signal.aborted) await log.measure();
  }
}

/** Logs what a person has to know, and reports. One line for a server that fails, and one when it answers again. */
function tell(transmission: Transmission, before: Memory, settled: Settled, heldUp: string | undefined): void {
  const { report, log, server } = transmission;
  const { circuit, isFull, failure, undelivered, delivered, failed } = settled;
  report.settled(settled, Date.now());
  if (circuit.failures > 0 && failure) {
    report.state(failure.reason, `${server.url}: ${failure.detail}; tried ${circuit.failures} times, and tried again`);
    if (before.circuit.failures === 0)
      log.warn({ reason: failure.reason, problem: failure.detail }, 'the FHIR server fails');
  } else {
    const problem = reportAnswering(transmission, settled.pending, heldUp);
    if (before.circuit.failures > 0) log.info({ failures: before.circuit.failures }, 'the FHIR server answers again');
    if (problem !== undefined && !before.isFull && isFull) {
      log.warn({ problem }, 'nothing more is sent to the FHIR server, because as many resources wait for it as may');
    }
  }
  const counts: Record<string, number> = {};
  for (const { reason } of undelivered) counts[reason] = (counts[reason] ?? 0) + 1;
  if (undelivered.length > 0) log.warn({ counts }, 'resources were not delivered; they are in LFH_EXCEPTION');
  if (delivered + failed > 0) log.debug({ delivered, failed }, 'transmitted');
}

/** Reports on a server that answers. @returns what is wrong with it all the same */
function reportAnswering(
  { report, server }: Transmission,
  pending: Settled['pending'],
  heldUp: string | undefined,
): string | undefined {
  const problem = fullText(pending);
  if (problem !== undefined) report.state('ServerError', `${server.url} fails for single resources: ${problem}`);
  else if (heldUp !== undefined) report.state('KafkaUnavailable', heldUp);
  else report.state('Transmitting', `transmitting to ${server.url}`);
  return problem;
}

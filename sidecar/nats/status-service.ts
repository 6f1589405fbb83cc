import { randomUUID } from 'node:crypto';
import { NatsError, type ServiceMsg } from 'nats';
import { STATUS_SERVICE, statusSubject } from '../../common/contract/names.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { Connected } from './connection.ts';
import { translate } from './errors.ts';

/** What a sidecar answers with on its node's local NATS. */
export interface StatusService {
  /** The setting LFH_SYNC_NODE; part of the subject. */
  readonly node: string;
  /** Semantic version of this program. */
  readonly version: string;
  /** What is told, anew for each request. */
  readonly status: () => unknown;
}

/**
 * Answers for as long as the connection lasts, as the NATS service that the operator asks.
 *
 * Every sidecar of a node has to answer. The library puts each endpoint into the queue group "q" unless told another, and
 * takes an empty name for "not told"; in one group only one would answer. So each connection is a group of its own.
 *
 * Never throws, and ends nothing: without it the operator does not know how the replay goes, but it goes on.
 */
export async function serveStatus(
  { connection, remote }: Connected,
  { node, version, status }: StatusService,
  log: Logger,
): Promise<void> {
  const failed = (error: unknown): void => {
    if (connection.isClosed()) return;
    const problem = messageOf(error instanceof NatsError ? translate(error, remote) : error);
    log.warn({ server: remote.server, problem }, 'the status could not be told over NATS');
  };
  let told = false;
  try {
    const description = "Status of a sidecar of LinuxForHealth's data synchronization";
    const service = await connection.services.add({ name: STATUS_SERVICE, version, description, queue: randomUUID() });
    void service.stopped.then((error) => error && failed(error));
    service.addEndpoint('status', {
      subject: statusSubject(node),
      // Whatever is thrown here would come out of the library's reading of the connection.
      handler: (_error, request) => {
        try {
          const tooLarge = answer(request, status, connection.info?.max_payload ?? Number.POSITIVE_INFINITY);
          // It is asked for all the time; once says it.
          if (tooLarge !== undefined && !told) failed(tooLarge);
          told = tooLarge !== undefined;
        } catch (error) {
          failed(error);
        }
      },
    });
  } catch (error) {
    failed(error);
  }
}

/** @returns why it could not be answered in full */
function answer(request: ServiceMsg, status: () => unknown, maxPayload: number): string | undefined {
  const text = JSON.stringify(status());
  const bytes = Buffer.byteLength(text);
  if (bytes <= maxPayload) {
    request.respond(text);
    return undefined;
  }
  const problem = `the status has ${bytes} bytes, and max_payload of this NATS is ${maxPayload}: raise it`;
  request.respondError(413, problem);
  return problem;
}

import { randomUUID } from 'node:crypto';
import { NatsError, type ServiceMsg } from 'nats';
import { STATUS_SERVICE, statusSubject } from '../../common/contract/names.ts';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { LocalConnected } from './connect-local.ts';
import { translate } from './errors.ts';

/** What a sidecar answers on its node's local NATS. */
export interface StatusService {
  /** The setting LFH_SYNC_NODE. It is part of the subject. */
  readonly node: string;
  /** Semantic version of this program. */
  readonly version: string;
  /** Makes the answer to one request. */
  readonly status: () => unknown;
}

/**
 * Answers status requests for as long as the connection lasts, as the NATS service that the operator asks.
 *
 * Every sidecar of a node has to answer. The library puts each endpoint into the queue group "q" unless another name is
 * given, and it treats an empty name as not given; within one group only one sidecar would answer. So each connection has a
 * queue group of its own.
 *
 * This never throws and ends nothing: when it fails, the operator does not know how the replay goes, but the replay goes on.
 */
export async function serveStatus(
  { connection, remote }: LocalConnected,
  { node, version, status }: StatusService,
  log: Logger,
): Promise<void> {
  const failed = (error: unknown): void => {
    if (connection.isClosed()) return;
    const problem = messageOf(error instanceof NatsError ? translate(error, remote) : error);
    log.warn({ server: remote.server, problem }, 'the status could not be sent over NATS');
  };
  let reported = false;
  try {
    const description = "Status of a sidecar of LinuxForHealth's data synchronization";
    const service = await connection.services.add({ name: STATUS_SERVICE, version, description, queue: randomUUID() });
    void service.stopped.then((error) => error && failed(error));
    service.addEndpoint('status', {
      subject: statusSubject(node),
      // An error thrown here would end the library's reading of the connection.
      handler: (_error, request) => {
        try {
          const tooLarge = answer(request, status, connection.info?.max_payload ?? Number.POSITIVE_INFINITY);
          // The operator asks all the time, so the log says it once.
          if (tooLarge !== undefined && !reported) failed(tooLarge);
          reported = tooLarge !== undefined;
        } catch (error) {
          failed(error);
        }
      },
    });
  } catch (error) {
    failed(error);
  }
}

/** @returns why the request could not be answered in full; undefined when it was */
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

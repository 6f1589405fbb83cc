import type { LoadedFhirServer } from '../../common/contract/fhir-servers.ts';
import { judge, type Verdict } from '../transmit/answer.ts';
import { NO_CAPABILITIES } from '../transmit/capabilities.ts';
import { requestFor } from '../transmit/request.ts';
import { chainsOf, type Task } from '../transmit/round.ts';
import type { Pending } from '../transmit/state.ts';
import { CONNECTIONS, type FhirClient } from './client.ts';
import type { KnownCapabilities } from './known-capabilities.ts';

/** What the resources of one server are sent with. */
export interface Sender {
  readonly server: LoadedFhirServer;
  readonly client: FhirClient;
  readonly capabilities: KnownCapabilities;
  /** Whether this sidecar still is the one that transmits; resolves when that is known, or when `signal` is aborted. */
  readonly isOurs: (signal: AbortSignal) => Promise<boolean>;
  /** Told how long each request took, in seconds. */
  readonly onRequest: (seconds: number) => void;
}

/**
 * Sends the resources of a round: those of one chain one after the other, and several chains at a time. What follows one that
 * failed in its chain is not sent.
 *
 * @param signal ends what is under way; what did not get an answer by then has no verdict
 */
export async function sendRound(
  sender: Sender,
  tasks: readonly Task[],
  pending: readonly Pending[],
  signal: AbortSignal,
): Promise<Map<Task, Verdict>> {
  const verdicts = new Map<Task, Verdict>();
  const chains = chainsOf(tasks, pending);
  if (chains.length === 0) return verdicts;
  const capabilities = sender.server.appendResourceType ? await sender.capabilities.get(signal) : NO_CAPABILITIES;
  if ('kind' in capabilities) {
    if (!signal.aborted) for (const [first] of chains) verdicts.set(first as Task, capabilities);
    return verdicts;
  }
  const workers = Array.from({ length: Math.min(CONNECTIONS, chains.length) }, async () => {
    for (let chain = chains.shift(); chain; chain = chains.shift()) {
      for (const task of chain) {
        // Another sidecar may have sent newer versions by now, where this one stood still or lost Kafka.
        if (!(await sender.isOurs(signal)) || signal.aborted) return;
        const request = requestFor(task.resource, sender.server, capabilities);
        if (typeof request === 'string') {
          verdicts.set(task, { kind: 'refused', status: null, outcome: request });
          continue;
        }
        const started = performance.now();
        const answer = await sender.client.send(request, signal);
        if (answer.kind === 'failed' && signal.aborted) return;
        sender.onRequest((performance.now() - started) / 1000);
        const verdict = judge(answer, Date.now());
        verdicts.set(task, verdict);
        if (verdict.kind === 'failed') break;
      }
    }
  });
  await Promise.all(workers);
  return verdicts;
}

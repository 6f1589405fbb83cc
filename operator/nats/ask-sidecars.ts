import { statusSubject } from '../../common/contract/names.ts';
import type { SidecarStatus } from '../../common/contract/status.ts';
import type { Connected } from './connection.ts';
import { readStatus } from './read-status.ts';
import { askAll } from './request.ts';

export interface SidecarAnswers {
  readonly statuses: readonly SidecarStatus[];
  /** Answers that are no status: another version of the sidecar, or somebody else on its subject. */
  readonly unreadable: number;
}

/**
 * Asks all sidecars of a node for their status. Whoever has not answered in time, or 300 ms after the last that did, is not
 * there.
 *
 * @param node the setting LFH_SYNC_NODE
 * @throws TransientError where the server cannot be asked; never because of a sidecar
 */
export async function askSidecars(connected: Connected, node: string, timeoutMs: number): Promise<SidecarAnswers> {
  const answers = await askAll(connected, statusSubject(node), '', timeoutMs);
  const statuses = answers.map(readStatus).filter((status) => status !== undefined);
  return { statuses, unreadable: answers.length - statuses.length };
}

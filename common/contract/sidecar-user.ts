import { APP_SYNC_SUBJECT, inboxPrefix, STATUS_SERVICE, statusSubject, syncName } from './names.ts';

/**
 * What a node's sidecars may do at its local NATS, as the user of `sidecarNatsSeed`. The operator writes it into the server's
 * configuration, and a sidecar can do no more than this: what one needs besides has to be added here first.
 */
export interface SidecarPermissions {
  /**
   * None of these may be a subject that is in {@link subscribe}, and no inbox either. Sidecars may also publish to the reply
   * subject of each message that they receive. One that could send a message to itself would choose that subject, so it could
   * publish anywhere.
   */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** The inbox of a node's sidecars at its local NATS. Peers' users have others, also where they are in the same account. */
export function sidecarInbox(lfhId: string): string {
  return inboxPrefix(`${syncName(lfhId)}.own`);
}

/** With these NATS asks for services: all of them, those of a name, or one by its id (ADR 32 of nats-architecture-and-design). */
const SERVICE_VERBS = ['PING', 'INFO', 'STATS'] as const;

/**
 * Announcements, and their confirmations in the inbox; requests for the status; and those with which NATS finds services. None
 * ends with a `*`: nats-server then also allows a subscription that has a `>` in its place (tried with 2.15.2).
 *
 * @param node the name of the LfhSyncNode, which the sidecars have as their setting LFH_SYNC_NODE
 */
export function sidecarPermissions(lfhId: string, node: string): SidecarPermissions {
  return {
    publish: [APP_SYNC_SUBJECT],
    subscribe: [
      `${sidecarInbox(lfhId)}.>`,
      statusSubject(node),
      ...SERVICE_VERBS.flatMap((verb) => [
        `$SRV.${verb}`,
        `$SRV.${verb}.${STATUS_SERVICE}`,
        `$SRV.${verb}.${STATUS_SERVICE}.>`,
      ]),
    ],
  };
}

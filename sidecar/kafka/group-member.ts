import type { GroupCoordinator } from './cluster.ts';
import { protocolError } from './errors.ts';
import { OFFER, partitionsOf, shares } from './group-protocol.ts';

/** The shortest session that brokers allow by default. After this time a dead sidecar's peers are taken over. */
export const SESSION_TIMEOUT_MS = 6_000;
/**
 * How long the group waits for members to join again once it has to share anew. Whoever is dead by then is left out at
 * once, so a sidecar that is started again in the place of a dead one does not wait for the end of its session.
 */
export const REBALANCE_TIMEOUT_MS = 2_000;

/** What Kafka answers to a member when the group is being shared anew. */
const JOIN_AGAIN = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION']);
/** What Kafka answers to somebody whom it has left out, or has forgotten. */
const NOT_A_MEMBER = 'UNKNOWN_MEMBER_ID';

/**
 * One member of a consumer group, without anything that consumes. It outlives every connection: Kafka remembers members
 * over its own restarts and from one coordinator to the next. A member that came back under a new name would wait for its
 * former self to miss its session.
 */
export class GroupMember {
  readonly #groupId: string;
  #memberId = '';
  /** Absent while this is no member of what the group is now. */
  #generationId: number | undefined;
  #partitions: ReadonlySet<number> = new Set();

  constructor(groupId: string) {
    this.#groupId = groupId;
  }

  get partitions(): ReadonlySet<number> {
    return this.#partitions;
  }

  /** Whether the next {@link attend} joins, which takes as long as the group needs to be complete. */
  get joins(): boolean {
    return this.#generationId === undefined;
  }

  /**
   * Joins, or says that we are still here.
   *
   * @returns when the request was sent that the group has answered, as of `performance.now()`; undefined when it has to be
   *   called again at once, since the group is changing
   * @throws what kafkajs throws; the membership is kept
   */
  async attend(coordinator: GroupCoordinator): Promise<number | undefined> {
    try {
      return this.#generationId === undefined
        ? await this.#join(coordinator)
        : await this.#heartbeat(coordinator, this.#generationId);
    } catch (error) {
      const type = protocolError(error)?.type ?? '';
      if (type === NOT_A_MEMBER) this.#forget();
      else if (JOIN_AGAIN.has(type)) this.#generationId = undefined;
      else throw error;
      return undefined;
    }
  }

  /** Leaves, so that the others do not wait for us. @throws what kafkajs throws */
  async leave(coordinator: GroupCoordinator): Promise<void> {
    if (this.#memberId !== '') await coordinator.leaveGroup({ groupId: this.#groupId, memberId: this.#memberId });
    this.#forget();
  }

  async #heartbeat(coordinator: GroupCoordinator, groupGenerationId: number): Promise<number> {
    const sent = performance.now();
    await coordinator.heartbeat({ groupId: this.#groupId, memberId: this.#memberId, groupGenerationId });
    return sent;
  }

  async #join(coordinator: GroupCoordinator): Promise<number> {
    const groupId = this.#groupId;
    const { memberId, generationId, leaderId, members } = await coordinator.joinGroup({
      groupId,
      memberId: this.#memberId,
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      groupProtocols: [OFFER],
    });
    this.#memberId = memberId;
    const groupAssignment = memberId === leaderId ? shares(members.map((member) => member.memberId)) : [];
    const sent = performance.now();
    const { memberAssignment } = await coordinator.syncGroup({ groupId, memberId, generationId, groupAssignment });
    this.#partitions = partitionsOf(memberAssignment);
    this.#generationId = generationId;
    return sent;
  }

  #forget(): void {
    this.#memberId = '';
    this.#generationId = undefined;
    this.#partitions = new Set();
  }
}

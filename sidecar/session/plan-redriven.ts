import { EXCEPTION_TOPIC, SYNC_TOPIC } from '../../common/contract/names.ts';
import { nextTurn } from '../../common/turns.ts';
import {
  type Judged,
  planBatch,
  type SlicePlan,
  type Topics,
  TopicTooSmallError,
  topicsNamed,
} from '../replay/batch-plan.ts';
import type { TopicLimits, TopicRefusal } from '../replay/outgoing-record.ts';
import type { Position } from '../replay/position.ts';
import type { SessionContext } from './pipeline.ts';

export interface PlannedRedriven {
  /** Those that are replayed: of the others, no topic can have the name of their format. */
  readonly accepted: readonly Judged[];
  readonly plan?: SlicePlan;
}

/**
 * Makes the records of messages that were rejected once and are accepted now. It is done as for a batch of the live replay, but for
 * those whose topic is refused: they are in LFH_EXCEPTION already.
 *
 * @param judged messages that are to be replayed
 * @throws TopicTooSmallError, and what `ensureTopics` throws: nothing is wrong with the messages then
 */
export async function planRedriven(
  { kafka, peer, rules: { maxMessageBytes } }: SessionContext,
  judged: readonly Judged[],
  position: Position,
): Promise<PlannedRedriven> {
  const topicsOf = async (age: { maxAgeMs?: number }): Promise<Topics> => {
    const options = { ...age, maxMessageBytes };
    return new Map<string, TopicLimits | TopicRefusal>([
      ...(await kafka.ensureTopics([SYNC_TOPIC, EXCEPTION_TOPIC], options)),
      ...(await kafka.ensureTopics(topicsNamed(judged), { ...options, peer })),
    ]);
  };
  const planWith = (topics: Topics): PlannedRedriven => {
    const accepted = judged.filter((each) => {
      const topic = topics.get(topicsNamed([each])[0] ?? '');
      return topic !== undefined && !('refused' in topic);
    });
    return { accepted, plan: planBatch(accepted, topics, position, peer, maxMessageBytes, Date.now()) };
  };
  const known = await topicsOf({});
  await nextTurn();
  try {
    return planWith(known);
  } catch (error) {
    if (!(error instanceof TopicTooSmallError)) throw error;
    // A limit that was read a while ago stops nothing.
    return planWith(await topicsOf({ maxAgeMs: 0 }));
  }
}

import kafkajs from 'kafkajs';
import { OWNERS_LABEL, OWNERS_PARTITIONS } from '../../common/contract/names.ts';

/** What the members of the owners group say to each other through Kafka, which does not look into it. Pure. */

const { MemberMetadata, MemberAssignment } = kafkajs.AssignerProtocol;
const VERSION = 0;
const NOTHING = Buffer.alloc(0);

/**
 * What a member offers when it joins. Type and encoding are those of consumers, so that `kafka-consumer-groups.sh` shows
 * who holds what. The name is that of kafkajs's own assigner: a group takes only members that have a name in common.
 */
export const OFFER = {
  name: 'RoundRobinAssigner',
  metadata: MemberMetadata.encode({ version: VERSION, topics: [OWNERS_LABEL], userData: NOTHING }),
};

export interface Share {
  readonly memberId: string;
  readonly memberAssignment: Buffer;
}

/** Spreads the partitions evenly over the members. Whoever leads the group does so for all. */
export function shares(memberIds: readonly string[]): Share[] {
  const sorted = [...memberIds].sort();
  const all = Array.from({ length: OWNERS_PARTITIONS }, (_, partition) => partition);
  return sorted.map((memberId, nth) => {
    const partitions = all.filter((partition) => partition % sorted.length === nth);
    const assignment = { [OWNERS_LABEL]: partitions };
    return { memberId, memberAssignment: MemberAssignment.encode({ version: VERSION, assignment, userData: NOTHING }) };
  });
}

/** Reads one's own share. A member that came too late for a share has an empty answer, and no partitions. */
export function partitionsOf(share: Buffer): Set<number> {
  if (share.length === 0) return new Set();
  return new Set(MemberAssignment.decode(share)?.assignment[OWNERS_LABEL]);
}

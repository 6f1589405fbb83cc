import type { NodeObject, Observed } from '../observed/observed.ts';
import { nodeSpec } from '../observed/spec.ts';
import { caRemarks, type ResolvedCa } from '../trust/ca-source.ts';
import { checkKey, checkKeys, type KeyProblem } from '../trust/public-keys.ts';
import { nodeConflict } from './conflict.ts';

/** What is wrong with a node itself, as opposed to one of its peers. */

/** Why nothing is planned for a node: its spec contradicts itself or another node, or something it refers to is unusable. */
export interface NodeProblem {
  readonly reason: 'Conflict' | 'InvalidSpec' | ResolvedCa['problems'][number]['reason'];
  readonly message: string;
}

/** One label of a DNS name, since it becomes part of names in Kafka and of a NATS subject. */
const NODE_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** @param natsCa that of the node's own NATS */
export function nodeProblem(
  { node, otherNodes }: Pick<Observed, 'node' | 'otherNodes'>,
  natsCa: ResolvedCa | undefined,
): NodeProblem | undefined {
  const { name } = node.metadata;
  if (!NODE_NAME.test(name)) {
    const message = `metadata.name ${name}: expected lower-case letters, digits and -, at most 63`;
    return { reason: 'InvalidSpec', message };
  }
  if (node.spec.lfhId === '') {
    const message =
      'spec.lfhId is absent, and connect has no CONNECT_LFH_ID that can stand for it; set spec.lfhId, and connect is given it';
    return { reason: 'InvalidSpec', message };
  }
  const conflict = nodeConflict(node, otherNodes);
  if (conflict !== undefined) return { reason: 'Conflict', message: conflict };
  return caProblem(natsCa);
}

/** Why none of a CA's authorities counts; undefined where one does, or where the spec names no CA. */
export function caProblem(
  ca: ResolvedCa | undefined,
): { readonly reason: ResolvedCa['problems'][number]['reason']; readonly message: string } | undefined {
  const [first] = ca?.problems ?? [];
  if (!ca || ca.authorities.length > 0 || !first) return undefined;
  return { reason: first.reason, message: ca.problems.map(({ message }) => message).join('; ') };
}

/** Why the sidecars cannot sign in at Kafka; undefined where the password is there, or none is needed. */
export function kafkaPasswordProblem({
  node,
  references,
}: Pick<Observed, 'node' | 'references'>):
  | { readonly reason: 'MissingReference'; readonly message: string }
  | undefined {
  const ref = node.spec.kafka.sasl?.passwordSecretRef;
  if (!ref) return undefined;
  const { name, key = 'password' } = ref;
  const secret = references.secret(name);
  const missing = (what: string): ReturnType<typeof kafkaPasswordProblem> => ({
    reason: 'MissingReference',
    message: `spec.kafka.sasl.passwordSecretRef: ${what}`,
  });
  if (!secret) return missing(`there is no Secret ${name} in this namespace`);
  return secret[key] === undefined ? missing(`the Secret ${name} has no entry ${key}`) : undefined;
}

/**
 * What a person should mend in the node's spec although the node works: authorities and administrators' keys that do not count
 * while others do, and the node's own key among those of its administrators.
 *
 * @param publicKeys the node's, as its peers know them
 * @param now in milliseconds since 1970
 */
export function remarksOn(
  node: NodeObject,
  natsCa: ResolvedCa | undefined,
  publicKeys: readonly string[],
  now: number,
): string[] {
  const { users, connectKey } = nodeSpec(node);
  const problems = userKeyProblems(node);
  const remarks = [...caRemarks(natsCa, 'spec.nats.ca', now), ...problems.map(({ message }) => message)];
  const places: [place: string, key: string | undefined][] = [
    ...users.map((key, index): [string, string] => [`spec.nats.users[${index}]`, key]),
    ['spec.nats.connect.publicKey', connectKey],
  ];
  const usedAtPeers = places.flatMap(([place, key = '']) =>
    publicKeys.includes(key) ? [usedAtPeersRemark(place)] : [],
  );
  return [...remarks, ...usedAtPeers];
}

/**
 * What is wrong with an administrator's or connect's user whose seed everybody has. It is let in all the same, since connect
 * ships with such a key and would be cut off from its own stream, but a node with it is not as it should be.
 */
export function publishedUserProblem(node: NodeObject): string | undefined {
  return userKeyProblems(node).find(({ reason }) => reason === 'PublishedKey')?.message;
}

function userKeyProblems(node: NodeObject): KeyProblem[] {
  const { users, connectKey } = nodeSpec(node);
  const connect = connectKey === undefined ? [] : checkKey(connectKey, 'spec.nats.connect.publicKey');
  return [...checkKeys(users, 'spec.nats.users').problems, ...connect];
}

function usedAtPeersRemark(place: string): string {
  return (
    `${place} is the key that this node signs in with at its peers, whose servers could use its signature to ` +
    "sign in here: take it out, and give connect a key of its own; this node's own sidecar and operator do not need it here"
  );
}

import { KINDS } from '../../operator/api/objects.ts';
import { nodeNameOf, type PeerObject, type StoredNode } from '../../operator/plan/observed/observed.ts';
import { OF_NODE, WAIT, YES } from '../args/command.ts';
import { acceptedKeys, isWrittenByChart, nextRotation, rotationProblem } from '../change/rotation.ts';
import type { Cluster } from '../io/cluster.ts';
import { NotWellError } from '../io/errors.ts';
import { follow } from '../io/follow.ts';
import { CLI_MANAGER, listed, nodeNamed } from '../io/resources.ts';
import { columns } from '../text/columns.ts';
import { clusterOf, confirm, defineCommand, timeoutOf } from './command.ts';

/** How long the operator may take to make a key. */
const KEY_MS = 60_000;

export const rotate = defineCommand({
  name: 'rotate',
  summary: 'Has a new key made for the node, and says who needs the new invitation.',
  description: [
    'The previous key stays in force for spec.key.overlap, and for as long as a peer accepts no other. Send the new invitation (`invite`) ' +
      'to each peer that the list names. With --wait it waits until no peer needs the previous key any more.',
    'A key that was brought (spec.key.secretRef) is rotated in its Secret, and not by this command.',
  ],
  arguments: [],
  options: {
    show: { type: 'boolean', meaning: 'Only says which key each peer accepts.' },
    ...YES,
    ...WAIT,
    ...OF_NODE,
  },
  examples: [
    { line: 'rotate -n lfh', meaning: 'a new key; the old one stays for as long as it is needed' },
    { line: 'rotate --show -n lfh', meaning: 'who still needs the new invitation' },
  ],
  notWell:
    'the key cannot be rotated now, no key was made in time, or with --wait a peer still needs the previous one.',
  async run(call) {
    const { options, terminal, signal } = call;
    const timeoutMs = timeoutOf(options);
    const cluster = await clusterOf(call);
    let node = await nodeNamed(cluster, options.node);
    if (!options.show) {
      await confirm(
        call,
        `Have a new key made for the node ${node.metadata.name}? Each peer needs the new invitation then.`,
      );
      node = await makeKey(cluster, node, call);
      terminal.say(`The new key is ${node.status?.publicKeys?.[0]}.`);
    }
    if (!options.wait) {
      terminal.print(columns(acceptedKeys(node, await peersOf(cluster, node))).join('\n'));
      return 'well';
    }
    const needed = ({ status }: StoredNode): readonly string[] => status?.previousKeyInUseBy ?? [];
    const { last, done } = await follow({
      look: () => nodeNamed(cluster, node.metadata.name),
      tell: (now) => terminal.progress(`these peers need the new invitation: ${needed(now).join(', ')}`),
      isDone: (now) => needed(now).length === 0,
      timeoutMs,
      signal,
    });
    terminal.print(columns(acceptedKeys(last, await peersOf(cluster, last))).join('\n'));
    return done ? 'well' : 'notWell';
  },
});

/** @returns the node with its new key. @throws NotWellError */
async function makeKey(
  cluster: Cluster,
  node: StoredNode,
  { terminal, signal }: Parameters<typeof confirm>[0],
): Promise<StoredNode> {
  const problem = rotationProblem(node);
  if (problem !== undefined) throw new NotWellError(problem);
  const { name } = node.metadata;
  const rotation = nextRotation(node);
  if (isWrittenByChart(node)) {
    terminal.say(
      `Note: the chart writes spec.key.rotation: set node.key.rotation to ${rotation} in its values as well.`,
    );
  }
  await cluster.api.merge(CLI_MANAGER, KINDS.node, cluster.namespace, name, { spec: { key: { rotation } } });
  const { last, done } = await follow({
    look: () => nodeNamed(cluster, name),
    tell: () => terminal.progress('waiting for the operator to make the key'),
    isDone: ({ status }) => status?.rotation === rotation,
    timeoutMs: KEY_MS,
    signal,
  });
  if (done) return last;
  throw new NotWellError(
    'spec.key.rotation is raised, but the operator has not made the key yet: lfh-sync status says why',
  );
}

async function peersOf(cluster: Cluster, node: StoredNode): Promise<readonly PeerObject[]> {
  const peers = await listed<PeerObject>(cluster, KINDS.peer, cluster.namespace);
  return peers.filter((peer) => nodeNameOf(peer) === node.metadata.name);
}

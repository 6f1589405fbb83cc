import { KINDS } from '../../operator/api/objects.ts';
import { type Argument, CLUSTER } from '../args/command.ts';
import { CLI_MANAGER, peerNamed } from '../io/resources.ts';
import { type Call, clusterOf, defineCommand } from './command.ts';

const PEER: Argument = { name: 'PEER', required: true, meaning: 'The name of the LfhSyncPeer.', completes: 'peers' };
const DIRECTIONS = {
  receive: { type: 'boolean', meaning: 'Only what we receive.' },
  send: { type: 'boolean', meaning: 'Only what the peer receives.' },
} as const;
const OPTIONS = { ...DIRECTIONS, ...CLUSTER };

type ConditionOf = 'ReceiveReady' | 'SendReady';

/** What the change asks for. Nobody has looked yet whether that is so, as the reason `Paused` says. */
const PAUSES: Readonly<Record<ConditionOf, string>> = {
  ReceiveReady: '`spec.receive.paused` is true now. What the peer has for us waits there.',
  SendReady: "`spec.send.paused` is true now: the peer's access is taken away. What it has not fetched waits here.",
};

export const pause = defineCommand({
  name: 'pause',
  summary: 'Stops what goes from and to a peer for now. Nothing is lost by it.',
  description: [
    'It sets `paused` in spec.receive and spec.send. What is not received waits at the other side for as long as its stream keeps it. ' +
      'The access of the peer is taken away, mostly within seconds; `lfh-sync status` shows `paused` when every nats-server was seen to have ' +
      'done so.',
    'Where the LfhSyncPeer comes from Git, change it there: what applies it may take this back.',
  ],
  arguments: [PEER],
  options: OPTIONS,
  examples: [{ line: 'pause hospital-b --receive -n lfh', meaning: 'take nothing more from hospital-b' }],
  notWell: 'there is no such peer, or the API server refuses the change.',
  async run(call) {
    const directions = await setPaused(call, true);
    for (const type of directions) call.terminal.print(`${type}: ${PAUSES[type]}`);
    call.terminal.print(`lfh-sync status ${call.arguments[0]} shows when that is in force`);
    return 'well';
  },
});

export const resume = defineCommand({
  name: 'resume',
  summary: 'Goes on with what was paused, from where it was.',
  description: ['It takes back what `pause` has done.'],
  arguments: [PEER],
  options: OPTIONS,
  examples: [{ line: 'resume hospital-b -n lfh', meaning: 'go on in both directions' }],
  notWell: 'there is no such peer, or the API server refuses the change.',
  async run(call) {
    const directions = await setPaused(call, false);
    call.terminal.print(
      `${directions.join(' and ')}: no longer paused; lfh-sync status ${call.arguments[0]} shows how it goes on`,
    );
    return 'well';
  },
});

/** @returns the conditions of the directions that were set */
async function setPaused(call: Call<typeof OPTIONS>, paused: boolean): Promise<readonly ConditionOf[]> {
  const { receive, send } = call.options;
  const both = receive === send;
  const cluster = await clusterOf(call);
  const { metadata } = await peerNamed(cluster, call.arguments[0] ?? '');
  const spec = { ...((both || receive) && { receive: { paused } }), ...((both || send) && { send: { paused } }) };
  await cluster.api.merge(CLI_MANAGER, KINDS.peer, cluster.namespace, metadata.name, { spec });
  return [...(both || receive ? (['ReceiveReady'] as const) : []), ...(both || send ? (['SendReady'] as const) : [])];
}

import { readFile } from 'node:fs/promises';
import { messageOf } from '../../common/errors.ts';
import { KINDS } from '../../operator/api/objects.ts';
import type { PeerObject } from '../../operator/plan/observed/observed.ts';
import { OF_NODE, WAIT, YES } from '../args/command.ts';
import { UsageError } from '../args/parse.ts';
import { candidateOf, type Directions, existingPeer, leftovers } from '../invitation/candidate.ts';
import { fingerprint, isSameFingerprint } from '../invitation/fingerprint.ts';
import { judge } from '../invitation/judge.ts';
import { type Invitation, readInvitation } from '../invitation/read.ts';
import { changesOf, meaningOf } from '../invitation/words.ts';
import type { Cluster } from '../io/cluster.ts';
import { NotWellError } from '../io/errors.ts';
import { follow } from '../io/follow.ts';
import { CLI_MANAGER, listed, nodeNamed, peerNamed, withId } from '../io/resources.ts';
import { conditionChanges } from '../status/changes.ts';
import { conditionView } from '../status/condition.ts';
import { wrap } from '../text/wrap.ts';
import { type Call, clusterOf, confirm, defineCommand, timeoutOf } from './command.ts';

const OPTIONS = {
  'receive-only': { type: 'boolean', meaning: 'The other site may not receive from us.' },
  'send-only': { type: 'boolean', meaning: 'We receive nothing from the other site.' },
  name: { type: 'string', value: 'NAME', meaning: 'What the LfhSyncPeer is called here. Absent: as in the file.' },
  fingerprint: {
    type: 'string',
    value: 'DIGITS',
    meaning: 'What the other site has read out. Another one is refused.',
  },
  'dry-run': { type: 'boolean', meaning: 'Has the API server judge it, and changes nothing.' },
  ...YES,
  ...WAIT,
  ...OF_NODE,
} as const;
type AcceptCall = Call<typeof OPTIONS>;

export const accept = defineCommand({
  name: 'accept',
  summary: 'Takes an invitation of another site: says what it means, judges it, asks, and makes the peer.',
  description: [
    'The file is judged as the operator would judge it: there is no seed in it, its CA is one and has not expired, its keys are whole and ' +
      'none is the published one, and its id and keys belong to no other peer. What would change is shown, and then you are asked.',
    'Only what an invitation decides is taken from the file: lfhId, servers, ca, tlsServerName and publicKeys. All other settings of a peer ' +
      'that is there stay as they are.',
    'Compare the fingerprint with the one that `invite` shows at the other site before you say yes.',
  ],
  arguments: [{ name: 'FILE', required: true, meaning: 'The invitation; - is what is piped in.', completes: 'files' }],
  options: OPTIONS,
  examples: [
    { line: 'accept hospital-b.yaml -n lfh --wait', meaning: 'accept it, and wait until messages can flow' },
    { line: 'accept hospital-b.yaml -n lfh --dry-run', meaning: 'only see what it means' },
  ],
  notWell: 'the invitation is not in order, the answer was no, or the peer was not ready in time.',
  async run(call) {
    const { options, terminal } = call;
    if (options['receive-only'] && options['send-only']) {
      throw new UsageError('--receive-only and --send-only leave nothing');
    }
    const timeoutMs = timeoutOf(options);
    const invitation = readInvitation(await fileText(call));
    const cluster = await clusterOf(call, options['dry-run']);
    const { candidate, existing } = await judgeAndShow(cluster, call, invitation);
    const { name } = candidate.metadata;
    const changes = changesOf(existing, candidate);
    terminal.say(existing ? `\nThe peer ${name} is there already. It changes:` : `\nThe peer ${name} is new:`);
    terminal.say(changes.length === 0 ? '  nothing' : changes.map((line) => `  ${line}`).join('\n'));
    if (options['dry-run']) {
      await write(cluster, candidate, existing);
      terminal.say('The API server would take it. Nothing was changed.');
      return 'well';
    }
    await confirm(call, `\nIs ${fingerprint(invitation)} the fingerprint that you were told, and do you accept this?`);
    await write(cluster, candidate, existing);
    terminal.say(`The peer ${name} is written.`);
    return options.wait ? waitUntilReady(cluster, call, name, timeoutMs) : 'well';
  },
});

interface Judged {
  readonly candidate: PeerObject;
  readonly existing: PeerObject | undefined;
}

/** Judges the invitation, and prints what it means. @throws NotWellError where it is not in order */
async function judgeAndShow(cluster: Cluster, call: AcceptCall, invitation: Invitation): Promise<Judged> {
  const wanted = call.options.name ?? invitation.name;
  const node = withId(await nodeNamed(cluster, call.options.node));
  const peers = await listed<PeerObject>(cluster, KINDS.peer, cluster.namespace);
  const existing = existingPeer(peers, { lfhId: invitation.lfhId, name: wanted }, node.metadata.name);
  const candidate = candidateOf(invitation, existing?.metadata.name ?? wanted, node, directionsOf(call));
  const { problems, remarks } = judge(invitation, candidate, { node, peers, now: Date.now() });
  if (problems.length > 0) {
    throw new NotWellError(['the invitation is not in order:', ...problems.map((each) => `  - ${each}`)].join('\n'));
  }
  showInvitation(call, invitation, meaningOf(candidate, existing, node), remarks);
  return { candidate, existing };
}

async function fileText({ arguments: [file = ''], terminal }: AcceptCall): Promise<string> {
  if (file === '-') return terminal.input();
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`the file cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function directionsOf({ options }: AcceptCall): Directions {
  return { receive: !options['send-only'], send: !options['receive-only'] };
}

/** @throws NotWellError where the fingerprint is another one than what was told */
function showInvitation(
  { options, terminal }: AcceptCall,
  invitation: Invitation,
  meaning: readonly string[],
  remarks: readonly string[],
): void {
  const found = fingerprint(invitation);
  terminal.say(`An invitation of ${JSON.stringify(invitation.lfhId)}. If you accept it:`);
  for (const line of meaning) terminal.say(wrap(`- ${line}`, terminal.width, '  '));
  for (const remark of remarks) terminal.say(wrap(`Note: ${remark}`, terminal.width));
  terminal.say(`\nFingerprint: ${found}`);
  if (options.fingerprint !== undefined && !isSameFingerprint(options.fingerprint, found)) {
    throw new NotWellError(
      'the fingerprint is another one than you were told: somebody has changed the invitation, or it is an older one',
    );
  }
}

async function write(cluster: Cluster, candidate: PeerObject, existing: PeerObject | undefined): Promise<void> {
  const removed = existing ? leftovers(existing, candidate) : {};
  if (Object.keys(removed).length === 0) {
    await cluster.api.applyAs(CLI_MANAGER, candidate);
    return;
  }
  // In one step: a peer with two CAs is invalid, and one with its old key still lets that key in.
  const spec = { ...candidate.spec, ...removed };
  await cluster.api.merge(CLI_MANAGER, KINDS.peer, cluster.namespace, candidate.metadata.name, { spec });
}

async function waitUntilReady(cluster: Cluster, call: AcceptCall, name: string, timeoutMs: number) {
  const { terminal, signal } = call;
  const isReady = ({ metadata, status }: PeerObject): boolean =>
    status?.observedGeneration === metadata.generation && conditionView(status?.conditions, 'Ready').state === 'ok';
  const { last, done } = await follow({
    look: () => peerNamed(cluster, name),
    tell: (now, before) => {
      for (const line of conditionChanges(before?.status?.conditions, now.status?.conditions))
        terminal.say(wrap(line, terminal.width));
      terminal.progress('waiting until the peer is ready; Ctrl-C ends only the waiting');
    },
    isDone: isReady,
    timeoutMs,
    signal,
  });
  if (done) {
    terminal.print(`The peer ${name} is ready.`);
    return 'well' as const;
  }
  const { reason } = conditionView(last.status?.conditions, 'Ready');
  const hint =
    reason === 'AwaitingPeer'
      ? ' The other site has to accept your invitation as well: lfh-sync invite prints it.'
      : '';
  terminal.print(
    `The peer ${name} is not ready: ${reason || 'not looked at yet'}.${hint} lfh-sync status ${name} shows how it goes on.`,
  );
  return 'notWell' as const;
}

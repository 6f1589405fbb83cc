import { type ConfigMap, KINDS } from '../../operator/api/objects.ts';
import { INVITATION_FILE } from '../../operator/plan/observed/names.ts';
import type { StoredNode } from '../../operator/plan/observed/observed.ts';
import { OF_NODE } from '../args/command.ts';
import { fingerprint } from '../invitation/fingerprint.ts';
import { type Invitation, readInvitation } from '../invitation/read.ts';
import { readiness } from '../invitation/ready.ts';
import type { Cluster } from '../io/cluster.ts';
import { NotWellError } from '../io/errors.ts';
import { nodeNamed } from '../io/resources.ts';
import { clusterOf, defineCommand } from './command.ts';

export const invite = defineCommand({
  name: 'invite',
  summary: 'Prints the invitation for the other site, if it is in order, and its fingerprint.',
  description: [
    'The other site accepts it with `lfh-sync accept`, or with `kubectl apply`. It holds no secret. It changes with the keys and the ' +
      'CA of the node: then send it again.',
    'The fingerprint is printed on stderr. Read it out on the phone: `accept` shows the same at the other site, if nobody has changed ' +
      'the invitation on its way.',
  ],
  arguments: [],
  options: {
    force: {
      type: 'boolean',
      meaning: 'Prints it although something is not in order, such as for a site that only receives.',
    },
    ...OF_NODE,
  },
  examples: [{ line: 'invite -n lfh > hospital-a.yaml', meaning: 'the file to send' }],
  notWell: 'the invitation is not in order, or not there yet.',
  async run(call) {
    const { options, terminal } = call;
    const cluster = await clusterOf(call);
    const node = await nodeNamed(cluster, options.node);
    const written = await writtenInvitation(cluster, node);
    const { problems, remarks } = readiness(node, written?.invitation.servers, Date.now());
    for (const remark of remarks) terminal.say(`Note: ${remark}`);
    if (!written || (problems.length > 0 && !options.force)) {
      const list = problems.map((each) => `  - ${each}`);
      throw new NotWellError(['the node cannot invite others yet:', ...list].join('\n'));
    }
    for (const problem of problems) terminal.say(`Warning: ${problem}`);
    terminal.print(written.text);
    terminal.say(`Fingerprint, to read out: ${fingerprint(written.invitation)}`);
    return 'well';
  },
});

interface Written {
  readonly text: string;
  readonly invitation: Invitation;
}

/** What the operator has written for the other site; undefined where it has not yet. */
async function writtenInvitation({ api, namespace }: Cluster, { status }: StoredNode): Promise<Written | undefined> {
  const map = await api.get<ConfigMap>(KINDS.configMap, namespace, status?.invitation ?? '');
  const text = map?.data?.[INVITATION_FILE];
  return text === undefined ? undefined : { text, invitation: readInvitation(text) };
}

import { writeFile } from 'node:fs/promises';
import { CLUSTER } from '../args/command.ts';
import { archiveOf } from '../dump/archive.ts';
import { collectBundle } from '../dump/collect.ts';
import { NotWellError } from '../io/errors.ts';
import { clusterOf, defineCommand } from './command.ts';

export const dump = defineCommand({
  name: 'dump',
  summary: 'Collects what somebody needs who is to help, in one file. No Secret and no payload is in it.',
  description: [
    'In the file are our resources, what the operator has made for them, outlines of the workloads of connect and NATS and of their pods, ' +
      'events, the logs of operator and sidecars, versions, and what `check` finds. The logs have no payloads at any level.',
    'Names, addresses and public keys of this node and its peers are in it. Look through it before you give it to somebody.',
    'What you may not read is left out, and not-collected.txt says so. Logs need the right to get pods/log.',
  ],
  arguments: [],
  options: {
    file: {
      type: 'string',
      short: 'f',
      value: 'FILE',
      meaning: 'Where it is written. Absent: lfh-sync-dump-NAMESPACE-TIME.tar.gz here.',
    },
    'operator-namespace': {
      type: 'string',
      value: 'NAMESPACE',
      meaning: 'The namespace of the operator. Absent: that of the node, or any in which there is one.',
    },
    ...CLUSTER,
  },
  examples: [{ line: 'dump -n lfh', meaning: 'a file for a report of a bug' }],
  notWell: 'the file cannot be written.',
  async run(call) {
    const { options, terminal, signal } = call;
    const { api, namespace } = await clusterOf(call);
    const tell = (what: string): void => terminal.progress(`collecting: ${what}`);
    const bundle = await collectBundle(api, {
      namespace,
      operatorNamespace: options['operator-namespace'],
      signal,
      tell,
    });
    const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const name = `lfh-sync-dump-${namespace}-${time}`;
    const file = options.file ?? `${name}.tar.gz`;
    try {
      // For its owner alone: it tells much about the installation.
      await writeFile(file, archiveOf(bundle, name), { mode: 0o600 });
    } catch (error) {
      throw new NotWellError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
    }
    terminal.print(`${file} has ${bundle.size} files`);
    if (bundle.get('not-collected.txt')?.trim())
      terminal.say('not-collected.txt in it says what could not be read, and why');
    return 'well';
  },
});

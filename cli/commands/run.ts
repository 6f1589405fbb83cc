import { LOG_LEVELS } from '../../common/contract/shapes.ts';
import { InvalidInputError } from '../../common/errors.ts';
import { UsageError } from '../args/parse.ts';
import { defineCommand } from './command.ts';

export const run = defineCommand({
  name: 'run',
  summary: 'Looks after the nodes and peers in the YAML files of a directory, without Kubernetes.',
  description: [
    'It is the operator, and does with the files what the operator does in a cluster: keys, access, trust, and status. What it makes ' +
      'is in DIRECTORY/state: what nats-server includes, the settings of the sidecar, the invitation, and status.yaml.',
    'It goes on until it is stopped. docs/directory.md has the whole.',
  ],
  arguments: [
    {
      name: 'DIRECTORY',
      required: true,
      meaning: 'With LfhSyncNodes, LfhSyncPeers, Secrets and ConfigMaps.',
      completes: 'files',
    },
  ],
  options: {
    'dry-run': { type: 'boolean', meaning: 'Says what would be written, and changes nothing.' },
    'nats-pid-file': {
      type: 'string',
      value: '[NODE=]FILE',
      meaning:
        'The pid_file of nats-server, which is sent SIGHUP when it has something to reload; several nodes are NODE=FILE,NODE=FILE. ' +
        'Absent: something else has to reload it.',
    },
    'http-address': {
      type: 'string',
      value: 'HOST:PORT',
      meaning: 'Where /healthz, /readyz, /status and /metrics are served. Absent: nowhere.',
    },
    'log-level': { type: 'string', value: 'LEVEL', choices: LOG_LEVELS, meaning: 'How much is logged. Absent: info.' },
  },
  examples: [
    { line: 'run sync --nats-pid-file /run/nats-server.pid', meaning: 'look after the files in ./sync' },
    { line: 'run sync --dry-run', meaning: 'see what a change of them would do' },
  ],
  notWell: 'with --dry-run, something in the files is refused.',
  async run({ options, arguments: [directory = ''], terminal, signal }) {
    try {
      if (options['dry-run']) {
        const { dryRunDirectory } = await import('../../operator/directory/dry-run.ts');
        return (await dryRunDirectory(directory, (line) => terminal.print(line))) ? 'well' : 'notWell';
      }
      const { runDirectory } = await import('../../operator/directory/run.ts');
      const terminated = new AbortController();
      // As containers are stopped.
      process.once('SIGTERM', () => terminated.abort());
      await runDirectory(
        {
          directory,
          natsPidFiles: pidFiles(options['nats-pid-file'] ?? ''),
          httpAddress: options['http-address'],
          logLevel: LOG_LEVELS.find((level) => level === options['log-level']) ?? 'info',
        },
        AbortSignal.any([signal, terminated.signal]),
      );
      return 'well';
    } catch (error) {
      if (error instanceof InvalidInputError) throw new UsageError(error.message);
      throw error;
    }
  },
});

/** By the node's name; a file without one is that of every other node. */
function pidFiles(text: string): ReadonlyMap<string, string> {
  const parts = text.split(',').filter((part) => part !== '');
  return new Map(
    parts.map((part): [string, string] => {
      const [, node = '', file = ''] = /^(?:([a-z0-9-]+)=)?(.+)$/.exec(part) ?? [];
      return [node, file];
    }),
  );
}

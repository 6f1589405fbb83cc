import { VERSION } from '../../common/version.ts';
import { defineCommand } from './command.ts';

export const version = defineCommand({
  name: 'version',
  summary: 'Prints the version of this program. Asks nothing.',
  description: [],
  arguments: [],
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['text', 'json'], meaning: 'How it is written.' },
  },
  examples: [],
  async run({ options, terminal }) {
    const node = process.version;
    terminal.print(
      options.output === 'json' ? JSON.stringify({ version: VERSION, node }) : `lfh-sync ${VERSION}, with Node ${node}`,
    );
    return 'well';
  },
});

import { completionScript, SHELLS, type Shell } from '../args/completion.ts';
import { UsageError } from '../args/parse.ts';
import { namesOf } from '../explain/format.ts';
import { defineCommand } from './command.ts';
import { allEntries } from './explain.ts';
import { PROGRAMS } from './programs.ts';

export const completion = defineCommand({
  name: 'completion',
  summary: 'Prints a script that completes commands, options and peers in a shell.',
  description: ['It completes lfh-sync. kubectl completes its own words only.'],
  arguments: [{ name: 'SHELL', required: true, meaning: `One of ${SHELLS.join(', ')}.`, completes: SHELLS }],
  options: {},
  examples: [
    { line: 'completion bash > /etc/bash_completion.d/lfh-sync', meaning: 'for every bash of this machine' },
    { line: 'completion zsh > "${fpath[1]}/_lfh-sync"', meaning: 'for your zsh' },
  ],
  async run({ arguments: [shell = ''], terminal, commands }) {
    if (!isShell(shell)) throw new UsageError(`completion is there for ${SHELLS.join(' and ')}, and not for ${shell}`);
    terminal.print(completionScript(shell, commands, PROGRAMS, namesOf(await allEntries())));
    return 'well';
  },
});

function isShell(text: string): text is Shell {
  return (SHELLS as readonly string[]).includes(text);
}

import assert from 'node:assert/strict';
import { helpOf, overview } from '../../../../cli/args/help.ts';
import { suggestions } from '../../../../cli/args/suggest.ts';
import { COMMANDS } from '../../../../cli/commands/table.ts';

describe('a help text', () => {
  it('has every option, and no line that is wider than the terminal', () => {
    for (const command of COMMANDS) {
      const text = helpOf('lfh-sync', command, 80);
      for (const option of Object.keys(command.options)) assert.ok(text.includes(`--${option}`), text);
      const examples = command.examples.flatMap(({ line, meaning }) => [`  lfh-sync ${line}`, `  # ${meaning}`]);
      for (const line of text.split('\n')) assert.ok(line.length <= 80 || examples.includes(line), line);
    }
  });

  it('of the program has every command', () => {
    const text = overview('lfh-sync', COMMANDS, 100);
    for (const { name, summary } of COMMANDS)
      assert.match(text, new RegExp(`^  ${name} +${summary.slice(0, 20)}`, 'm'));
  });
});

describe('suggestions', () => {
  it('are the nearest words first, and none that is another word', () => {
    assert.deepEqual(suggestions('awaitingper', ['Paused', 'AwaitingPeer']), ['AwaitingPeer']);
    assert.deepEqual(suggestions('stats', ['state', 'status', 'invite']), ['state', 'status']);
    assert.deepEqual(suggestions('xyz', ['pause', 'resume']), []);
  });
});

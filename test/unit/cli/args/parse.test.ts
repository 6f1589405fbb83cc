import assert from 'node:assert/strict';
import { CLUSTER, type CommandText } from '../../../../cli/args/command.ts';
import { findCommand, parseCommand, UsageError } from '../../../../cli/args/parse.ts';
import { COMMANDS } from '../../../../cli/commands/table.ts';

const COMMAND = {
  name: 'show',
  summary: '',
  description: [],
  arguments: [
    { name: 'PEER', required: true, meaning: 'which' },
    { name: 'MORE', required: false, meaning: '' },
  ],
  options: {
    ...CLUSTER,
    watch: { type: 'boolean', short: 'w', meaning: '' },
    output: { type: 'string', choices: ['json'], meaning: '' },
  },
  examples: [],
} as const satisfies CommandText;

const wrong = (typed: readonly string[], says: RegExp): void => {
  assert.throws(
    () => parseCommand(COMMAND, typed),
    (error) => error instanceof UsageError && says.test(error.message),
  );
};

describe('what was typed', () => {
  it('has the options by their long and their short names, and their values', () => {
    const expected = {
      help: false,
      namespace: 'lfh',
      context: undefined,
      kubeconfig: undefined,
      watch: true,
      output: 'json',
    };
    for (const typed of [
      ['a', '-n', 'lfh', '-w', '--output=json'],
      ['-nlfh', 'a', '--watch', '--output', 'json'],
      ['-wn', 'lfh', '--output', 'json', '--', 'a'],
    ]) {
      const { options, arguments: given } = parseCommand(COMMAND, typed);
      assert.deepEqual({ ...options }, expected);
      assert.deepEqual(given, ['a']);
    }
  });

  it('is refused with what is wrong with it, and what was meant', () => {
    wrong(['a', '--wach'], /show has no option --wach; did you mean --watch\?/);
    wrong(['a', '-x'], /no option -x$/);
    wrong(['a', '--constructor'], /no option --constructor/);
    wrong(['a', '-n'], /-n needs a value: -n NAMESPACE/);
    wrong(['a', '--namespace='], /--namespace needs a value/);
    wrong(['a', '--watch=yes'], /--watch has no value/);
    wrong(['a', '--output', 'jsn'], /--output is one of json; did you mean json\?/);
    wrong([], /show needs PEER: which/);
    wrong(['a', 'b', 'c'], /takes PEER MORE, and nothing more/);
  });

  it('needs no arguments where help is asked for', () => {
    assert.equal(parseCommand(COMMAND, ['-h']).options.help, true);
  });

  it('has the command as its first word, wherever options are', () => {
    assert.deepEqual(findCommand(['-n', 'lfh', 'show', 'a'], [COMMAND]), { name: 'show', rest: ['-n', 'lfh', 'a'] });
    assert.deepEqual(findCommand(['--watch'], [COMMAND]), { name: undefined, rest: ['--watch'] });
  });
});

describe('the table of commands', () => {
  it('has each name once, and each option with one type in all commands', () => {
    const names = COMMANDS.map(({ name }) => name);
    assert.deepEqual([...new Set(names)], names);
    const types = new Map<string, string>();
    for (const { name, options } of COMMANDS) {
      for (const [option, { type, short = '' }] of Object.entries(options)) {
        assert.equal(types.get(option) ?? type + short, type + short, `${name} --${option}`);
        types.set(option, type + short);
      }
    }
  });

  it('names in its examples only what the commands take', () => {
    for (const { examples } of COMMANDS) {
      for (const { line } of examples) {
        const { name, rest } = findCommand(line.replace(/ [>|].*/, '').split(' '), COMMANDS);
        const command = COMMANDS.find((each) => each.name === name);
        assert.ok(command, line);
        parseCommand(command, rest);
      }
    }
  });
});

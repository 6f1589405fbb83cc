import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { completionScript } from '../../../../cli/args/completion.ts';
import { COMMANDS } from '../../../../cli/commands/table.ts';

const SCRIPT = completionScript('bash', COMMANDS, ['lfh-sync'], ['AwaitingPeer', 'KeyRefused']);

/** What bash offers for the last word of a line. */
async function offered(...words: string[]): Promise<string[]> {
  const line = words.map((word) => `'${word}'`).join(' ');
  const ask = `kubectl() { printf 'lfhsyncpeer.sync.linuxforhealth.io/%s\\n' hospital-a hospital-b; }
COMP_WORDS=(lfh-sync ${line}); COMP_CWORD=${words.length}; _lfh_sync; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await promisify(execFile)('bash', ['-c', `${SCRIPT}\n${ask}`]);
  return stdout.split('\n').filter((each) => each !== '');
}

describe('the completion of bash', () => {
  it('offers commands, options, values, peers and what can be explained', async () => {
    assert.deepEqual(await offered('pau'), ['pause']);
    assert.deepEqual(await offered('pause', '--re'), ['--receive']);
    assert.deepEqual(await offered('explain', '--output', ''), ['text', 'json']);
    assert.deepEqual(await offered('pause', ''), ['hospital-a', 'hospital-b']);
    assert.deepEqual(await offered('-n', 'lfh', 'resume', 'hospital-b'), ['hospital-b']);
    assert.deepEqual(await offered('explain', 'Key'), ['KeyRefused']);
    assert.deepEqual(await offered('completion', ''), ['bash', 'zsh']);
  });
});

describe('the completion of zsh', () => {
  it('names every command and option', () => {
    const script = completionScript('zsh', COMMANDS, ['lfh-sync'], ['AwaitingPeer']);
    assert.match(script, /^#compdef lfh-sync\n/);
    for (const { name, options } of COMMANDS) {
      assert.match(script, new RegExp(`^    ${name}\\) _arguments`, 'm'));
      for (const option of Object.keys(options)) assert.ok(script.includes(`'--${option}[`), option);
    }
  });
});

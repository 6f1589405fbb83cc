import assert from 'node:assert/strict';
import { markdownTable, page, wrapped } from '../../../docs/markdown.ts';

const PROSE = 'word '.repeat(60).trim();

describe('A generated page in Markdown', () => {
  it('has its prose broken at 120 columns, with every word in order', () => {
    const lines = wrapped(PROSE).split('\n');
    assert.deepEqual(
      lines.map((line) => line.length),
      [119, 119, 59],
    );
    assert.equal(lines.join(' '), PROSE);
  });

  it('never breaks a piece of code in its middle, nor loses a backtick that stands alone', () => {
    const code = '`a piece of code`';
    assert.equal(wrapped(`${'x'.repeat(110)} ${code}, and ' \` '`), `${'x'.repeat(110)}\n${code}, and ' \` '`);
  });

  it('keeps headings, tables and blocks of code as they are', () => {
    for (const part of [`## ${PROSE}`, `| ${PROSE} |`, `\`\`\`\n${PROSE}\n\`\`\``]) assert.equal(wrapped(part), part);
  });

  it('has a blank line between its parts and one line end at its end', () => {
    assert.match(page('Title', 'one', 'two'), /^# Title\n\n<!-- .* -->\n\none\n\ntwo\n$/);
  });

  it('has tables in which a | does not end a cell', () => {
    assert.equal(markdownTable(['a', 'b'], [['1|2', '3']]), '| a | b |\n| --- | --- |\n| 1\\|2 | 3 |');
  });
});

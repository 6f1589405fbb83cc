import assert from 'node:assert/strict';
import { tooWide } from '../../../lint/markdown-width.ts';

const WIDE = 'word '.repeat(25).trim();
const NARROW = 'word '.repeat(24).trim();

describe('The width of Markdown', () => {
  it('finds each line of prose with more than 120 columns, wherever it stands', () => {
    assert.deepEqual(
      tooWide([NARROW, WIDE, '', `- ${WIDE}`, `# ${WIDE}`, `> ${WIDE}`, `  ${WIDE}`].join('\n')),
      [2, 4, 5, 6, 7],
    );
  });

  it('takes 120 columns and refuses 121', () => {
    assert.deepEqual(tooWide(`${'x'.repeat(120)}\n${'x'.repeat(121)}`), [2]);
  });

  it('counts letters and not bytes', () => {
    assert.deepEqual(tooWide('ü'.repeat(120)), []);
  });

  it('lets the rows of a table be wider', () => {
    assert.deepEqual(tooWide(`| ${WIDE} | ${WIDE} |\n  | ${WIDE} |`), []);
  });

  it('lets a block of code be wider, up to its end and not further', () => {
    assert.deepEqual(tooWide(['```sh', WIDE, '```', WIDE, '~~~', '```', WIDE, '~~~', WIDE].join('\n')), [4, 9]);
  });

  it('lets a line be wider that is one link, and no line with anything else beside it', () => {
    const address = `https://example.org/${'x'.repeat(120)}`;
    const links = [address, `<${address}>`, `[a page](${address})`, `- [a page](${address}).`, `[1]: ${address}`];
    assert.deepEqual(tooWide(links.join('\n')), []);
    assert.deepEqual(tooWide(`see [a page](${address})`), [1]);
  });
});

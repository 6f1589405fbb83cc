import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { allEntries } from '../../../../cli/commands/explain.ts';
import { entriesOf, explanation, namesOf } from '../../../../cli/explain/format.ts';
import { sectionsOf } from '../../../../cli/explain/sections.ts';
import { REASON_TEXTS, REJECT_REASONS } from '../../../../common/contract/reasons.ts';
import { CONDITIONS } from '../../../../operator/api/reasons.ts';

const DOCS = join(import.meta.dirname, '..', '..', '..', '..');

describe('explain', () => {
  it('knows every condition, reason, metric and alert, with its text', async () => {
    const entries = await allEntries();
    const text = (name: string): string => explanation(entriesOf(name, entries), 10_000);
    for (const [type, { meaning, reasons }] of Object.entries(CONDITIONS)) {
      assert.ok(text(type).includes(meaning), type);
      for (const [reason, entry] of Object.entries(reasons)) assert.ok(text(reason).includes(entry.text), reason);
    }
    for (const [reason, says] of [...Object.entries(REASON_TEXTS), ...Object.entries(REJECT_REASONS)]) {
      assert.ok(text(reason).includes(says), reason);
    }
    const metrics = [...(await readFile(join(DOCS, 'docs/metrics.md'), 'utf8')).matchAll(/^\| `(lfh_sync_\w+)`/gm)];
    assert.ok(metrics.length > 20);
    const alerts = [...(await readFile(join(DOCS, 'docs/alerts.md'), 'utf8')).matchAll(/^## (LfhSync\w+)/gm)];
    assert.ok(alerts.length > 10);
    for (const [, name = ''] of [...metrics, ...alerts]) assert.match(text(name), /More: docs\//, name);
  });

  it('says one thing of one reason: what a condition says as well is there once', async () => {
    const entries = await allEntries();
    for (const name of namesOf(entries)) {
      const said = entriesOf(name, entries).map(({ of, text }) => `${of}: ${text.join(' ')}`);
      assert.deepEqual([...new Set(said)], said);
    }
    assert.match(
      explanation(entriesOf('awaitingpeer', entries), 100),
      /^AwaitingPeer \(reason\) of ReceiveReady, which is False, ended by the peer/,
    );
  });

  it('names pages and headings that are there', async () => {
    for (const { page } of await allEntries()) {
      const [file = '', anchor] = page.split('#');
      const headings = [...(await readFile(join(DOCS, file), 'utf8')).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
      assert.ok(headings.includes(anchor ?? ''), page);
    }
  });
});

describe('the sections of a page', () => {
  it('are paragraphs without links, and each item of a list is one', () => {
    const page = '# A\n\nx\n\n## B c\nOne\ntwo [there](api.md#y).\n- three\n  four\n- five\n\n## D\n';
    assert.deepEqual(
      [...sectionsOf(page)],
      [
        ['B c', ['One two there.', '- three four', '- five']],
        ['D', []],
      ],
    );
  });
});

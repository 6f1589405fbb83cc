import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { METRICS } from '../common/contract/metric-names.ts';
import { DEFAULT_FORMATS, PEER_FIELDS } from '../common/contract/peers.ts';
import { REASON_TEXTS, REJECT_REASONS, SKIP_REASONS } from '../common/contract/reasons.ts';
import { SETTINGS } from '../common/contract/settings.ts';
import { OPERATOR_SETTINGS } from '../operator/config.ts';
import { OPERATOR_METRICS } from '../operator/metrics.ts';
import { apiPage } from './api-page.ts';
import { markdownTable, page } from './markdown.ts';

/** Pages made from the code's own tables, so that they cannot say anything else. `make docs` writes them. */

/** Every generated page, by its path in docs/. */
export function pages(): Readonly<Record<string, string>> {
  return { 'api.md': apiPage(), 'settings.md': settingsPage(), 'status.md': statusPage(), 'metrics.md': metricsPage() };
}

function settingsPage(): string {
  const rows = Object.values(SETTINGS).map(({ name, fallbackText, shape, meaning, reloadable }) => [
    `\`${name}\``,
    fallbackText === '' ? '' : `\`${fallbackText}\``,
    shape.expected,
    reloadable ? 'at once' : 'at the next start',
    meaning,
  ]);
  const fields = Object.entries(PEER_FIELDS).map(([name, { need, meaning }]) => [`\`${name}\``, need, meaning]);
  return page(
    'Settings',
    '## The sidecar',
    'They come from the environment (names in any case, as connect takes them) and from the files of a mounted directory, one ' +
      'file per setting, named as the setting: `LFH_SYNC_SETTINGS_DIR` in the environment names it. A file overrides the ' +
      'environment. The directory is looked at every second; a value that does not parse is reported in `/status` and in the log, ' +
      'with the name of the setting and what is expected, and the last good settings stay in force. At the start it ends the ' +
      'sidecar with exit code 2. Values are never printed: a secret may be in the wrong place.',
    markdownTable(['name', 'default', 'shape', 'takes effect', 'meaning'], rows),
    '### A peer',
    'An object in the list `LFH_SYNC_PEERS`. Unknown fields are refused.',
    markdownTable(['field', 'default', 'meaning'], fields),
    `The formats allowed unless \`allowFormats\` says otherwise: ${DEFAULT_FORMATS.map((format) => `\`${format}\``).join(', ')}.`,
    '## The operator',
    'They come from its environment, once, at its start. One that does not parse ends it with exit code 2.',
    markdownTable(
      ['name', 'default', 'shape', 'meaning'],
      Object.values(OPERATOR_SETTINGS).map(({ name, fallbackText, shape, meaning }) => [
        `\`${name}\``,
        fallbackText === '' ? '' : `\`${fallbackText}\``,
        shape.expected,
        meaning,
      ]),
    ),
  );
}

/** What is told of keys, and where. */
const KEY_TEXTS = {
  '`publicKeys`':
    'What this sidecar signs in with at peers, in the order in which they are tried: the current key, and while it is being replaced the previous one.',
  '`peers[].key`':
    "The one that this peer's server let us in with; null without a connection. The previous one here: the peer has yet to learn the current one. Give its administrator the new invitation.",
  '`nats.key`':
    "The one that this node's local NATS let us in with, which is derived from one of `publicKeys` and for that server alone; null without a connection. Then replayed messages are not announced, and the operator is not told the status.",
  '`nats.message`': 'Why there is no connection, and what to do; empty while there is one.',
} as const;

function statusPage(): string {
  return page(
    'What the sidecar reports',
    '`/status` tells it as JSON (the types are in `common/contract/status.ts`), and over NATS the same is told to the operator ' +
      '(docs/sidecar.md); `/metrics` tells numbers (docs/metrics.md). No secret is in either: keys are public keys (`U…`).',
    '## Keys and the local NATS',
    markdownTable(['field', 'what it tells'], Object.entries(KEY_TEXTS)),
    '## Reasons of a peer',
    'Each peer has a `reason`, a `message` for a person, and `since` when.',
    markdownTable(['reason', 'what it means, and what to do'], Object.entries(REASON_TEXTS)),
    '## Skipped',
    'Messages that are not written to Kafka although nothing is wrong with them.',
    markdownTable(['reason', 'meaning'], Object.entries(SKIP_REASONS)),
    '## Rejected',
    'Messages that end in `LFH_EXCEPTION`. The record has the fields of connect (`data`, `error_msg`, `uuid`, `error_date`, ' +
      '`data_record_location`), and headers: `lfh-sync-peer`, `lfh-sync-stream`, `lfh-sync-sequence` (where it still is at the peer), ' +
      '`lfh-sync-reason`, `lfh-sync-size` and `lfh-sync-encoding`: `text`, `base64` for what is not UTF-8 or has more than 64 KB, or `base64-cut` for what ' +
      'is larger than the topic takes; that has `lfh-sync-sha256` of the whole as well.',
    markdownTable(['reason', 'meaning, and what to do'], Object.entries(REJECT_REASONS)),
  );
}

function metricsPage(): string {
  const rows = Object.values(METRICS).map((metric) => {
    const labels = 'labels' in metric ? metric.labels.join(', ') : '';
    return [`\`${metric.name}\``, metric.type, labels, metric.help];
  });
  return page(
    'Metrics',
    'In the text format of Prometheus at `/metrics`, beside those of the process.',
    '## The sidecar',
    'All but the last have the label `peer`, and vanish with the peer.',
    markdownTable(['name', 'type', 'more labels', 'meaning'], rows),
    '## The operator',
    'Each operator tells its own; only the one that works has turns.',
    markdownTable(
      ['name', 'type', 'meaning'],
      Object.values(OPERATOR_METRICS).map(({ name, type, help }) => [`\`${name}\``, type, help]),
    ),
  );
}

if (import.meta.main) {
  for (const [name, content] of Object.entries(pages())) {
    const path = join(import.meta.dirname, name);
    const before = await readFile(path, 'utf8').catch(() => '');
    if (before !== content) await writeFile(path, content);
  }
}

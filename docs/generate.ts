import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ANNOUNCE_METRICS } from '../common/contract/announce-metric-names.ts';
import { ANNOUNCE_LOSSES, ANNOUNCE_REASON_TEXTS } from '../common/contract/announce-status.ts';
import { FHIR_SERVER_FIELDS } from '../common/contract/fhir-servers.ts';
import { METRICS } from '../common/contract/metric-names.ts';
import { DEFAULT_FORMATS, PEER_FIELDS } from '../common/contract/peers.ts';
import { REASON_TEXTS, REJECT_REASONS, SKIP_REASONS } from '../common/contract/reasons.ts';
import { SETTINGS } from '../common/contract/settings.ts';
import { TRANSMIT_METRICS } from '../common/contract/transmit-metric-names.ts';
import {
  TRANSMIT_FAILURE_REASONS,
  TRANSMIT_REASON_TEXTS,
  TRANSMIT_SKIP_REASONS,
} from '../common/contract/transmit-reasons.ts';
import { OPERATOR_SETTINGS } from '../operator/config.ts';
import { OPERATOR_METRICS } from '../operator/metrics.ts';
import { apiPage } from './api-page.ts';
import { checkPage } from './check-page.ts';
import { cliPage } from './cli-page.ts';
import { withFolders } from './folders.ts';
import { markdownTable, page } from './markdown.ts';
import { sidecarPage } from './sidecar-page.ts';

/** Pages made from the code's own tables, so that they cannot say anything else. `make docs` writes them. */

/** Every page that is generated, or has a part that is, by its path in docs/. */
export function pages(): Readonly<Record<string, string>> {
  return {
    'api.md': apiPage(),
    'check.md': checkPage(),
    'settings.md': settingsPage(),
    'status.md': statusPage(),
    'metrics.md': metricsPage(),
    'architecture.md': withFolders(written('architecture.md')),
    'cli.md': cliPage(written('cli.md')),
    'sidecar.md': sidecarPage(written('sidecar.md')),
  };
}

/** A page as it is now: only a part of it is made. */
function written(name: string): string {
  return readFileSync(join(import.meta.dirname, name), 'utf8');
}

function settingsPage(): string {
  const rows = Object.values(SETTINGS).map(({ name, field, fallbackText, shape, meaning, reloadable }) => [
    `\`${name}\``,
    field === undefined ? '' : `\`${field}\``,
    fallbackText === '' ? '' : `\`${fallbackText}\``,
    shape.expected,
    reloadable ? 'at once' : 'at the next start',
    meaning,
  ]);
  const fields = Object.entries(PEER_FIELDS).map(([name, { need, meaning }]) => [`\`${name}\``, need, meaning]);
  const serverFields = Object.entries(FHIR_SERVER_FIELDS).map(([name, { need, meaning }]) => [
    `\`${name}\``,
    need,
    meaning,
  ]);
  return page(
    'Settings',
    '## The sidecar',
    'The sidecar reads its settings from its environment, and from a mounted directory, which `LFH_SYNC_SETTINGS_DIR` in the ' +
      'environment names. Names in the environment may be in upper or lower case, as connect takes them. The directory has one ' +
      'file for each setting, with the same name. A file overrides the environment. The sidecar looks at the directory every second.',
    'If a value does not parse, the last good settings stay in force. The sidecar reports the name of the setting and what is ' +
      'expected, in `/status` and in the log. At the start such a value ends it with exit code 2. Values are never printed, ' +
      'because a secret may stand in the wrong place.',
    'Where an operator looks after the sidecars, it writes the settings from the LfhSyncNode. Change the field that the ' +
      'table names. Messages name both. What takes effect at the next start needs new pods of connect: ' +
      '`kubectl rollout restart`.',
    'In the container that it injects, the operator sets `LFH_SYNC_SECRETS_DIR` too. Beside `lfh-sync run` ' +
      '[you set it yourself](directory.md#an-example). It counts in the environment only: a file of that name changes nothing. ' +
      'Where it is set, files count only where the operator has written all of them, which `LFH_SYNC_SETTINGS_MAC` proves ' +
      '([why](./adr/0025-authenticated-settings.md)). The keys are `nats-server.nk` and `previous.nk` in that directory, whatever ' +
      'the settings say. Passwords and tokens are files there, and CAs are files beside the settings.',
    'For example, in the environment:',
    '```\nCONNECT_LFH_ID=hospital-b\nKAFKA_BOOTSTRAP_SERVERS=kafka:9092\nLFH_SYNC_LOG_LEVEL=debug\n```',
    markdownTable(['name', 'field', 'default', 'shape', 'takes effect', 'meaning'], rows),
    '### A peer',
    'An object in the list `LFH_SYNC_PEERS`. Unknown fields are refused. For example:',
    '```json\n{"name": "hospital-a", "lfhId": "hospital-a", "servers": ["tls://192.168.1.201:4222"], "caFile": "ca-hospital-a.crt"}\n```',
    markdownTable(['field', 'default', 'meaning'], fields),
    `The formats allowed unless \`allowFormats\` says otherwise: ${DEFAULT_FORMATS.map((format) => `\`${format}\``).join(', ')}.`,
    '### A FHIR server',
    'An object in the list `LFH_SYNC_FHIR_SERVERS`. Unknown fields are refused. Credentials are in files, and never in the list. For example:',
    '```json\n{"url": "https://fhir.example.org/r4", "userFile": "fhir-user", "passwordFile": "fhir-password", "caFile": "ca-fhir.crt"}\n```',
    markdownTable(['field', 'default', 'meaning'], serverFields),
    '## The operator',
    'The operator reads its settings from its environment, once, when it starts. A value that does not parse ends it with exit code 2.',
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

/** The fields that report keys. */
const KEY_TEXTS = {
  '`publicKeys`':
    'What this sidecar signs in with at peers, in the order in which they are tried: the current key, and while it is being replaced the previous one.',
  '`peers[].key`':
    "The one that this peer's server accepted; null without a connection. If it is the previous one, the peer does not know the current one yet: give its administrator the new invitation.",
  '`nats.key`':
    "The one that this node's local NATS accepted. It is derived from one of `publicKeys`, for that server alone. It is null without a connection; then announcements wait, and the operator gets no status.",
  '`nats.message`': 'Why there is no connection, and what to do; empty while there is one.',
} as const;

function statusPage(): string {
  return page(
    'What the sidecar reports',
    '`/status` has the report as JSON; its types are in `common/contract/status.ts`. The operator gets the same report over ' +
      'NATS ([how](sidecar.md#reporting-the-status)). `/metrics` has numbers ([which](metrics.md)). There is no secret in either: ' +
      'the keys are public keys (`U…`).',
    'For example, of one peer:',
    "```\ncurl -s localhost:9877/status | jq '.peers[] | {name, reason, message, lag, replayed, rejected}'\n```",
    '## Keys and the local NATS',
    markdownTable(['field', 'meaning'], Object.entries(KEY_TEXTS)),
    '## Reasons of a peer',
    'Each peer has a `reason`, a `message` for a person, and the time `since` when it is so.',
    markdownTable(['reason', 'what it means, and what to do'], Object.entries(REASON_TEXTS)),
    '## Skipped',
    'These messages are not written to Kafka, although nothing is wrong with them.',
    markdownTable(['reason', 'meaning'], Object.entries(SKIP_REASONS)),
    '## Rejected',
    "These messages are written to `LFH_EXCEPTION`. The value of the record has connect's own fields (`data`, `error_msg`, `uuid`, " +
      '`error_date`, `data_record_location`). Its headers are `lfh-sync-peer`, `lfh-sync-stream` and `lfh-sync-sequence`, which ' +
      'say where the message still is at the peer, `lfh-sync-reason`, `lfh-sync-size` and `lfh-sync-encoding`. The encoding is ' +
      '`text`; or `base64`, if the message is not printable ASCII or has more than 64 KB; or `base64-cut`, if it is larger than the topic ' +
      'takes. A message that was cut also has `lfh-sync-sha256`, the hash of the whole, unless it has more than ' +
      'twice LFH_SYNC_MAX_MESSAGE_BYTES: the rest of such a message is not kept.',
    markdownTable(['reason', 'meaning, and what to do'], Object.entries(REJECT_REASONS)),
    '## Announcements',
    '`announce` says how the [announcements](sidecar.md#announcements) are: whether this sidecar makes them (`owned`), a `reason` with a ' +
      '`message`, `lag`, how many were `announced`, and how many are `lost`. It is absent where `LFH_SYNC_ANNOUNCE` is `false`.',
    markdownTable(['reason', 'what it means, and what to do'], Object.entries(ANNOUNCE_REASON_TEXTS)),
    'Replayed messages that are never announced. They are in Kafka:',
    markdownTable(['reason', 'meaning, and what to do'], Object.entries(ANNOUNCE_LOSSES)),
    '## FHIR servers',
    '`transmit` has one entry for each FHIR server: its URL without user and password, whether this sidecar transmits to it (`owned`), ' +
      'a `reason` with a `message`, `lag`, what waits (`pending`, `oldestPending`), `lastSuccess`, `lastError` and counters. A ' +
      'resource that is not delivered is in `LFH_EXCEPTION`, with the headers `lfh-sync-server`, `lfh-sync-status` and `lfh-sync-reason`.',
    markdownTable(['reason', 'what it means, and what to do'], Object.entries(TRANSMIT_REASON_TEXTS)),
    'Records of `LFH_SYNC` that are not transmitted, although nothing is wrong with them:',
    markdownTable(['reason', 'meaning'], Object.entries(TRANSMIT_SKIP_REASONS)),
    'Resources that are not delivered, and are in `LFH_EXCEPTION`:',
    markdownTable(['reason', 'meaning, and what to do'], Object.entries(TRANSMIT_FAILURE_REASONS)),
  );
}

function metricsPage(): string {
  const rows = Object.values(METRICS).map((metric) => {
    const labels = 'labels' in metric ? metric.labels.join(', ') : '';
    return [`\`${metric.name}\``, metric.type, labels, metric.help];
  });
  return page(
    'Metrics',
    'They are at `/metrics`, in the text format of Prometheus, beside those of the process.',
    'For example, how long the backlog of each peer still takes, in seconds:',
    '```\nsum by (peer) (lfh_sync_lag) / sum by (peer) (rate(lfh_sync_replayed_total[5m]))\n```',
    '## The sidecar',
    'All but the last have the label `peer`. They disappear when the peer is removed.',
    markdownTable(['name', 'type', 'more labels', 'meaning'], rows),
    '## The announcements',
    'They are absent where `LFH_SYNC_ANNOUNCE` is `false`.',
    markdownTable(
      ['name', 'type', 'labels', 'meaning'],
      Object.values(ANNOUNCE_METRICS).map((metric) => {
        const labels = 'labels' in metric ? metric.labels.join(', ') : '';
        return [`\`${metric.name}\``, metric.type, labels, metric.help];
      }),
    ),
    '## The transmission to FHIR servers',
    'All have the label `server`, the URL without user and password. They disappear when the server is removed.',
    markdownTable(
      ['name', 'type', 'more labels', 'meaning'],
      Object.values(TRANSMIT_METRICS).map((metric) => {
        const labels = 'labels' in metric ? metric.labels.join(', ') : '';
        return [`\`${metric.name}\``, metric.type, labels, metric.help];
      }),
    ),
    '## The operator',
    'Each operator has its own. Only the one that holds the Lease reconciles. Those with the labels `namespace` and `name` are of a ' +
      'node or a peer, and come from its status. What is not known is absent, and never 0.',
    markdownTable(
      ['name', 'type', 'labels', 'meaning'],
      Object.values(OPERATOR_METRICS).map((metric) => {
        const labels = 'labels' in metric ? metric.labels.join(', ') : '';
        return [`\`${metric.name}\``, metric.type, labels, metric.help];
      }),
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

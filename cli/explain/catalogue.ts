import { ANNOUNCE_LOSSES, ANNOUNCE_REASON_TEXTS } from '../../common/contract/announce-status.ts';
import { REASON_TEXTS, REJECT_REASONS, SKIP_REASONS } from '../../common/contract/reasons.ts';
import {
  TRANSMIT_FAILURE_REASONS,
  TRANSMIT_REASON_TEXTS,
  TRANSMIT_SKIP_REASONS,
} from '../../common/contract/transmit-reasons.ts';
import { ENDED_BY, type ReasonEntry } from '../../operator/api/reason-entry.ts';
import { CONDITIONS } from '../../operator/api/reasons.ts';

/** Everything that has a name in a status, a metric or an alert, with what the documentation says of it: the same tables. */

export const KINDS_OF_ENTRIES = ['condition', 'reason', 'metric', 'alert'] as const;

export interface Entry {
  readonly kind: (typeof KINDS_OF_ENTRIES)[number];
  readonly name: string;
  /** Of what it is: `of ReceiveReady`, `gauge of the operator`. One name may be of several things. */
  readonly of: string;
  /** Paragraphs. */
  readonly text: readonly string[];
  /** The page of the documentation, with its heading. */
  readonly page: string;
}

/** Metrics of one program. */
export interface MetricTable {
  readonly of: string;
  readonly heading: string;
  readonly metrics: Readonly<
    Record<
      string,
      { readonly name: string; readonly type: string; readonly help: string; readonly labels?: readonly string[] }
    >
  >;
}

/** An alert as charts/lfh-sync/files/alerts.yaml has it. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** @param sections of docs/alerts.md, by their headings */
export function catalogue(
  metrics: readonly MetricTable[],
  alerts: readonly Alert[],
  sections: ReadonlyMap<string, readonly string[]>,
): Entry[] {
  const ofConditions = Object.entries(CONDITIONS).flatMap(conditionEntries);
  return [
    ...ofConditions,
    ...SIDECAR_TABLES.flatMap(({ of, heading, texts }) =>
      Object.entries(texts).flatMap(([name, text]): Entry[] =>
        // A condition takes over many of a sidecar's reasons as they are.
        ofConditions.some((entry) => entry.name === name && entry.text.includes(text))
          ? []
          : [{ kind: 'reason', name, of, text: [text], page: `docs/status.md#${heading}` }],
      ),
    ),
    ...metrics.flatMap(metricEntries),
    ...alerts.map((alert) => alertEntry(alert, sections.get(alert.alert) ?? [])),
  ];
}

/** What a sidecar says of a peer, a message, the announcements and a FHIR server. */
const SIDECAR_TABLES: readonly {
  readonly of: string;
  readonly heading: string;
  readonly texts: Readonly<Record<string, string>>;
}[] = [
  { of: 'of a peer, in the status of a sidecar', heading: 'reasons-of-a-peer', texts: REASON_TEXTS },
  { of: 'of a message that is skipped', heading: 'skipped', texts: SKIP_REASONS },
  { of: 'of a message in LFH_EXCEPTION', heading: 'rejected', texts: REJECT_REASONS },
  { of: 'of the announcements', heading: 'announcements', texts: ANNOUNCE_REASON_TEXTS },
  { of: 'of a message that is never announced', heading: 'announcements', texts: ANNOUNCE_LOSSES },
  { of: 'of a FHIR server', heading: 'fhir-servers', texts: TRANSMIT_REASON_TEXTS },
  { of: 'of a record that is not transmitted', heading: 'fhir-servers', texts: TRANSMIT_SKIP_REASONS },
  { of: 'of a resource in LFH_EXCEPTION', heading: 'fhir-servers', texts: TRANSMIT_FAILURE_REASONS },
];

function conditionEntries([type, { of, meaning, reasons }]: readonly [
  string,
  { readonly of: readonly string[]; readonly meaning: string; readonly reasons: Readonly<Record<string, ReasonEntry>> },
]): Entry[] {
  const page = `docs/api.md#${type.toLowerCase()}`;
  const names = Object.keys(reasons);
  const listed = names.length === 0 ? [] : [`Its reasons: ${names.join(', ')}.`];
  return [
    { kind: 'condition', name: type, of: `of ${of.join(' and ')}`, text: [meaning, ...listed], page },
    ...Object.entries(reasons).map(([name, { statuses, endedBy, text }]): Entry => {
      const ended = endedBy === undefined ? '' : `, ended by ${ENDED_BY[endedBy]}`;
      return { kind: 'reason', name, of: `of ${type}, which is ${statuses.join(' or ')}${ended}`, text: [text], page };
    }),
  ];
}

function metricEntries({ of, heading, metrics }: MetricTable): Entry[] {
  return Object.values(metrics).map(({ name, type, help, labels = [] }) => ({
    kind: 'metric',
    name,
    of: `${type} ${of}${labels.length === 0 ? '' : `, with the labels ${labels.join(', ')}`}`,
    text: [help],
    page: `docs/metrics.md#${heading}`,
  }));
}

function alertEntry({ alert, expr, for: lasting, labels, annotations }: Alert, section: readonly string[]): Entry {
  const { summary = '', description = '' } = annotations;
  const since = lasting === undefined ? '' : ` for ${lasting}`;
  return {
    kind: 'alert',
    name: alert,
    of: `${labels.severity ?? ''}: ${summary}`,
    text: [description, ...section, `It fires where this holds${since}: ${expr}`],
    page: `docs/alerts.md#${alert.toLowerCase()}`,
  };
}

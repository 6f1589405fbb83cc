import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Definition, readDefinitions, type Schema, walk } from '../crds/read.ts';
import { ENDED_BY, type ReasonEntry } from '../operator/api/reason-entry.ts';
import { CONDITIONS } from '../operator/api/reasons.ts';
import { markdownTable, page } from './markdown.ts';

/** The smallest of each kind that is of use, from docs/examples. */
const EXAMPLES: Readonly<Record<string, string>> = {
  LfhSyncNode: 'node.yaml',
  LfhSyncPeer: 'peer-formats-and-origins.yaml',
};

/** docs/api.md: every field, from the CRDs, and every condition with its reasons. */
export function apiPage(): string {
  const definitions = readDefinitions();
  return page(
    'The API',
    `\`${definitions[0]?.apiVersion}\`, namespaced. \`kubectl explain lfhsyncpeer.spec\` says the same about the fields, and ` +
      '`kubectl get lfh` lists both kinds. The message of a rule never quotes the value, because somebody may have pasted a seed or a key there.',
    ...definitions.flatMap(kindParts),
    '## Conditions',
    'The condition of a direction that is paused or not asked for is True once that is in force. `Ready` comes from what the operator sees on NATS and ' +
      'from what the sidecars report. Where nothing fresh is known, it is Unknown and never True. The tables say who can end each ' +
      "reason: it passes by itself, we have to do something here, or the peer's administrator has to.",
    'For example, a condition of a peer that was let in and has not applied our invitation:',
    `\`\`\`yaml\n${CONDITION}\n\`\`\``,
    ...Object.entries(CONDITIONS).flatMap(conditionParts),
  );
}

const CONDITION = `conditions:
  - type: ReceiveReady
    status: "False"
    reason: AwaitingPeer
    message: "the other side has not applied this node's invitation yet: …"
    lastTransitionTime: "2026-11-28T12:00:00Z"`;

function kindParts({ kind, shortName, schema, columns }: Definition): string[] {
  const { spec, status } = schema.properties ?? {};
  if (!spec || !status) throw new Error(`${kind}: expected spec and status`);
  return [
    `## ${kind} (\`${shortName}\`)`,
    schema.description ?? '',
    `For example ([more](examples)):`,
    `\`\`\`yaml\n${exampleOf(kind)}\n\`\`\``,
    `### Fields of ${kind}`,
    markdownTable(['field', 'type', 'default', 'meaning'], fieldsOf(spec, 'spec')),
    `### Rules of ${kind}`,
    markdownTable(['where', 'rule'], rulesOf(schema)),
    `### Status of ${kind}`,
    markdownTable(
      ['field', 'type', 'meaning'],
      fieldsOf(status, 'status').map(([path = '', type = '', , meaning = '']) => [path, type, meaning]),
    ),
    `### Columns of ${kind}`,
    markdownTable(
      ['column', 'from', 'meaning'],
      columns.map(({ name, jsonPath, description, priority }) => [
        `${name.toUpperCase()}${priority ? ' (`-o wide`)' : ''}`,
        `\`${jsonPath}\``,
        description ?? '',
      ]),
    ),
  ];
}

function exampleOf(kind: string): string {
  const file = EXAMPLES[kind];
  if (file === undefined) throw new Error(`${kind}: expected an example in docs/examples`);
  return readFileSync(join(import.meta.dirname, 'examples', file), 'utf8').trimEnd();
}

/** A row for each field below; a list's items are part of the list's own. */
function fieldsOf(schema: Schema, root: string): string[][] {
  const rows: string[][] = [];
  const required = new Set<string>();
  walk(
    schema,
    (path, field) => {
      const prefix = field.type === 'array' ? `${path}[]` : path;
      for (const name of (field.items ?? field).required ?? []) required.add(`${prefix}.${name}`);
      if (path === root || path.endsWith('[]')) return;
      rows.push([
        `\`${path}\``,
        typeOf(field),
        required.has(path) ? 'required' : fallbackOf(field),
        field.description ?? '',
      ]);
    },
    root,
  );
  return rows;
}

function typeOf({ type, items, enum: names, format }: Schema): string {
  if (items) return `list of ${typeOf(items)}`;
  if (names) return names.map((name) => `\`${name}\``).join(' | ');
  return format === 'date-time' ? 'time' : type;
}

/** An object whose fields have defaults of their own has none in the table. */
function fallbackOf({ default: fallback }: Schema): string {
  return fallback === undefined || typeof fallback === 'object' ? '' : `\`${fallback}\``;
}

function rulesOf(schema: Schema): string[][] {
  const rows: string[][] = [];
  walk(schema, (path, field) => {
    for (const { fieldPath = '', message } of field['x-kubernetes-validations'] ?? []) {
      const where = `${path}${fieldPath}`;
      rows.push([where === '' ? '' : `\`${where}\``, message]);
    }
  });
  return rows;
}

function conditionParts([type, { of, meaning, reasons }]: readonly [
  string,
  { readonly of: readonly string[]; readonly meaning: string; readonly reasons: Readonly<Record<string, ReasonEntry>> },
]): string[] {
  const head = [`### ${type}`, `Of ${of.join(' and ')}. ${meaning}`];
  const rows = Object.entries(reasons).map(([reason, { statuses, endedBy, text }]) => [
    statuses.join(', '),
    `\`${reason}\``,
    endedBy ? ENDED_BY[endedBy] : '',
    text,
  ]);
  return rows.length === 0
    ? head
    : [...head, markdownTable(['status', 'reason', 'ended by', 'what it means, and what to do'], rows)];
}

import { PEER_SERVER } from '../server-url.ts';
import { booleanAt, objectAt, textAt, textsAt } from './json-fields.ts';
import { STREAM } from './names.ts';
import { parseJson, type Shape, ShapeError } from './shapes.ts';

/** Where to begin with a peer that was never replayed. */
export type StartFrom =
  | { readonly policy: 'Earliest' }
  | { readonly policy: 'Latest' }
  | { readonly policy: 'Time'; readonly time: string };

/** What an administrator has decided about a peer whose stream has diverged from the position. */
export interface Restart {
  /** The position's sequence. Any other one than that in force has no effect, so that a decision counts only once. */
  readonly position: number;
  readonly startFrom: StartFrom;
}

/** That messages of a peer which were rejected are judged again by today's settings, and replayed where these accept them. */
export interface Redrive {
  /** A word that the administrator chooses. What ran under it last does not run again. */
  readonly id: string;
  /** Only messages that were rejected for one of these; absent: for any. A reason that nobody knows matches none. */
  readonly reasons?: readonly string[];
  /** Only messages that were rejected at this time or later. */
  readonly since?: string;
  /** Whether it only counts. */
  readonly dryRun: boolean;
}

/** How much may be received from a peer. What is absent is not limited. */
export interface ReceiveLimits {
  readonly messagesPerSecond?: number;
  readonly bytesPerDay?: number;
}

/** A peer in `LFH_SYNC_PEERS`. */
export interface PeerSettings {
  readonly name: string;
  readonly lfhId: string;
  readonly servers: readonly string[];
  readonly caFile?: string;
  readonly tlsServerName?: string;
  readonly paused: boolean;
  readonly startFrom: StartFrom;
  readonly restart?: Restart;
  readonly redrive?: Redrive;
  readonly allowFormats: readonly string[];
  readonly allowOrigins: readonly string[];
  readonly limits?: ReceiveLimits;
  readonly stream: string;
  readonly consumer?: string;
  /** Whether no lfh-sync runs at the peer. */
  readonly manual?: boolean;
}

/** A peer with the files that its settings name. */
export interface LoadedPeer extends PeerSettings {
  /** The CA in PEM; absent: the system's roots count. */
  readonly ca?: string;
  /** Why this peer cannot be replayed with these settings; the other peers are not affected. */
  readonly problem?: string;
  /**
   * Of what the operator has written for it; absent where it has a {@link problem}, or a person has written it. See
   * settings-digest.ts.
   */
  readonly digest?: string;
}

/** The formats that connect takes in: by its routes /fhir and /x12, under older nodes' names, and by its route /ingress. */
export const DEFAULT_FORMATS = [
  'FHIR*',
  'X12*',
  'HL7*',
  'CDA*',
  'CCDA*',
  'C-CDA*',
  'DICOM*',
  'IMAGE*',
  'NCPDP*',
  'ASTM*',
] as const;

/** Every field of a peer: what it means, and its default unless it is required. */
export const PEER_FIELDS: Readonly<Record<keyof PeerSettings, { readonly need: string; readonly meaning: string }>> = {
  name: {
    need: 'required',
    meaning: 'Name of the peer here, in logs, status and metrics: lower-case letters, digits, `-` and `.`.',
  },
  lfhId: { need: 'required', meaning: "The peer's own `CONNECT_LFH_ID`, which its messages carry." },
  servers: {
    need: 'required',
    meaning:
      "The peer's NATS servers, `tls://host:port`. They are tried in turn; what a server says of further ones is ignored.",
  },
  caFile: {
    need: "the system's roots",
    meaning: "PEM file in the settings directory with the CA of the peer's NATS. It vouches for this peer only.",
  },
  tlsServerName: {
    need: 'the host in `servers`',
    meaning: "Name that the server's certificate must be for, where it is not the host.",
  },
  paused: { need: '`false`', meaning: 'Whether to leave the peer alone for now.' },
  startFrom: {
    need: '`{"policy": "Earliest"}`',
    meaning:
      'Where to begin with a peer that was never replayed: `Earliest`, `Latest`, or `Time` with a `time`. Has no effect once there is a position.',
  },
  restart: {
    need: 'none',
    meaning:
      'What to do about `StreamDiverged`: `{"position": …, "startFrom": …}` begins again where the position is just that one.',
  },
  redrive: {
    need: 'none',
    meaning:
      'What to replay from LFH_EXCEPTION: `{"id": …, "reasons": […], "since": …, "dryRun": false}` judges rejected messages again, once for each `id`.',
  },
  allowFormats: {
    need: 'see below',
    meaning: 'Patterns of `data_format`, in which `*` stands for anything. Others are rejected.',
  },
  allowOrigins: { need: '`[]`', meaning: 'Further `lfh_id`s whose messages may come through this peer.' },
  limits: {
    need: 'none',
    meaning:
      'How much is received at most: `messagesPerSecond`, and `bytesPerDay`, counted in UTC by each sidecar since it began. The rest waits at the peer.',
  },
  stream: { need: '`EVENTS`', meaning: "The peer's stream." },
  consumer: { need: 'made from our own `CONNECT_LFH_ID`', meaning: 'Name of our durable consumer there.' },
  manual: {
    need: '`false`',
    meaning:
      'Whether no lfh-sync looks after the NATS there. Messages then say what its administrator must do by hand (upstream-sites.md).',
  },
};

const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const FILE = /^(?!\.\.?$)[A-Za-z0-9._-]+$/;
const HOST = /^[A-Za-z0-9.:_-]+$/;
/** One token of a NATS subject: a dot, `*` or `>` would name other subjects than meant. */
const TOKEN = /^[A-Za-z0-9_-]+$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

const REDRIVE_ID = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const REASON = /^[A-Z][A-Za-z0-9]{0,62}$/;

/** The list of peers: JSON, each with the fields of {@link PeerSettings}. */
export const peerList: Shape<readonly PeerSettings[]> = {
  expected: 'a JSON list of peers, each {"name", "lfhId", "servers", …}; see "A peer" below',
  encode: (peers) => JSON.stringify(peers),
  decode: (value) => {
    const list = parseJson(value);
    if (!Array.isArray(list)) throw new ShapeError('', 'expected a JSON list');
    const peers = list.map((entry, index) => decodePeer(entry, `[${index}]`));
    for (const field of ['name', 'lfhId'] as const) requireUnique(peers, field);
    return peers;
  },
};

/**
 * Each entry of a list of peers as it was written, in the order of {@link peerList}.
 *
 * @param text that `peerList` decodes
 */
export function peerEntries(text: string): string[] {
  return (JSON.parse(text) as unknown[]).map((entry) => JSON.stringify(entry));
}

function decodePeer(entry: unknown, path: string): PeerSettings {
  const fields = objectAt(entry, path, Object.keys(PEER_FIELDS));
  for (const [name, { need }] of Object.entries(PEER_FIELDS)) {
    if (need === 'required' && fields[name] === undefined) throw new ShapeError(path, `${name} is missing`);
  }
  const at = (name: string): string => `${path}.${name}`;
  const optional = <Value>(name: keyof PeerSettings, decode: (value: unknown, path: string) => Value): object =>
    fields[name] === undefined ? {} : { [name]: decode(fields[name], at(name)) };
  const textOf = (pattern: RegExp, expected: string) => (value: unknown, where: string) =>
    textAt(value, where, pattern, expected);
  const listAt = (
    name: keyof PeerSettings,
    fallback: readonly string[],
    pattern: RegExp,
    expected: string,
  ): readonly string[] => (fields[name] === undefined ? fallback : textsAt(fields[name], at(name), pattern, expected));

  const servers = textsAt(fields.servers, at('servers'), PEER_SERVER, 'tls://host:port');
  if (servers.length === 0) throw new ShapeError(at('servers'), 'expected at least one server');
  return {
    name: textAt(fields.name, at('name'), NAME, 'lower-case letters, digits, - and .'),
    lfhId: textAt(
      fields.lfhId,
      at('lfhId'),
      /^[^\p{Cc}]{1,253}$/u,
      'the connect_lfh_id of the peer, 1 to 253 characters',
    ),
    servers,
    ...optional('caFile', textOf(FILE, 'the name of a file in the settings directory')),
    ...optional('tlsServerName', textOf(HOST, 'a host name')),
    paused: fields.paused === undefined ? false : booleanAt(fields.paused, at('paused')),
    startFrom: fields.startFrom === undefined ? { policy: 'Earliest' } : startFromAt(fields.startFrom, at('startFrom')),
    ...optional('restart', restartAt),
    ...optional('redrive', redriveAt),
    allowFormats: listAt(
      'allowFormats',
      DEFAULT_FORMATS,
      /^[A-Za-z0-9._*-]{1,249}$/,
      'a data_format, in which * stands for anything',
    ),
    allowOrigins: listAt('allowOrigins', [], /^[^\p{Cc}]{1,253}$/u, 'a connect_lfh_id'),
    ...optional('limits', limitsAt),
    stream:
      fields.stream === undefined ? STREAM : textAt(fields.stream, at('stream'), TOKEN, 'letters, digits, _ and -'),
    ...optional('consumer', textOf(TOKEN, 'letters, digits, _ and -')),
    ...optional('manual', booleanAt),
  };
}

function limitsAt(value: unknown, path: string): ReceiveLimits {
  const fields = objectAt(value, path, ['messagesPerSecond', 'bytesPerDay']);
  for (const [name, limit] of Object.entries(fields)) {
    if (!Number.isSafeInteger(limit) || (limit as number) < 1) {
      throw new ShapeError(`${path}.${name}`, 'expected a whole number from 1 on');
    }
  }
  return fields;
}

function startFromAt(value: unknown, path: string): StartFrom {
  const { policy, time } = objectAt(value, path, ['policy', 'time']);
  if (policy === 'Earliest' || policy === 'Latest') {
    if (time !== undefined) throw new ShapeError(`${path}.time`, `has no meaning with ${policy}`);
    return { policy };
  }
  if (policy !== 'Time') throw new ShapeError(`${path}.policy`, 'expected Earliest, Latest or Time');
  return { policy, time: timeAt(time, `${path}.time`) };
}

function timeAt(value: unknown, path: string): string {
  const written = textAt(value, path, TIME, 'a time such as 2026-11-24T08:00:00Z');
  if (Number.isNaN(Date.parse(written))) throw new ShapeError(path, 'expected a time that exists');
  return written;
}

function redriveAt(value: unknown, path: string): Redrive {
  const { id, reasons, since, dryRun } = objectAt(value, path, ['id', 'reasons', 'since', 'dryRun']);
  return {
    id: textAt(id, `${path}.id`, REDRIVE_ID, 'a word of 1 to 63 letters, digits, -, _ and .'),
    ...(reasons !== undefined && { reasons: textsAt(reasons, `${path}.reasons`, REASON, 'a reason of LFH_EXCEPTION') }),
    ...(since !== undefined && { since: timeAt(since, `${path}.since`) }),
    dryRun: dryRun === undefined ? false : booleanAt(dryRun, `${path}.dryRun`),
  };
}

function restartAt(value: unknown, path: string): Restart {
  const { position, startFrom } = objectAt(value, path, ['position', 'startFrom']);
  if (!Number.isSafeInteger(position) || (position as number) < 1)
    throw new ShapeError(`${path}.position`, 'expected the sequence in the message');
  return { position: position as number, startFrom: startFromAt(startFrom, `${path}.startFrom`) };
}

function requireUnique(peers: readonly PeerSettings[], field: 'name' | 'lfhId'): void {
  for (const [index, peer] of peers.entries()) {
    const first = peers.findIndex((other) => other[field] === peer[field]);
    if (first !== index) throw new ShapeError(`[${index}].${field}`, `is the same as that of [${first}]`);
  }
}

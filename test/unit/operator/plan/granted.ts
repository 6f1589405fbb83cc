import assert from 'node:assert/strict';
import { CANARY_MARK, OWN_MARK } from '../../../../operator/plan/nats/permissions.ts';

/**
 * What the text that a nats-server includes grants, read line by line without the code that writes it. A line that is none of
 * those of docs/architecture.md, "What a peer may do", fails the test: there must be nothing else.
 */
export interface Granted {
  /** May do everything in the main account: the node's operator. */
  readonly own: readonly string[];
  /** The node's sidecars. */
  readonly sidecars: readonly GrantedUser[];
  /** May, too. */
  readonly administrators: readonly string[];
  /** May do nothing. */
  readonly canaries: readonly string[];
  readonly exports: readonly Service[];
  /** By their names; with isolation Users there are none. */
  readonly accounts: ReadonlyMap<string, GrantedAccount>;
  /** With isolation Users those of peers. */
  readonly users: readonly GrantedUser[];
}

interface GrantedAccount {
  readonly users: readonly GrantedUser[];
  readonly mappings: readonly (readonly [from: string, to: string])[];
  readonly imports: readonly Import[];
}

interface Import {
  readonly kind: 'service' | 'messages';
  readonly account: string;
  readonly subject: string;
  readonly to?: string;
}

export interface GrantedUser {
  readonly key: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

interface Service {
  readonly subject: string;
  /** Which account may import it; or that with its name in the place of this token may, counted from 1. */
  readonly to: string | number;
  readonly kind: 'service' | 'service with many answers' | 'messages';
}

const TEXTS = String.raw`((?:"[^"\\]*"(?:, )?)+)`;
const USER = new RegExp(
  String.raw`^    \{ nkey: (U[A-Z2-7]{55}), permissions: \{ publish: \[${TEXTS}\], subscribe: \[${TEXTS}\] \}, allowed_connection_types: \["STANDARD"\] \}$`,
);
const CANARY =
  /^ {4}\{ nkey: (U[A-Z2-7]{55}), permissions: \{ publish: \{ deny: \[">"\] \}, subscribe: \{ deny: \[">"\] \} \} \} (# canary)$/;
const OWN = /^ {4}\{ nkey: (U[A-Z2-7]{55}) \} (# this node's own)$/;
const SIDECAR = new RegExp(
  String.raw`^(    \{ nkey: U[A-Z2-7]{55}, permissions: \{ publish: .* \}), allow_responses: true( \}.* \}) # this node's sidecars$`,
);
const ADMINISTRATOR = /^ {4}\{ nkey: (U[A-Z2-7]{55}) \}$/;
const EXPORT =
  /^ {4}\{ service: "([^"\\]+)", (response_type: stream, )?response_threshold: "6s", (?:accounts: \[([A-Za-z0-9_-]+)\]|account_token_position: (\d+)) \}$/;
/** Before the users of an account: a subject that its later lines name. */
const VARIABLE = /^ {2}(S\d): ("[^"\\]+")$/;
const LIMITS = '  limits: { max_connections: 32, max_subscriptions: 64, max_payload: 4096 }';
const MESSAGES = /^ {4}\{ stream: "([^"\\]+)", accounts: \[([A-Za-z0-9_-]+)\] \}$/;
const IMPORT =
  /^ {4}\{ (service|stream): \{ account: "([A-Za-z0-9_-]+)", subject: "([^"\\]+)" \}(?:, to: "([^"\\]+)")? \}$/;
const MAPPING = /^ {2}mappings: \{ "([^"\\]+)": "([^"\\]+)" \}$/;

/** Reads both files of a node. */
export function grantedBy(mainFile: string, peersFile: string): Granted {
  const main = new Lines(mainFile);
  const own: string[] = [];
  const sidecars: GrantedUser[] = [];
  const administrators: string[] = [];
  const canaries: string[] = [];
  const users: GrantedUser[] = [];
  main.list('users', (line) => {
    const [itself, administrator, canary] = [OWN.exec(line), ADMINISTRATOR.exec(line), CANARY.exec(line)];
    const [, start = '', end = ''] = SIDECAR.exec(line) ?? [];
    if (itself) own.push(keyIn(itself, OWN_MARK));
    else if (administrator) administrators.push(administrator[1] ?? '');
    else if (canary) canaries.push(keyIn(canary, CANARY_MARK));
    else if (start) sidecars.push(userOf(start + end));
    else users.push(userOf(line));
  });
  const exported: Service[] = [];
  if (!main.atEnd()) {
    main.list('exports', (line) => {
      const [, messages = '', to = ''] = MESSAGES.exec(line) ?? [];
      if (messages) return exported.push({ subject: messages, to, kind: 'messages' });
      const [, subject = '', stream, account, position] = EXPORT.exec(line) ?? assert.fail(line);
      const kind = stream === undefined ? 'service' : 'service with many answers';
      return exported.push({ subject, to: account ?? Number(position), kind });
    });
  }
  assert.ok(main.atEnd());
  return {
    own,
    sidecars,
    administrators,
    canaries,
    users,
    exports: exported,
    accounts: accountsOf(new Lines(peersFile)),
  };
}

/** The key in a line that ends with this mark, with which the operator finds it again. */
function keyIn([line, key = '', found]: RegExpExecArray, mark: string): string {
  return found === mark ? key : assert.fail(line);
}

function accountsOf(lines: Lines): Map<string, GrantedAccount> {
  const accounts = new Map<string, GrantedAccount>();
  while (!lines.atEnd()) {
    const line = lines.next();
    const [, name = ''] = /^([A-Za-z0-9_-]+) \{$/.exec(line) ?? assert.fail(line);
    assert.equal(lines.next(), LIMITS);
    const users: GrantedUser[] = [];
    const imports: Import[] = [];
    const variables = new Map<string, string>();
    for (let found = VARIABLE.exec(lines.peek()); found; found = VARIABLE.exec(lines.peek())) {
      lines.next();
      variables.set(found[1] ?? '', found[2] ?? '');
    }
    const written = (each: string): string =>
      each.replace(/\$(S\d)/g, (_, variable: string) => variables.get(variable) ?? assert.fail(each));
    const [, from, onto] = MAPPING.exec(lines.peek()) ?? [];
    const mappings = from !== undefined && onto !== undefined ? [[from, onto] as const] : [];
    if (mappings.length > 0) lines.next();
    lines.list('users', (each) => users.push(userOf(written(each))));
    lines.list('imports', (each) => {
      const [, kind, account = '', subject = '', to] = IMPORT.exec(written(each)) ?? assert.fail(each);
      const shown = kind === 'service' ? 'service' : 'messages';
      imports.push({ kind: shown, account, subject, ...(to !== undefined && { to }) });
    });
    assert.equal(lines.next(), '}');
    assert.ok(!accounts.has(name), 'nats-server takes the last of two with one name');
    accounts.set(name, { users, mappings, imports });
  }
  return accounts;
}

/** nats-server takes `{ allow: […] }` and the list alone for the same. */
function userOf(line: string): GrantedUser {
  const short = line.replace(/\{ allow: (\[[^\]]*\]) \}/g, '$1');
  const [, key = '', publish = '', subscribe = ''] = USER.exec(short) ?? assert.fail(line);
  const list = (text: string): string[] => JSON.parse(`[${text}]`) as string[];
  return { key, publish: list(publish), subscribe: list(subscribe) };
}

class Lines {
  readonly #lines: string[];

  constructor(text: string) {
    const lines = text.split('\n');
    assert.equal(lines.pop(), '', 'ends with a line end');
    this.#lines = lines;
    while (this.#lines[0]?.startsWith('# ')) this.#lines.shift();
  }

  peek(): string {
    return this.#lines[0] ?? '';
  }

  next(): string {
    return this.#lines.shift() ?? assert.fail('the text ends too early');
  }

  atEnd(): boolean {
    return this.#lines.length === 0;
  }

  list(name: string, take: (line: string) => unknown): void {
    assert.equal(this.next(), `  ${name}: [`);
    for (let line = this.next(); line !== '  ]'; line = this.next()) take(line);
  }
}

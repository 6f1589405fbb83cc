/** How much of a message's headers is kept, in bytes. None that we need is long, and megabytes of them take long to read. */
export const MAX_HEADERS = 64 * 1024;

/** One message as it came. Its bytes may be overwritten as soon as its subscriber returns; {@link copy} keeps them. */
export class Incoming {
  /** The number of the subscription that it is for. */
  readonly sid: number;
  /** The subject to answer on; empty where there is none. */
  readonly reply: string;
  /** In bytes, as the headers were sent; 0 where there are none. */
  readonly headerSize: number;
  /** The beginning of the headers; undefined where there are none. */
  readonly headers: Buffer | undefined;
  /** The size of the whole payload as it was sent, in bytes. */
  readonly size: number;
  /** The payload, or of one that is larger than what is kept, its beginning. */
  readonly payload: Buffer;

  constructor(head: MessageHead, headers: Buffer | undefined, payload: Buffer) {
    this.sid = head.sid;
    this.reply = head.reply;
    this.headerSize = head.headerSize;
    this.headers = headers;
    this.size = head.total - head.headerSize;
    this.payload = payload;
  }

  copy(): Incoming {
    const { sid, reply, headerSize, size, headers, payload } = this;
    const head = { sid, reply, headerSize, total: headerSize + size };
    return new Incoming(head, headers && Buffer.from(headers), Buffer.from(payload));
  }
}

/** What the line before a message says of it. */
export interface MessageHead {
  readonly sid: number;
  readonly reply: string;
  /** In bytes; 0 where there are none. */
  readonly headerSize: number;
  /** The headers and the payload together, in bytes. */
  readonly total: number;
}

/** What the first line of a message's headers says, as in `NATS/1.0 503 No Responders`. */
export interface MessageStatus {
  /** 0 where the line has none. */
  readonly code: number;
  readonly description: string;
}

const STATUS_LINE = /^NATS\/1\.0(?: +(\d{1,9}))?([^\r\n]*)/;

/** The status of a message. @returns undefined where it has no headers, or some that cannot be understood */
export function statusOf({ headers }: Incoming): MessageStatus | undefined {
  const found = headers && STATUS_LINE.exec(headers.toString('latin1', 0, MAX_STATUS));
  return found ? { code: Number(found[1] ?? 0), description: (found[2] ?? '').trim() } : undefined;
}

/** More than any status line of a nats-server has. */
const MAX_STATUS = 1024;

/** The value of the first header of this name. @returns undefined where there is none */
export function headerOf({ headers }: Incoming, name: string): string | undefined {
  const [, ...fields] = headers?.toString('latin1').split('\r\n') ?? [];
  const field = fields.find((each) => each.startsWith(`${name}:`));
  return field?.slice(name.length + 1).trim();
}

import type { PeerObject } from '../../operator/plan/observed/observed.ts';

/** How fast a backlog shrinks, from two looks at a peer's status. */

/** What a status said of one direction. */
export interface Look {
  /** When the operator wrote it, in milliseconds since 1970. */
  readonly at: number;
  /** Messages that wait; undefined where that is not known. */
  readonly waiting: number | undefined;
  /** Messages that were dealt with since some beginning; undefined where nobody counts them. */
  readonly done: number | undefined;
}

/** The two newest looks at one direction that said something different. */
export interface Looks {
  readonly before: Look;
  readonly after: Look;
}

export interface Rate {
  /** Messages a second; undefined where it was not seen. */
  readonly perSecond: number | undefined;
  /** Until nothing waits, if it goes on like this; null where the backlog does not shrink, undefined where it was not seen. */
  readonly etaSeconds: number | null | undefined;
}

/** Nothing was seen twice. */
const UNSEEN: Rate = { perSecond: undefined, etaSeconds: undefined };

/** What the sidecar that replays the peer does. */
export function receiveLook({ status, metadata }: PeerObject, now: number): Look {
  const { lag, replayed, skipped = 0, rejected = 0 } = status?.receive ?? {};
  const done = replayed === undefined ? undefined : replayed + skipped + rejected;
  return { at: writtenAt(metadata.managedFields) ?? now, waiting: lag, done };
}

/** What the peer fetches. Nobody counts it: sequences have gaps. */
export function sendLook({ status, metadata }: PeerObject, now: number): Look {
  return { at: writtenAt(metadata.managedFields) ?? now, waiting: status?.send?.pending, done: undefined };
}

/** Adds a look to those before, if it says something that they do not. */
export function withLook(known: Looks | undefined, look: Look): Looks {
  if (known === undefined) return { before: look, after: look };
  const { after } = known;
  const isNew = look.at > after.at && (look.waiting !== after.waiting || look.done !== after.done);
  return isNew ? { before: after, after: look } : known;
}

/** Whether something waits, and it is not known how fast that goes. */
export function needsLook({ before, after }: Looks): boolean {
  return (after.waiting ?? 0) > 0 && before === after;
}

export function rateOf({ before, after }: Looks): Rate {
  const seconds = (after.at - before.at) / 1000;
  if (seconds <= 0) return UNSEEN;
  return { perSecond: perSecond(before, after, seconds), etaSeconds: etaSeconds(before, after, seconds) };
}

function perSecond({ done: before }: Look, { done: after }: Look, seconds: number): number | undefined {
  // Another sidecar counts from 0.
  return before === undefined || after === undefined || after < before ? undefined : (after - before) / seconds;
}

function etaSeconds({ waiting: before }: Look, { waiting: after }: Look, seconds: number): number | null | undefined {
  if (before === undefined || after === undefined || after === 0) return undefined;
  return before > after ? Math.ceil((after * seconds) / (before - after)) : null;
}

/** When the operator last changed the status, to within a second: the API server notes it. */
function writtenAt(managed: PeerObject['metadata']['managedFields'] = []): number | undefined {
  const times = managed
    .filter(({ subresource }) => subresource === 'status')
    .map(({ time = '' }) => Date.parse(time))
    .filter((time) => !Number.isNaN(time));
  return times.length === 0 ? undefined : Math.max(...times);
}

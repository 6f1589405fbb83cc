import { MAX_PENDING, type Pending } from './state.ts';

/**
 * Who has to make room where many resources wait because the server fails for each of them, and not for others. Otherwise they
 * would take all places, nothing more would be read, and one peer's resources would stop those of all (docs/adr/0026). Pure.
 */

/** While the server takes others, so many wait. Up to MAX_PENDING more are taken to find out whether it does. */
const PLACES = 200;
/** So many new resources that fail one after the other look like a server that fails for all: nobody is to lose any by that. */
const FAILED_IN_A_ROW = 100;
/** So many versions of one resource wait. Where there are more, the oldest is tried at once, and given up when it fails. */
export const VERSIONS = 8;

/** What is remembered of earlier rounds. A restart begins anew. */
export interface Crowd {
  /** New resources for which the server failed, since it has last taken or refused one. */
  readonly failedInARow: number;
  /** Whether as many waited as may. */
  readonly isFull: boolean;
}

export const NO_CROWD: Crowd = { failedInARow: 0, isFull: false };

/** What a round has shown of the server. */
export interface Shown {
  /** Whether it has taken or refused a resource. */
  readonly isTaking: boolean;
  /** Whether it fails as a whole, so that nothing can be said of single resources. */
  readonly isFailing: boolean;
  /** New resources for which it failed. */
  readonly failedNew: number;
}

/** @param pendingCount before the round */
export function crowdAfter(before: Crowd, shown: Shown, pendingCount: number): Crowd {
  if (shown.isFailing) return { ...before, isFull: false };
  const failedInARow = shown.isTaking ? 0 : before.failedInARow + shown.failedNew;
  return { failedInARow, isFull: pendingCount >= MAX_PENDING };
}

type Waiting = Pick<Pending, 'sender' | 'key'>;

/** Counts what waits, of whom. */
export class Places {
  readonly #senders = new Map<string, number>();
  readonly #keys = new Map<string, number>();
  #total = 0;

  constructor(pending: readonly Waiting[]) {
    for (const each of pending) this.enter(each);
  }

  enter(each: Waiting): void {
    this.#add(each, 1);
  }

  leave(each: Waiting): void {
    this.#add(each, -1);
  }

  /** How many with the same key wait. */
  versionsOf(key: string | null): number {
    return key === null ? 0 : (this.#keys.get(key) ?? 0);
  }

  /**
   * Why a resource may not wait for which the server has failed, while it does not fail as a whole. It is not counted itself.
   *
   * @returns undefined where it may
   */
  refusal({ sender, key }: Waiting, { failedInARow }: Crowd): string | undefined {
    if (failedInARow >= FAILED_IN_A_ROW) return undefined;
    if (this.versionsOf(key) >= VERSIONS) return `${this.versionsOf(key)} newer versions of it wait`;
    if (this.#total < PLACES) return undefined;
    const own = this.#senders.get(nameOf(sender)) ?? 0;
    if (own + 1 < Math.max(...this.#senders.values())) return undefined;
    return `${this.#total} resources wait for the server, which takes others; ${own} are of this sender, and of none are more`;
  }

  /** Whose they are, the most first. */
  text(): string {
    const all = [...this.#senders].filter(([, count]) => count > 0).sort(([, one], [, other]) => other - one);
    const named = all.slice(0, MOST_NAMED).map(([sender, count]) => `${count} of ${sender}`);
    if (all.length > MOST_NAMED) named.push(`others of ${all.length - MOST_NAMED} more`);
    return `${this.#total} resources wait (${named.join(', ')})`;
  }

  #add({ sender, key }: Waiting, change: number): void {
    this.#total += change;
    const name = nameOf(sender);
    this.#senders.set(name, (this.#senders.get(name) ?? 0) + change);
    if (key !== null) this.#keys.set(key, (this.#keys.get(key) ?? 0) + change);
  }
}

const MOST_NAMED = 3;

/** An earlier version has not written down whose a resource is. */
function nameOf(sender: string | undefined): string {
  return sender ?? 'unknown senders';
}

/** What to say where nothing more is read, because as many wait as may; undefined where it is read. */
export function fullText(pending: readonly Waiting[]): string | undefined {
  if (pending.length < MAX_PENDING) return undefined;
  return `${new Places(pending).text()}, and nothing more is sent before the server takes some of them, or they are given up by the settings in retry`;
}

import { type Fault, isSuspect, MAX_PENDING, type Pending } from './state.ts';

/**
 * Who has to make room where many resources wait because the server fails for each of them, and not for others. Otherwise they
 * would take all places, nothing more would be read, and one peer's resources would stop those of all (docs/adr/0026). Pure.
 */

/** While fewer wait, no sender has to make room. More are taken, up to MAX_PENDING, to find out whether the server takes others. */
const PLACES = 200;
/** So many resources that failed, with none in between that was taken, look like a server that fails for all. */
const LOOKS_DOWN = 100;
/** So many versions wait of a resource that fails by its own fault. */
export const VERSIONS = 8;

/** Whether the server looks as if it failed for all, so that nobody is to lose anything by that. */
export function looksDown(pending: readonly Pick<Pending, 'fault'>[]): boolean {
  return pending.filter(({ fault }) => fault === 'open').length >= LOOKS_DOWN;
}

/** What a round has shown, unless the server failed as a whole in it. */
export interface Shown {
  /**
   * Whether the server has taken a resource. That it has refused one shows nothing: it may do so before it asks a database that is
   * down.
   */
  readonly isTaking: boolean;
  /** Whether {@link looksDown}, with those that failed in the round. */
  readonly looksDown: boolean;
  /** Whether a suspect that failed in it fails by its own fault: others were taken, or it takes the place of all others. */
  readonly isTelling: boolean;
  /** Of those with a key, what came of the last one that was tried; of one that failed, whose fault it is now. */
  readonly lastOf: ReadonlyMap<string, 'done' | 'refused' | Fault>;
}

/** Whose fault it is that the server failed for a resource once more. @param before what was known */
export function faultAfter(before: Fault | undefined, isTelling: boolean): Fault {
  return before === 'passed' && isTelling ? 'own' : (before ?? 'open');
}

/**
 * Settles, after a round in which the server has taken a resource, that it takes others than those that had failed, unless so many
 * had that it failed for all. What holds of a resource holds of all versions of it that wait, until one of them is taken.
 */
export function withFaults<Each extends Pick<Pending, 'key' | 'fault'>>(
  pending: readonly Each[],
  shown: Shown,
): readonly Each[] {
  const { isTaking, lastOf } = shown;
  const decided = shown.looksDown ? undefined : 'passed';
  const settle = (fault: Fault | undefined): Fault | undefined => (fault === 'open' && isTaking ? decided : fault);
  const faults = new Map<string, Fault>();
  const note = (key: string | null, fault: Fault | undefined): void => {
    if (key !== null && (fault === 'own' || (fault === 'passed' && !faults.has(key)))) faults.set(key, fault);
  };
  // One that was given up shows it as well.
  for (const [key, last] of lastOf) if (last !== 'done' && last !== 'refused') note(key, settle(last));
  for (const { key, fault } of pending) note(key, settle(fault));
  return pending.map((each) => {
    const { key, fault } = each;
    if (key !== null && lastOf.get(key) === 'done') return withFault(each, undefined);
    return withFault(each, (key === null ? undefined : faults.get(key)) ?? settle(fault));
  });
}

function withFault<Each extends Pick<Pending, 'fault'>>(each: Each, fault: Fault | undefined): Each {
  if (each.fault === fault) return each;
  const { fault: _before, ...rest } = each;
  return { ...rest, ...(fault !== undefined && { fault }) } as Each;
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
   * Why a resource may not wait for which the server has just failed, while it does not fail as a whole. It is not counted itself.
   *
   * @returns undefined where it may
   */
  refusal({ sender, key, fault }: Waiting & Pick<Pending, 'fault'>): string | undefined {
    const versions = this.versionsOf(key);
    // Where they fill the places, nothing else can show whose fault it is.
    const isMost = versions >= PLACES && this.#total + 1 >= MAX_PENDING;
    if ((versions >= VERSIONS && fault === 'own') || isMost) return `${versions} newer versions of it wait`;
    if (fault !== 'own' || this.#total < PLACES) return undefined;
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

/**
 * What to say where nothing more is read, because as many wait as may, and no suspect makes room; undefined where it is read.
 */
export function fullText(pending: readonly (Waiting & Pick<Pending, 'fault'>)[]): string | undefined {
  if (pending.length < MAX_PENDING || (pending.some(isSuspect) && !looksDown(pending))) return undefined;
  return `${new Places(pending).text()}, and nothing more is sent before the server takes some of them, or they are given up by the settings in retry`;
}

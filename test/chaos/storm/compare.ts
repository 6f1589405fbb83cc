/** Compares what should be at a place with what is there, and looks for payloads in logs: decisions only. */

/** What is wrong at one place with the messages of one origin, each named by its id. */
export interface Difference {
  readonly lost: readonly string[];
  readonly twice: readonly string[];
  readonly outOfOrder: readonly string[];
  /** What must not be there. */
  readonly leaked: readonly string[];
}

/** One record as it was found. */
export interface Found {
  readonly id: string;
  /** When it was written, in milliseconds since 1970. */
  readonly time: number;
}

/** What has to be there, in the order in which it has to be. */
export interface Expected {
  readonly id: string;
  /** It must not be there before this; absent: it may be at any time. */
  readonly notBefore?: number;
}

/**
 * @param expected each id is in it once
 * @param found what is from this origin, in the order of the records
 */
export function compare(expected: readonly Expected[], found: readonly Found[]): Difference {
  const places = new Map(expected.map(({ id }, place) => [id, place]));
  const seen = new Set<string>();
  const twice: string[] = [];
  const outOfOrder: string[] = [];
  const leaked: string[] = [];
  let furthest = -1;
  for (const { id, time } of found) {
    const place = places.get(id);
    if (place === undefined || time < (expected[place]?.notBefore ?? 0)) leaked.push(id);
    if (seen.has(id)) twice.push(id);
    else if (place !== undefined) {
      if (place < furthest) outOfOrder.push(id);
      furthest = Math.max(furthest, place);
    }
    seen.add(id);
  }
  const lost = expected.map(({ id }) => id).filter((id) => !seen.has(id));
  return { lost, twice, outOfOrder, leaked };
}

/** A time in which an origin gave a receiver no access. */
export interface Revoked {
  readonly way: string;
  /** When it was gone, and when it was about to be granted again; in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** Before when a message must not be at the receiver, by the time at which the stream stored it. */
export function notBefore(way: string, storedAt: number, revoked: readonly Revoked[]): number | undefined {
  return revoked.find((each) => each.way === way && storedAt > each.from && storedAt < each.to)?.to;
}

/** How a marker looks in a log that has it as it is, or in base64 at any of its three places. */
export function traces(marker: string): string[] {
  const inBase64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.from(`${'.'.repeat(shift)}${marker}`)
      .toString('base64')
      .replaceAll('=', '');
    // The first and the last letters also depend on what stands before and behind the marker.
    return encoded.slice(shift === 0 ? 0 : shift + 1, -1);
  });
  return [marker, ...inBase64];
}

/** The lines with one of the traces. */
export function linesWith(lines: readonly string[], wanted: readonly string[]): string[] {
  return lines.filter((text) => wanted.some((trace) => text.includes(trace)));
}

const UNITS = [
  { letter: 'd', ms: 86_400_000 },
  { letter: 'h', ms: 3_600_000 },
  { letter: 'm', ms: 60_000 },
  { letter: 's', ms: 1_000 },
] as const;

/** From so many of a unit on its smaller ones are left out, as kubectl does. */
const COARSE = 10;

/** A duration as kubectl writes ages: `5s`, `2m30s`, `3h`, `12d`. */
export function durationText(ms: number): string {
  const first = UNITS.findIndex((unit) => ms >= unit.ms);
  const unit = UNITS[first];
  if (unit === undefined) return '0s';
  const count = Math.floor(ms / unit.ms);
  const below = UNITS[first + 1];
  const rest = below === undefined || count >= COARSE ? 0 : Math.floor((ms % unit.ms) / below.ms);
  return `${count}${unit.letter}${rest > 0 && below ? `${rest}${below.letter}` : ''}`;
}

/** How long ago a time of the API was; `-` where there is none. */
export function ageText(time: string | undefined, now: number): string {
  const ms = Date.parse(time ?? '');
  return Number.isNaN(ms) ? '-' : durationText(Math.max(0, now - ms));
}

/** Reads `90s`, `5m` or `1h`. @returns milliseconds; undefined for anything else */
export function parseDuration(text: string): number | undefined {
  const [, count, letter] = /^(\d{1,6})([dhms])$/.exec(text) ?? [];
  const unit = UNITS.find((each) => each.letter === letter);
  return unit && Number(count) * unit.ms;
}

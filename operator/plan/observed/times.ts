/** A time as the API, NATS and the sidecars write it, in milliseconds since 1970; undefined where there is none. */
export function parseTime(text: string | null | undefined): number | undefined {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? undefined : time;
}

/** A time as it is written into a status. */
export function statusTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

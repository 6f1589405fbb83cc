import type { PeerObject } from '../../operator/plan/observed/observed.ts';

type Redrive = NonNullable<NonNullable<PeerObject['spec']['receive']>['redrive']>;
export type RedriveStatus = NonNullable<NonNullable<PeerObject['status']>['redrive']>;

export interface RedriveWish {
  /** Absent: of any. */
  readonly reasons: readonly string[] | undefined;
  readonly since: string | undefined;
  readonly dryRun: boolean;
  /** Absent: the next one. */
  readonly id: string | undefined;
}

/**
 * The redrive to ask for, as a merge patch. A dry run uses no id up; so what it has counted is then done under the same one.
 *
 * @param today such as `2026-11-28`
 */
export function redrivePatch({ spec, status }: PeerObject, wish: RedriveWish, today: string): Redrive & object {
  const known = [spec.receive?.redrive, status?.redrive].flatMap((each) => (each?.id === undefined ? [] : [each]));
  const used = known.filter(({ dryRun }) => !dryRun).map(({ id = '' }) => id);
  const counted = known.map(({ id = '' }) => id).find((id) => !used.includes(id));
  const patch = {
    id: wish.id ?? counted ?? nextId(used, today),
    // An earlier redrive may have had them.
    reasons: wish.reasons ?? null,
    since: wish.since ?? null,
    dryRun: wish.dryRun,
  };
  return patch as unknown as Redrive;
}

/** The day, and from the second one of a day on a number behind it. */
export function nextId(used: readonly string[], today: string): string {
  for (let n = 1; ; n += 1) {
    const id = n === 1 ? today : `${today}.${n}`;
    if (!used.includes(id)) return id;
  }
}

/** Whether a status is about this redrive, and nothing more comes of it. */
export function isOver(status: RedriveStatus | undefined, asked: Redrive): boolean {
  return isOf(status, asked) && status.state === 'Done';
}

function isOf(status: RedriveStatus | undefined, { id, dryRun = false }: Redrive): status is RedriveStatus {
  return status?.id === id && (status.dryRun ?? false) === dryRun;
}

/** One line. */
export function redriveText(status: RedriveStatus | undefined, asked: Redrive): string {
  if (!isOf(status, asked)) return `redrive ${asked.id}: not begun yet`;
  const { found = 0, replayed = 0, rejected = 0, missing = 0 } = status;
  const what = status.dryRun ? 'would be replayed' : 'replayed';
  const counts = `${found} found, ${replayed} ${what}, ${rejected} still rejected, ${missing} missing`;
  return [`redrive ${asked.id} ${status.state}: ${counts}`, status.message].filter(Boolean).join('; ');
}

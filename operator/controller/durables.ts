import type { DurableConfig } from '../../common/contract/durable.ts';
import { otherDurable, STREAM } from '../../common/contract/names.ts';
import { InvalidInputError, messageOf, TransientError } from '../../common/errors.ts';
import { type Consumer, isUpToDate, type JetStream } from '../nats/consumers.ts';
import { JetStreamRefusal } from '../nats/request.ts';
import { isDue } from '../plan/nats/durable-attempts.ts';
import type { DurableAttempt, DurableAttempts, ObservedNats } from '../plan/observed/observed.ts';
import { forEachAtOnce } from './at-once.ts';

/** How many durables are written or removed at once: each is two round trips, and two hundred in a row take seconds. */
const DURABLES_AT_ONCE = 16;

type Found = Pick<
  ObservedNats,
  'streamFirst' | 'streamFirstTime' | 'streamMaxAge' | 'streamLast' | 'durables' | 'problem' | 'durableAttempts'
>;

/** What is planned for the durables of a node's stream. */
interface PlannedDurables {
  /** Those that are made. */
  readonly durables: readonly DurableConfig[];
  /** Names of those that are neither made nor removed. */
  readonly keptDurables: readonly string[];
}

/**
 * Makes the durables that peers need, and removes those that no peer needs.
 *
 * One that the server refuses leaves the others to be made. If JetStream does not *answer*, it ends at once: two hundred peers
 * would otherwise wait for it two hundred times.
 *
 * Where the client of a peer has changed, the durable of the former client is its predecessor. It stays until the new one was used,
 * so that there is always one that knows how far the peer has got, whatever crashes in between, and also where somebody changes the
 * client back (ADR 29).
 *
 * @param before what became of earlier attempts
 * @param now in milliseconds since 1970
 * @param live whether every server runs the configuration in which peers have these durables; only then nobody reaches the
 *   predecessor of one any more
 */
export async function reconcileDurables(
  jetStream: JetStream,
  planned: PlannedDurables,
  before: DurableAttempts,
  now: number,
  live: boolean,
): Promise<Found> {
  let found: Found = { streamFirst: undefined, streamLast: undefined, durables: undefined, problem: undefined };
  try {
    const bounds = await jetStream.bounds(STREAM);
    if (bounds === undefined) return { ...found, durables: [] };
    found = { ...found, streamFirst: bounds.first, streamFirstTime: bounds.firstTime, streamMaxAge: bounds.maxAge };
    const durables = await jetStream.durables(STREAM, planned.durables.length);
    found = { ...found, durables };
    found = { ...found, ...(await writeDurables(jetStream, planned, durables, before, now, live)) };
    // Asked for last, because a message that comes in between may be read and acknowledged at once.
    return { ...found, streamLast: (await jetStream.bounds(STREAM))?.last };
  } catch (error) {
    if (!(error instanceof TransientError) && !(error instanceof InvalidInputError)) throw error;
    return { ...found, problem: messageOf(error) };
  }
}

async function writeDurables(
  jetStream: JetStream,
  { durables: wanted, keptDurables }: PlannedDurables,
  durables: readonly Consumer[],
  before: DurableAttempts,
  now: number,
  live: boolean,
): Promise<Pick<Found, 'durables' | 'durableAttempts' | 'problem'>> {
  const names = new Set(wanted.map(({ durable_name }) => durable_name));
  const byName = new Map(durables.map((each) => [each.name, each]));
  const kept = new Set(keptDurables.flatMap((name) => [name, otherDurable(name)]));
  const isNeeded = (name: string): boolean => names.has(name) && byName.get(name)?.isUsed !== true;
  const unwanted = durables.filter(({ name }) => !names.has(name) && !kept.has(name) && !isNeeded(otherDurable(name)));
  // First, since each may stand in the way of a new one, where the stream has a limit.
  const problem = await removeAll(jetStream, unwanted);

  const outdated = outdatedIn(wanted, durables);
  const earlier = outdated.flatMap((each) => before.get(each.durable_name) ?? []);
  const attempts = new Map(earlier.map((attempt) => [attempt.wanted.durable_name, attempt]));
  const predecessorOf = ({ durable_name }: DurableConfig): Consumer | undefined =>
    byName.get(otherDurable(durable_name));
  const due = outdated.filter((each) => {
    const waits = !live && !byName.has(each.durable_name) && predecessorOf(each) !== undefined;
    return !waits && isDue(before.get(each.durable_name), each, configIn(durables, each), now);
  });
  const refusals = new Map<string, DurableAttempt['refusal']>();
  await forEachAtOnce(due, DURABLES_AT_ONCE, async (each) => {
    refusals.set(each.durable_name, await write(jetStream, each, predecessorOf(each)?.ackFloor));
  });
  if (unwanted.length + due.length === 0) return { durables, durableAttempts: attempts, problem };

  const after = await jetStream.durables(STREAM, wanted.length);
  for (const each of due) attempts.delete(each.durable_name);
  for (const each of outdatedIn(due, after)) {
    const refusal = refusals.get(each.durable_name);
    attempts.set(each.durable_name, { wanted: each, found: configIn(after, each), at: now, refusal });
  }
  return { durables: after, durableAttempts: attempts, problem };
}

/** Removes durables that no peer needs. @returns what the server says of one that it does not remove; the others are gone */
async function removeAll(jetStream: JetStream, unwanted: readonly Consumer[]): Promise<string | undefined> {
  let problem: string | undefined;
  await forEachAtOnce(unwanted, DURABLES_AT_ONCE, async ({ name }) => {
    try {
      await jetStream.removeDurable(STREAM, name);
    } catch (error) {
      if (!(error instanceof JetStreamRefusal)) throw error;
      problem ??= error.message;
    }
  });
  return problem;
}

/** @returns why the server refuses; undefined where it took the durable */
async function write(
  jetStream: JetStream,
  wanted: DurableConfig,
  after: number | undefined,
): Promise<DurableAttempt['refusal']> {
  try {
    await jetStream.ensureDurable(STREAM, wanted, after);
    return undefined;
  } catch (error) {
    if (!(error instanceof JetStreamRefusal)) throw error;
    return { message: error.message, lasting: error.lasting };
  }
}

function outdatedIn(wanted: readonly DurableConfig[], durables: readonly Consumer[]): DurableConfig[] {
  return wanted.filter((each) => {
    const config = configIn(durables, each);
    return !config || !isUpToDate(config, each);
  });
}

function configIn(durables: readonly Consumer[], { durable_name }: DurableConfig): Consumer['config'] | undefined {
  return durables.find(({ name }) => name === durable_name)?.config;
}

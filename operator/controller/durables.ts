import type { DurableConfig } from '../../common/contract/durable.ts';
import { STREAM } from '../../common/contract/names.ts';
import { InvalidInputError, messageOf, TransientError } from '../../common/errors.ts';
import { type Consumer, isUpToDate, type JetStream } from '../nats/consumers.ts';
import { JetStreamRefusal } from '../nats/request.ts';
import { isDue } from '../plan/nats/durable-attempts.ts';
import type { DurableAttempt, DurableAttempts, ObservedNats } from '../plan/observed/observed.ts';

type Found = Pick<
  ObservedNats,
  'streamFirst' | 'streamFirstTime' | 'streamMaxAge' | 'streamLast' | 'durables' | 'problem' | 'durableAttempts'
>;

/**
 * Makes the durables that peers need, and removes those that no peer needs.
 *
 * One that the server refuses leaves the others to be made. If JetStream does not *answer*, it ends at once: two hundred peers
 * would otherwise wait for it two hundred times.
 *
 * @param before what became of earlier attempts
 * @param now in milliseconds since 1970
 */
export async function reconcileDurables(
  jetStream: JetStream,
  wanted: readonly DurableConfig[],
  before: DurableAttempts,
  now: number,
): Promise<Found> {
  let found: Found = { streamFirst: undefined, streamLast: undefined, durables: undefined, problem: undefined };
  try {
    const bounds = await jetStream.bounds(STREAM);
    if (bounds === undefined) return { ...found, durables: [] };
    found = { ...found, streamFirst: bounds.first, streamFirstTime: bounds.firstTime, streamMaxAge: bounds.maxAge };
    const durables = await jetStream.durables(STREAM, wanted.length);
    found = { ...found, durables };
    found = { ...found, ...(await writeDurables(jetStream, wanted, durables, before, now)) };
    // Asked for last, because a message that comes in between may be read and acknowledged at once.
    return { ...found, streamLast: (await jetStream.bounds(STREAM))?.last };
  } catch (error) {
    if (!(error instanceof TransientError) && !(error instanceof InvalidInputError)) throw error;
    return { ...found, problem: messageOf(error) };
  }
}

async function writeDurables(
  jetStream: JetStream,
  wanted: readonly DurableConfig[],
  durables: readonly Consumer[],
  before: DurableAttempts,
  now: number,
): Promise<Pick<Found, 'durables' | 'durableAttempts' | 'problem'>> {
  const names = new Set(wanted.map(({ durable_name }) => durable_name));
  const unwanted = durables.filter(({ name }) => !names.has(name));
  // First, since each may stand in the way of a new one, where the stream has a limit.
  const problem = await removeAll(jetStream, unwanted);

  const outdated = outdatedIn(wanted, durables);
  const kept = outdated.flatMap((each) => before.get(each.durable_name) ?? []);
  const attempts = new Map(kept.map((attempt) => [attempt.wanted.durable_name, attempt]));
  const due = outdated.filter((each) => {
    return isDue(before.get(each.durable_name), each, configIn(durables, each), now);
  });
  const refusals = new Map<string, DurableAttempt['refusal']>();
  for (const each of due) refusals.set(each.durable_name, await write(jetStream, each));
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
  for (const { name } of unwanted) {
    try {
      await jetStream.removeDurable(STREAM, name);
    } catch (error) {
      if (!(error instanceof JetStreamRefusal)) throw error;
      problem ??= error.message;
    }
  }
  return problem;
}

/** @returns why the server refuses; undefined where it took the durable */
async function write(jetStream: JetStream, wanted: DurableConfig): Promise<DurableAttempt['refusal']> {
  try {
    await jetStream.ensureDurable(STREAM, wanted);
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

import { InvalidInputError, MissingReferenceError, messageOf, TransientError } from '../../common/errors.ts';
import { UsageError } from '../args/parse.ts';
import { CannotAskError } from '../io/errors.ts';
import { isUuid, traceText } from '../trace/places.ts';
import { defineCommand } from './command.ts';

const DEFAULT_HOURS = 24;
const MOST_HOURS = 24 * 366;

export const trace = defineCommand({
  name: 'trace',
  summary: 'Says where a message is: taken in, replayed, rejected and why, or not here yet.',
  description: [
    'It runs beside a sidecar, with its settings and its rights in Kafka, and reads LFH_SYNC and LFH_EXCEPTION of this node. It prints no ' +
      'payload. A message keeps its uuid at every node; connect answers with it when it takes a message in.',
    'Where the message is not found, it says how many messages wait at the peers that this sidecar replays.',
  ],
  arguments: [{ name: 'UUID', required: true, meaning: 'The uuid of the message.' }],
  options: {
    hours: {
      type: 'string',
      value: 'HOURS',
      meaning: `How far back it looks, in hours. Absent: ${DEFAULT_HOURS}. Everything since then is read.`,
    },
  },
  examples: [
    {
      line: 'trace 3c1a1c4e-7d8f-4a53-9d5c-2f6a5b0d7e11',
      meaning: 'kubectl exec -n lfh deploy/connect -c lfh-sync -- node /app/cli/main.js trace …',
    },
  ],
  notWell: 'the message is not here.',
  async run({ arguments: [uuid = ''], options, env, terminal }) {
    if (!isUuid(uuid)) throw new UsageError('UUID has 36 characters, such as 3c1a1c4e-7d8f-4a53-9d5c-2f6a5b0d7e11');
    const hours = Number(options.hours ?? DEFAULT_HOURS);
    if (!(hours > 0 && hours <= MOST_HOURS)) throw new UsageError(`--hours is a number up to ${MOST_HOURS}`);
    // What reads Kafka takes longer to load than all the rest, and no other command needs it.
    const { traceMessage } = await import('../trace/read.ts');
    try {
      const since = Date.now() - hours * 3_600_000;
      const traced = await traceMessage(env, uuid.toLowerCase(), since, (what) => terminal.progress(`reading ${what}`));
      terminal.print(traceText(traced));
      return traced.places.length > 0 ? 'well' : 'notWell';
    } catch (error) {
      if (error instanceof InvalidInputError || error instanceof MissingReferenceError) {
        throw new CannotAskError(`${NOT_BESIDE}: ${messageOf(error)}`, { cause: error });
      }
      if (error instanceof TransientError) throw new CannotAskError(messageOf(error), { cause: error });
      throw error;
    }
  },
});

const NOT_BESIDE =
  'the settings of a sidecar are not here; run it in its container (kubectl exec deploy/connect -c lfh-sync -- node /app/cli/main.js trace UUID)';

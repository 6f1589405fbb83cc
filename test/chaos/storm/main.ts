import { parseArgs } from 'node:util';
import { report } from './report.ts';
import { storm } from './storm.ts';

/**
 * Lets a storm of faults loose on three sites under load, and compares what was sent with what arrived. It prints its seed first, so
 * that a storm which found something can be had again; it ends by itself, with 1 where anything is wrong.
 *
 *   node test/chaos/storm/main.ts [--seed N] [--minutes N] [--rate MESSAGES_PER_SECOND]
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '15' },
    rate: { type: 'string', default: '200' },
  },
});
const [seed = 0, minutes = 0, perSecond = 0] = [values.seed, values.minutes, values.rate].map(Number);
if (!Number.isSafeInteger(seed) || !(minutes >= 1 && minutes <= 120) || !(perSecond >= 10)) {
  throw new Error('usage: make chaos [SEED=<whole number>] [MINUTES=<1 to 120>]');
}
const say = (text: string): void => void process.stdout.write(`${text}\n`);
say(`seed ${seed}: make chaos SEED=${seed} MINUTES=${minutes}`);
const outcome = await storm({ seed, minutes, perSecond, say });
say(`\nseed ${seed}, ${minutes} minutes, ${perSecond} messages a second from each site\n\n${report(outcome)}`);
process.exitCode = outcome.wrong.length > 0 ? 1 : 0;

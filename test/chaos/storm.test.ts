import assert from 'node:assert/strict';
import { redrivenOf, report } from './storm/report.ts';
import { storm } from './storm/storm.ts';

/** What `make chaos` does for longer, and with any seed. In two minutes, this one has 25 of the 35 kinds of faults. */
const SEED = 38839;
const MINUTES = 2;
/** Two cores that run another test beside it bear this. */
const PER_SECOND = 100;
/** Of one sidecar, whatever happens. */
const MOST_MB = 500;

describe('three sites in full mesh, in a storm of faults', function () {
  this.timeout(900_000);

  it('lose, repeat, reorder and leak no message, and log no payload', async () => {
    const said: string[] = [];
    const say = (text: string): void => void said.push(text);
    const outcome = await storm({ seed: SEED, minutes: MINUTES, perSecond: PER_SECOND, say });
    process.stdout.write(`\n${report(outcome)}\n\n`);
    assert.deepEqual(outcome.wrong, [], said.join('\n'));
    assert.ok(outcome.sent > 5_000, `only ${outcome.sent} messages were sent`);
    assert.ok(redrivenOf(outcome.findings) > 100, 'hardly any message was rejected at first, and redriven');
    const transmitted = outcome.transmitted.reduce((sum, { expected }) => sum + expected, 0);
    assert.ok(transmitted > 500, `only ${transmitted} resources were transmitted`);
    assert.ok(outcome.done.length > 10, `only ${outcome.done.length} faults`);
    for (const [sidecar, peak] of outcome.memory) assert.ok(peak < MOST_MB, `${sidecar} had ${peak} MB`);
  });
});

import { load } from 'js-yaml';
import { ANNOUNCE_METRICS } from '../../common/contract/announce-metric-names.ts';
import { METRICS } from '../../common/contract/metric-names.ts';
import { TRANSMIT_METRICS } from '../../common/contract/transmit-metric-names.ts';
import { UsageError } from '../args/parse.ts';
import { didYouMean } from '../args/suggest.ts';
import { type Alert, catalogue, type Entry } from '../explain/catalogue.ts';
import { entriesOf, explanation, listing, namesOf } from '../explain/format.ts';
import { sectionsOf } from '../explain/sections.ts';
import { readShipped } from '../io/shipped.ts';
import { defineCommand } from './command.ts';

export const explain = defineCommand({
  name: 'explain',
  summary: 'Says what a reason, condition, metric or alert means, and what to do. Asks nothing.',
  description: [
    'It says what the documentation says. It needs no cluster and no network. Without a name it lists all that there are.',
  ],
  arguments: [
    {
      name: 'NAME',
      required: false,
      meaning: 'Such as KeyRefused, SendReady, lfh_sync_lag or LfhSyncLagging.',
      completes: 'names',
    },
  ],
  options: {
    output: { type: 'string', short: 'o', value: 'FORMAT', choices: ['text', 'json'], meaning: 'How it is written.' },
  },
  examples: [{ line: 'explain AwaitingPeer', meaning: 'what a condition of a peer means' }],
  async run({ options, arguments: [name], terminal }) {
    const entries = await allEntries();
    const found = name === undefined ? entries : entriesOf(name, entries);
    if (name !== undefined && found.length === 0) {
      const hint = didYouMean(name, namesOf(entries));
      throw new UsageError(`nothing is named ${name}${hint || ': explain without a name lists all that there are'}`);
    }
    if (options.output === 'json') terminal.print(JSON.stringify(found, undefined, 2));
    else terminal.print(name === undefined ? listing(found) : explanation(found, terminal.width));
    return 'well';
  },
});

/** Everything that can be explained. */
export async function allEntries(): Promise<Entry[]> {
  const [{ OPERATOR_METRICS }, alerts, page] = await Promise.all([
    import('../../operator/metrics.ts'),
    readShipped('alerts'),
    readShipped('alertsPage'),
  ]);
  const metrics = [
    { of: 'of the sidecar', heading: 'the-sidecar', metrics: METRICS },
    { of: 'of the announcements', heading: 'the-announcements', metrics: ANNOUNCE_METRICS },
    {
      of: 'of the transmission to FHIR servers',
      heading: 'the-transmission-to-fhir-servers',
      metrics: TRANSMIT_METRICS,
    },
    { of: 'of the operator', heading: 'the-operator', metrics: OPERATOR_METRICS },
  ];
  return catalogue(metrics, load(alerts) as readonly Alert[], sectionsOf(page));
}

import { EXCEPTION_TOPIC, SYNC_TOPIC } from '../../common/contract/names.ts';
import type { SidecarStatus } from '../../common/contract/status.ts';
import { createLogger } from '../../common/log.ts';
import { splitHostPort } from '../../common/server-url.ts';
import { QUICK_RETRY } from '../../sidecar/kafka/client.ts';
import { Clients } from '../../sidecar/kafka/connections.ts';
import { translate } from '../../sidecar/kafka/errors.ts';
import { Fetcher } from '../../sidecar/kafka/fetch.ts';
import { kafkaOptions } from '../../sidecar/kafka/options.ts';
import { Topics } from '../../sidecar/kafka/topics.ts';
import { loadSettings } from '../../sidecar/settings/settings.ts';
import { exceptionPlace, type Place, syncPlace, type Traced, type TracedRecord } from './places.ts';

/** Reads where a message is, beside a sidecar: with its settings, from its Kafka and from its own status. */

type PlaceOf = (record: TracedRecord, partition: number, uuid: string) => Place | undefined;

const TOPICS: readonly (readonly [topic: string, placeOf: PlaceOf])[] = [
  [SYNC_TOPIC, syncPlace],
  [EXCEPTION_TOPIC, exceptionPlace],
];

/**
 * @param env of the sidecar's container
 * @param since how far back to look, in milliseconds since 1970
 * @param tell is told how far it is
 * @throws InvalidInputError or MissingReferenceError where these are not the settings of a sidecar, TransientError where Kafka does not
 *   answer or does not let one read
 */
export async function traceMessage(
  env: NodeJS.ProcessEnv,
  uuid: string,
  since: number,
  tell: (what: string) => void,
): Promise<Traced> {
  const settings = await loadSettings(env);
  const log = createLogger({ name: 'lfh-sync-trace', level: 'fatal' });
  const options = kafkaOptions(settings, log);
  const clients = new Clients(options);
  try {
    const places = await readPlaces(
      clients,
      new Topics(() => clients.open(QUICK_RETRY), options, log),
      uuid,
      since,
      tell,
    );
    return { uuid, lfhId: settings.lfhId, places, since, sidecar: await askSidecar(settings.httpAddress) };
  } finally {
    clients.end();
  }
}

async function readPlaces(
  clients: Clients,
  topics: Topics,
  uuid: string,
  since: number,
  tell: (what: string) => void,
): Promise<Place[]> {
  const client = clients.open(QUICK_RETRY);
  const fetcher = new Fetcher(client.kafka);
  const found: Place[] = [];
  for (const [topic, placeOf] of TOPICS) {
    try {
      await client.guard(fetcher.connect());
      const partitions = (await topics.count([topic])).get(topic) ?? 0;
      for (let partition = 0; partition < partitions; partition += 1) {
        const first = await client.guard(fetcher.offsetSince(topic, partition, since));
        for (let next = first; next !== undefined; ) {
          tell(`${topic}:${partition}:${next}`);
          const page = await client.guard(fetcher.fetch(topic, partition, next));
          found.push(...page.records.flatMap((record) => placeOf(record, partition, uuid) ?? []));
          next = page.next > next && page.next < page.lastStable ? page.next : undefined;
        }
      }
    } catch (error) {
      throw translate(error, `read ${topic}`, { topic, right: 'READ' });
    }
  }
  return found;
}

const ANSWER_MS = 5_000;

/** What the sidecar beside us reports; undefined where it does not answer. */
async function askSidecar(httpAddress: string): Promise<SidecarStatus | undefined> {
  try {
    const { port } = splitHostPort(httpAddress);
    const response = await fetch(`http://127.0.0.1:${port}/status`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return response.ok ? ((await response.json()) as SidecarStatus) : undefined;
  } catch {
    return undefined;
  }
}

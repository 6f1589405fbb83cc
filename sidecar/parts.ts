import { createLogger, type Logger } from '../common/log.ts';
import { type OpenKafka, openKafka } from './kafka/open.ts';
import { kafkaOptions } from './kafka/options.ts';
import { type LocalNats, openLocalNats } from './nats/local-nats.ts';
import { localNatsOptions, peerStreamOptions } from './nats/options.ts';
import { openPeerStream } from './nats/peer-stream.ts';
import type { OpenStream } from './session/supervisor.ts';
import { type LoadedSettings, loadSettings } from './settings/settings.ts';

/** What a sidecar is put together from. Nothing of it is connected yet. */
export interface Parts {
  /** Where the settings are looked for, at the start and from then on. */
  readonly env: NodeJS.ProcessEnv;
  readonly settings: LoadedSettings;
  readonly log: Logger;
  readonly kafka: OpenKafka;
  readonly localNats: LocalNats;
  readonly openStream: OpenStream;
}

/**
 * Loads the settings, and makes the parts that they ask for, over the real Kafka and NATS.
 *
 * @throws InvalidInputError or MissingReferenceError when the settings are wrong
 */
export async function makeParts(env: NodeJS.ProcessEnv): Promise<Parts> {
  const settings = await loadSettings(env);
  const log = createLogger({ name: 'lfh-sync-sidecar', level: settings.logLevel });
  return {
    env,
    settings,
    log,
    kafka: openKafka(kafkaOptions(settings, log)),
    localNats: openLocalNats(localNatsOptions(settings, log)),
    openStream: (...request) => openPeerStream(peerStreamOptions(...request)),
  };
}

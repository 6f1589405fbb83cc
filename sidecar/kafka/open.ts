import type { AnnounceLogPort, KafkaPort, TransmitPort } from '../ports.ts';
import { type KafkaConnection, NO_RETRY, PATIENT_RETRY, QUICK_RETRY } from './client.ts';
import { type Client, Clients } from './connections.ts';
import { fenceAndReadPosition } from './fence.ts';
import { Owners } from './owners.ts';
import { takeOverRedrive } from './redrive-log.ts';
import type { TopicDefaults } from './topic-rules.ts';
import { Topics } from './topics.ts';
import { takeOverAnnouncements, takeOverTransmission } from './transmit-log.ts';

export interface KafkaOptions extends KafkaConnection, TopicDefaults {
  /** The node's name. It is part of the transactional ids and of the group's id. */
  readonly node: string;
}

export interface OpenKafka extends KafkaPort, TransmitPort, AnnounceLogPort {
  readonly owners: Owners;
  /** What a person should know of the topics in use, although all is well; undefined: nothing. */
  readonly remark: string | undefined;
  /** Leaves the group and closes the shared clients. Each writer is closed by the session that took it over. */
  close(): Promise<void>;
  /** Gives up whatever is still waited for, at once: no connection is left, and none is made again. */
  abandon(): void;
}

/** Opens the local Kafka. It connects when it is first needed and reconnects after every failure; nothing is thrown here. */
export function openKafka(options: KafkaOptions): OpenKafka {
  const clients = new Clients(options);
  const patient = (): Client => clients.open(PATIENT_RETRY);
  const quick = (): Client => clients.open(QUICK_RETRY);
  const once = (): Client => clients.open(NO_RETRY);
  const topics = new Topics(patient, options, options.log);
  const owners = new Owners(once, options.node, options.log);
  const parts = { open: quick, topics, node: options.node, log: options.log };
  return {
    owners,
    get remark() {
      return topics.remark;
    },
    takeOver: (peer) => fenceAndReadPosition(parts, peer),
    takeOverRedrive: (peer) => takeOverRedrive(parts, peer),
    takeOverTransmission: (server) => takeOverTransmission(parts, server),
    takeOverAnnouncements: (since) => takeOverAnnouncements(parts, since),
    ensureTopics: (names, how) => topics.ensure(names, how),
    close: async () => {
      await owners.stop();
      await topics.disconnect();
      clients.end();
    },
    abandon: () => clients.end(),
  };
}

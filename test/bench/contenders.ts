import { join } from 'node:path';
import { createUser } from 'nkeys.js';
import { inboxPrefix, STREAM, syncName } from '../../common/contract/names.ts';
import { NODE_OPTIONS } from '../../operator/plan/injection/container.ts';
import { ServerProcess } from '../kit/processes/process.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import type { BridgeSettings } from './bridges/bridge.ts';
import type { Stage } from './stage.ts';

/** Somebody who brings the origin's messages into the receiver's Kafka. */
export interface Contender {
  readonly name: string;
  /** As whom it signs in at the origin. */
  readonly lfhId: string;
  /** Where the messages go as they are; one partition. */
  readonly rawTopic: string;
  /** Topics that are emptied before each turn; made where they are missing. */
  readonly topics: readonly string[];
  /** The topic of its position, which is deleted, and made by itself. */
  readonly positionTopic?: string;
  /** Starts it as a process of its own. Resolves at once, or when it is known to run. */
  readonly launch: () => Promise<Launched>;
}

export interface Launched {
  readonly process: ServerProcess;
  readonly stop: () => Promise<void>;
}

/** Resolves as `work` does. @throws with the end of its log when the contender ends before that */
export function whileItRuns<Result>({ process: running }: Launched, work: Promise<Result>): Promise<Result> {
  const ended = running.exited().then((code): never => {
    throw new Error(`${running.name} has ended with ${code}; it said:\n${running.tail(60)}`);
  });
  return Promise.race([work, ended]);
}

const ROOT = join(import.meta.dirname, '..', '..');
/** As `npm run build` compiles it, and as it is in the image. */
export const SIDECAR = join(ROOT, 'dist', 'sidecar', 'main.js');
/** How Kubernetes starts the sidecar. The bridges are started so as well. */
export const AS_IN_KUBERNETES = { NODE_OPTIONS };
const BRIDGES = join(import.meta.dirname, 'bridges');

/** The sidecar, with the settings that it has by default; only that it announces nothing, as the others do not either. */
export async function ours({ origin, receiver }: Stage): Promise<Contender> {
  await origin.grantAccess(receiver);
  const settings = { LFH_SYNC_ANNOUNCE: 'false', LFH_SYNC_LOG_LEVEL: 'info' };
  const options = { peers: [{ site: origin }], settings, main: SIDECAR, env: AS_IN_KUBERNETES };
  return {
    name: 'lfh-sync',
    lfhId: receiver.lfhId,
    rawTopic: 'LFH_SYNC',
    topics: ['LFH_SYNC', 'FHIR-R4'],
    positionTopic: `LFH_SYNC_POSITION_${syncName(origin.lfhId)}`,
    async launch() {
      const sidecar = await SidecarProcess.start(receiver, options);
      return { process: sidecar.process, stop: () => sidecar.stop() };
    },
  };
}

/**
 * What a sidecar holds by default. nats-server disconnects a client that has more than 64 MB to read, and nats.js then asks for as
 * much again, for ever.
 */
const AHEAD = { messages: 4_000, bytes: 16_000_000 };

/** Any program that takes {@link BridgeSettings} as its last argument. */
export async function command(stage: Stage, name: string, program: readonly string[]): Promise<Contender> {
  const { origin, receiver } = stage;
  const lfhId = name.replaceAll(/\W+/g, '-');
  const key = createUser();
  await origin.grantAccess({ lfhId, publicKey: key.getPublicKey() });
  const topics = { raw: `${lfhId}-raw`, data: `${lfhId}-data`, position: `${lfhId}-position` };
  const settings: Omit<BridgeSettings, 'ahead'> = {
    server: origin.nats.url,
    ca: origin.ca.ca,
    seed: new TextDecoder().decode(key.getSeed()),
    inboxPrefix: inboxPrefix(syncName(lfhId)),
    stream: STREAM,
    durable: syncName(lfhId),
    brokers: receiver.kafka.brokers,
    topics,
  };
  return {
    name,
    lfhId,
    rawTopic: topics.raw,
    topics: Object.values(topics),
    async launch() {
      const ahead = Math.min(AHEAD.messages, Math.ceil(AHEAD.bytes / Math.max(1, stage.messageBytes)));
      const started = new ServerProcess(
        name,
        [...program, JSON.stringify({ ...settings, ahead })],
        join(receiver.directory, `${lfhId}.log`),
        AS_IN_KUBERNETES,
      );
      return { process: started, stop: () => started.stop() };
    },
  };
}

/** The bridges, and what `BENCH_COMMAND` names: `name=program argument …`. */
export async function others(stage: Stage): Promise<Contender[]> {
  const bridges = [
    await command(stage, 'bridge on kafkajs', [process.execPath, join(BRIDGES, 'kafkajs.ts')]),
    await command(stage, 'bridge on platformatic', [process.execPath, join(BRIDGES, 'platformatic.ts')]),
  ];
  const given = process.env.BENCH_COMMAND;
  if (given === undefined) return bridges;
  const [, name = '', program = ''] = /^([^=]+)=(.+)$/s.exec(given) ?? [];
  if (program === '') throw new Error('BENCH_COMMAND has to be like: name=program argument …');
  return [...bridges, await command(stage, name, program.trim().split(/\s+/))];
}

import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { createUser } from 'nkeys.js';
import { inboxPrefix, syncName } from '../../../common/contract/names.ts';
import type { PeerStatus } from '../../../common/contract/status.ts';
import { until } from '../../kit/processes/process.ts';
import type { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import type { Behaviour, FhirServer } from '../../kit/servers/fhir-server.ts';
import type { KafkaServer } from '../../kit/servers/kafka.ts';
import type { Line, LineState } from '../../kit/servers/line.ts';
import type { Revoked } from './compare.ts';
import type { Origin } from './origin.ts';
import { type Fault, type FaultName, originOf, receiverOf, type SiteName, siteOf } from './schedule.ts';
import type { StormSite } from './storm-site.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

/** For so long a step of a fault is tried again while another fault keeps it from being done. */
const PATIENCE_MS = 300_000;
/** How long all receivers are waited for where a fault would take what they have not replayed yet. */
const DRAINED_MS = 90_000;
const SLOW: LineState = { bytesPerSecond: 20_000 };

/** What faults happen to. */
export interface Stage {
  readonly site: (name: SiteName) => StormSite;
  readonly origin: (name: SiteName) => Origin;
  readonly all: readonly StormSite[];
  /** When which receiver had no access; faults add to it. */
  readonly revoked: Revoked[];
}

/** A fault that was not caused, because it would have taken messages that a receiver did not have yet. */
export class LeftOutError extends Error {
  override readonly name = 'LeftOutError';
}

type Perform = (stage: Stage, fault: Fault) => Promise<unknown>;

const PERFORM: Readonly<Record<FaultName, Perform>> = {
  'sidecar: kill -9': onSidecar(async (sidecar, ms) => {
    await sidecar.kill();
    await sleep(ms);
    await startAgain(sidecar);
  }),
  'sidecar: restart': onSidecar(async (sidecar, ms) => {
    await sidecar.stop();
    await sleep(ms);
    await startAgain(sidecar);
  }),
  'sidecar: SIGSTOP': onSidecar(async (sidecar, ms) => {
    await sidecar.process.pause();
    await sleep(ms);
    sidecar.process.resume();
  }),
  'NATS: kill -9': async (stage, { where, for: ms }) => {
    const { nats } = stage.site(siteOf(where)).site;
    await nats.kill();
    await sleep(ms);
    await startAgain(nats);
  },
  'NATS: restart': async (stage, { where, for: ms }) => {
    const { nats } = stage.site(siteOf(where)).site;
    await nats.stop();
    await sleep(ms);
    await startAgain(nats);
  },
  'NATS: SIGSTOP': async (stage, { where, for: ms }) => {
    const { nats } = stage.site(siteOf(where)).site;
    await nats.process.pause();
    await sleep(ms);
    nats.process.resume();
  },
  'Kafka: kill -9': onBroker(async (broker, ms) => {
    await broker.kill();
    await sleep(ms);
    await startAgain(broker);
  }),
  'Kafka: restart': onBroker(async (broker, ms) => {
    await broker.stop();
    await sleep(ms);
    await startAgain(broker);
  }),
  'Kafka: SIGSTOP': onBroker(async (broker, ms) => {
    await broker.pause();
    await sleep(ms);
    broker.resume();
  }),
  'Kafka: leaders move': (stage, { where }) => moveLeaders(stage.site(siteOf(where))),
  'Kafka: refuses writes': (stage, { where, for: ms }) => refuseWrites(stage.site(siteOf(where)), ms),
  'line to Kafka: cut': onLine('cut'),
  'line to Kafka: still': onLine('still'),
  'line to Kafka: slow': onLine(SLOW),
  'line to a peer: cut': onLine('cut'),
  'line to a peer: still': onLine('still'),
  'line to a peer: slow': onLine(SLOW),
  'messages: malformed': (stage, { where }) => stage.origin(siteOf(where)).sendMalformed(),
  'messages: large': (stage, { where }) => stage.origin(siteOf(where)).sendLarge(),
  'rejected: allowed for a while, and redriven': async (stage, { where, for: ms }) => {
    const site = stage.site(siteOf(where));
    await site.askForRedrive(`at-${Date.now()}`);
    await sleep(ms);
    await site.askForRedrive(undefined);
  },
  'FHIR server: down': onFhir(async (server, ms) => {
    await server.stop();
    await sleep(ms);
    await startAgain(server);
  }),
  'FHIR server: answers 500': onFhir(behaving({ status: 500 })),
  'FHIR server: asks for patience': onFhir(behaving({ status: 429, headers: { 'retry-after': '5' } })),
  'FHIR server: hangs': onFhir(behaving('hang')),
  'FHIR server: breaks its answers off': onFhir(behaving('cut-head')),
  'durable: paused, so that a backlog grows': async (stage, { where, for: ms }) => {
    const { site } = stage.site(originOf(where));
    await persistently(`pausing ${where}`, () => site.pauseDurable(receiverOf(where), true));
    await sleep(ms);
    await persistently(`releasing ${where}`, () => site.pauseDurable(receiverOf(where), false));
  },
  'durable: deleted and made again': async (stage, { where, for: ms }) => {
    const { site } = stage.site(originOf(where));
    // Where NATS has done it and could not say so any more, the next attempt finds nothing to delete.
    await persistently(`deleting ${where}`, () =>
      site.deleteDurable(receiverOf(where)).catch((error: Error) => {
        if (!/not found/.test(error.message)) throw error;
      }),
    );
    await sleep(ms);
    await persistently(`making ${where}`, () => site.createDurable(receiverOf(where)));
  },
  'durable: somebody else pulls from it': pullAside,
  'stream: what is replayed expires': async (stage, { where }) => {
    const [name, origin] = [siteOf(where), stage.origin(siteOf(where))];
    const floors = await Promise.all(peersOf(stage, name).map(async (peer) => (await origin.durable(peer)).ack_floor));
    await origin.readStored();
    await stage.site(name).site.purge(Math.max(1, Math.min(...floors.map(({ stream_seq }) => stream_seq))));
  },
  'stream: restored from a backup': (stage, { where }) =>
    onStream(stage, where, async (site, origin) => {
      const last = await origin.lastSequence();
      await site.site.restoreStream();
      origin.streamNowEndsAt(last);
    }),
  'stream: recreated': (stage, { where }) =>
    onStream(stage, where, async (site, origin) => {
      await site.site.recreateStream();
      origin.streamNowEndsAt(0);
    }),
  'stream: an older copy put back': putBack,
  'access: taken and granted again': async (stage, { where, for: ms }) => {
    const [origin, receiver] = [stage.site(originOf(where)), stage.site(receiverOf(where))];
    await origin.site.revokeAccess(receiver.name);
    const from = Date.now();
    await sleep(ms);
    stage.revoked.push({ way: where, from, to: Date.now() });
    await origin.grant(receiver);
  },
  'key: rotated': async (stage, { where, for: ms }) => {
    const receiver = stage.site(siteOf(where));
    const [former] = receiver.keys;
    receiver.keys = former ? [createUser(), former] : [createUser()];
    await tellKeys(stage, receiver);
    await receiver.mountKeys();
    await sleep(ms);
    receiver.keys = receiver.keys.slice(0, 1);
    // The peers take the old key away first, as they do where the operator is faster than the kubelet.
    await tellKeys(stage, receiver);
    await receiver.mountKeys();
  },
  'CA: another one': async (stage, { where, for: ms }) => {
    const owner = stage.site(siteOf(where));
    const before = owner.trusted.get(owner.name) ?? owner.site.ca.ca;
    const authority = await createCertificateAuthority(`${owner.name} ${Date.now()}`);
    // Both are trusted for a while. One peer is late: it is told only when the certificate has changed, and
    // meanwhile cannot connect again.
    const [late, ...others] = stage.all.filter((site) => site !== owner);
    await trust([owner, ...others], owner, before + authority.ca);
    await owner.site.nats.reload({ certificate: await authority.issue() });
    for (const site of stage.all.filter((each) => each !== owner)) {
      const line = site.peerLines.get(owner.name);
      line?.set('cut');
      line?.set('whole');
    }
    await sleep(ms);
    await trust(late ? [late] : [], owner, before + authority.ca);
    await trust(stage.all, owner, authority.ca);
  },
};

/** Causes a fault, and mends it. @throws LeftOutError, or what has kept it from being mended */
export async function perform(stage: Stage, fault: Fault): Promise<void> {
  await PERFORM[fault.fault](stage, fault);
}

function onSidecar(act: (sidecar: SidecarProcess, ms: number) => Promise<unknown>): Perform {
  return async (stage, { where, for: ms }) => {
    const sidecar = stage.site(siteOf(where)).sidecars.get(where);
    if (!sidecar) throw new Error(`there is no sidecar ${where}`);
    await act(sidecar, ms);
  };
}

function onBroker(act: (broker: KafkaServer, ms: number) => Promise<unknown>): Perform {
  return async (stage, { where, for: ms }) => {
    const [, id = '1'] = where.split('/');
    const site = stage.site(siteOf(where));
    const broker = site.brokers.find((each) => each.id === Number(id));
    if (!broker) throw new Error(`there is no broker ${where}`);
    await act(broker, ms);
    if (site.cluster) await persistently(`${where} is in step again`, () => isWhole(site));
  };
}

/** Another broker may only be lost when this one has what the others have. */
async function isWhole(site: StormSite): Promise<void> {
  const admin = site.client().admin();
  await admin.connect();
  const topics = await admin.listTopics();
  await admin.disconnect();
  await site.cluster?.isWhole(topics);
}

function onLine(state: LineState): Perform {
  return async (stage, { where, for: ms }) => {
    const line: Line | undefined = where.includes('>')
      ? stage.site(receiverOf(where)).peerLines.get(originOf(where))
      : stage.site(siteOf(where)).kafkaLine;
    if (!line) throw new Error(`there is no line ${where}`);
    line.set(state);
    await sleep(ms);
    line.set('whole');
  };
}

function onFhir(act: (server: FhirServer, ms: number) => Promise<unknown>): Perform {
  return async (stage, { where, for: ms }) => {
    const { fhir } = stage.site(siteOf(where));
    if (!fhir) throw new Error(`there is no FHIR server at ${where}`);
    await act(fhir, ms);
  };
}

function behaving(behaviour: Behaviour): (server: FhirServer, ms: number) => Promise<void> {
  return async (server, ms) => {
    server.everything = behaviour;
    await sleep(ms);
    server.everything = undefined;
  };
}

/** Every partition is led by the next of its replicas, and no broker is lost. */
async function moveLeaders(site: StormSite): Promise<void> {
  const admin = site.client().admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: await admin.listTopics() });
    await admin.alterPartitionReassignments({
      topics: topics.map(({ name, partitions }) => ({
        topic: name,
        partitionAssignment: partitions.map(({ partitionId, replicas: [first = 1, ...others] }) => ({
          partition: partitionId,
          replicas: [...others, first],
        })),
      })),
    });
  } finally {
    await admin.disconnect();
  }
  await isWhole(site);
}

async function refuseWrites(site: StormSite, ms: number): Promise<void> {
  const anybody = {
    resourceType: AclResourceTypes.TOPIC,
    resourceName: 'LFH_SYNC',
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:ANONYMOUS',
    host: '*',
  };
  const all = { ...anybody, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW };
  const write = { ...anybody, operation: AclOperationTypes.WRITE, permissionType: AclPermissionTypes.DENY };
  await withAdmin(site, (admin) => admin.createAcls({ acl: [all, write] }));
  await sleep(ms);
  await withAdmin(site, (admin) => admin.deleteAcls({ filters: [write] }));
}

async function withAdmin(site: StormSite, act: (admin: kafkajs.Admin) => Promise<unknown>): Promise<void> {
  await persistently(`an administrator of the Kafka of ${site.name}`, async () => {
    const admin = site.client().admin();
    try {
      await admin.connect();
      await act(admin);
    } finally {
      await admin.disconnect();
    }
  });
}

/** As a process that was forgotten does: it is handed what it asks for, and replays none of it. */
async function pullAside(stage: Stage, { where }: Fault): Promise<void> {
  const [{ name, site }, receiver] = [stage.site(originOf(where)), stage.site(receiverOf(where))];
  const durable = syncName(receiver.name);
  const inbox = `${inboxPrefix(durable)}.aside`;
  await persistently(`somebody signs in as ${receiver.name}`, async () => {
    const [key] = receiver.keys;
    if (!key) throw new Error(`${receiver.name} has no key`);
    const connection = await site.connectAs({ lfhId: receiver.name, seed: key.getSeed() }, receiver.trusted.get(name));
    connection.subscribe(inbox, { callback: () => undefined });
    const pull = { batch: 40, expires: 4_500_000_000 };
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${durable}`, JSON.stringify(pull), { reply: inbox });
    await connection.flush();
    await sleep(1_000);
    await connection.close();
  });
}

/** Does something to a stream whose messages all receivers have, while nothing is sent. */
async function onStream(
  stage: Stage,
  where: string,
  act: (site: StormSite, origin: Origin) => Promise<void>,
): Promise<void> {
  const [site, origin] = [stage.site(siteOf(where)), stage.origin(siteOf(where))];
  await origin.whileQuiet(async () => {
    await drained(stage, origin, site.name);
    await act(site, origin);
  });
}

/**
 * Waits until every receiver has the last message of a stream. The durable cannot tell: a take-over that still has to find out
 * that the stream is a new one has reset it to its position, which may be behind the end.
 */
async function drained(stage: Stage, origin: Origin, name: SiteName): Promise<void> {
  await origin.readStored();
  const { sequence = 0, time = 0 } = origin.stored.at(-1) ?? {};
  // Several messages may have the same millisecond, and an earlier stream may have had the same sequence.
  const hasLast = ({ position }: PeerStatus): boolean =>
    position !== null && position.sequence >= sequence && Date.parse(position.time ?? '') >= Math.floor(time);
  try {
    await Promise.all(
      peersOf(stage, name).map((peer) => stage.site(peer).waitForPeer(name, 'is replayed', hasLast, DRAINED_MS)),
    );
  } catch (cause) {
    throw new LeftOutError((cause as Error).message, { cause });
  }
}

/**
 * The rule: nothing is replayed of a stream that is behind the position, until a person has decided (docs/operations.md). Where
 * nothing for a receiver was stored before the position since, the replay may also go on behind it.
 */
async function putBack(stage: Stage, { where, for: ms }: Fault): Promise<void> {
  const [{ site }, origin] = [stage.site(siteOf(where)), stage.origin(siteOf(where))];
  // A stream that had nothing when it was copied is a new one to everybody, and none that is behind.
  await moreIsStored(origin);
  const copy = await origin.whileQuiet(() => site.copyStore());
  await sleep(ms);
  await moreIsStored(origin);
  let since = 0;
  await onStream(stage, where, async () => {
    await site.putStoreBack(copy);
    origin.streamNowEndsAt(await origin.lastSequence());
    since = Date.now();
  });
  await rm(copy, { recursive: true });
  const isJudged = ({ reason, position }: PeerStatus): boolean =>
    reason === 'StreamDiverged' || (reason === 'Replaying' && Date.parse(position?.time ?? '') > since);
  await Promise.all(
    peersOf(stage, siteOf(where)).map(async (name) => {
      const receiver = stage.site(name);
      const { reason, position } = await receiver.waitForPeer(siteOf(where), 'is judged', isJudged, PATIENCE_MS);
      if (reason !== 'StreamDiverged') return;
      const time = new Date(Date.parse(String(position?.time)) + 1).toISOString();
      receiver.restarts.set(siteOf(where), { position: position?.sequence, startFrom: { policy: 'Time', time } });
      await receiver.configure();
    }),
  );
}

function moreIsStored(origin: Origin): Promise<void> {
  const before = origin.confirmed.size;
  return until('the stream has more messages than before', () => origin.confirmed.size > before, PATIENCE_MS);
}

/** Every server learns the keys that a site has now, its own as well. */
async function tellKeys(stage: Stage, receiver: StormSite): Promise<void> {
  await receiver.site.setSidecarKeys(receiver.keys);
  for (const origin of stage.all.filter((site) => site !== receiver)) await origin.grant(receiver);
}

async function trust(sites: readonly StormSite[], owner: StormSite, ca: string): Promise<void> {
  for (const site of sites) {
    site.trusted.set(owner.name, ca);
    await site.configure();
  }
}

function peersOf(stage: Stage, name: SiteName): SiteName[] {
  return stage.all.map((site) => site.name).filter((other) => other !== name);
}

/** On a machine that is out of breath a server may be late for its time limit, and is then ended. */
function startAgain(server: { start(): Promise<void> }): Promise<void> {
  return persistently('it starts again', () => server.start());
}

async function persistently(what: string, act: () => Promise<unknown>): Promise<void> {
  const done = async (): Promise<boolean> => {
    await act();
    return true;
  };
  await until(what, done, PATIENCE_MS, 500);
}

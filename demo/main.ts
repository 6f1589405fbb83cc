import { table } from '../test/kit/figures.ts';
import { until } from '../test/kit/processes/process.ts';
import { readTopic, replayedUuids } from '../test/kit/servers/topic-reader.ts';
import { connectMessage } from '../test/kit/sites/connect-message.ts';
import type { Site } from '../test/kit/sites/site.ts';
import { ADMISSION, PATIENT } from './patient.ts';
import { begin, say, showConditions, showLog } from './story.ts';

/**
 * Runs two nodes on this machine, each with its own CA, nats-server and Kafka, and its own sidecar as a process. They are peered from two
 * resources: files of two directories, or with the argument `kubernetes` objects of a real Kubernetes API. Then every message that one
 * takes in appears at the other exactly once, whatever is killed meanwhile.
 */
const STORM = 5_000;
const began = performance.now();
const sent = { a: [] as string[], b: [] as string[] };

const place =
  process.argv[2] === 'kubernetes'
    ? await (await import('./in-kubernetes.ts')).inKubernetes()
    : await (await import('./in-directories.ts')).inDirectories();
try {
  const { a: siteA, b: siteB } = place;
  const [a, b] = [siteA.site, siteB.site];
  const [ofA, ofB] = await Promise.all([siteA.startSidecar(), siteB.startSidecar()]);
  for (const { lfhId, site } of [siteA, siteB])
    say(`${lfhId}: NATS ${site.nats.url}, Kafka ${site.kafka.brokers.join()}`);
  await Promise.all([siteA, siteB].map((site) => site.waitForReason('lfhnode', 'local', 'Ready', 'AllReady')));
  await place.showNodes();

  begin(`hospital-a gets the invitation of hospital-b: ${place.takesInvitation}`);
  const [invitationOfA, invitationOfB] = [await siteA.invitation(), await siteB.invitation()];
  say(shorten(invitationOfB));
  await siteA.applyInvitation(invitationOfB);
  await siteA.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'AwaitingPeer');
  await showConditions(siteA, 'hospital-b');

  begin('hospital-b gets the one of hospital-a, and that is all there is to do');
  await siteB.applyInvitation(invitationOfA);
  await Promise.all([showConditions(siteB, 'hospital-a', 'True'), siteA.waitUntilReady('hospital-b')]);
  say('');
  await place.showPeers();
  say('Each lets the other in: one user, in an account of its own, that may pull its own durable and nothing else.');

  begin('hospital-a takes in a FHIR R4 Patient; connect there announces it on EVENTS.sync');
  const patient = connectMessage({ lfhId: a.lfhId, content: PATIENT });
  await a.announce([patient.payload]);
  sent.a.push(patient.uuid);
  await ofB.waitForPeer(a, 'is replayed', ({ replayed }) => replayed === 1);
  say("The log of hospital-b's sidecar:");
  await showLog(ofB, b.lfhId, ({ uuid }) => uuid === patient.uuid);
  await showRecord(b, 'LFH_SYNC', patient.uuid, 'the very bytes that hospital-a announced');
  await showRecord(b, 'FHIR-R4', patient.uuid, 'the record that connect would have written, with the same uuid');

  begin('It does not go round in a loop');
  say('hospital-b announces the same message, as a node would that passes on what it got.');
  await b.announce([patient.payload]);
  await ofA.waitForPeer(b, 'is skipped', ({ skipped }) => skipped.OwnMessage === 1);
  await showLog(ofA, a.lfhId, ({ msg }) => msg.includes('received a message') || msg.includes('local LFH message'));
  say(`hospital-a's LFH_SYNC holds ${(await readTopic(a.kafka, 'LFH_SYNC')).length} records.`);

  begin('The other way round: hospital-b takes in an HL7 v2 admission');
  const admission = connectMessage({ lfhId: b.lfhId, content: ADMISSION, format: 'HL7-V2', url: '/ingress' });
  await b.announce([admission.payload]);
  sent.b.push(admission.uuid);
  await ofA.waitForPeer(b, 'is replayed', ({ replayed }) => replayed === 1);
  await showRecord(a, 'LFH_SYNC', admission.uuid, 'the very bytes that hospital-b announced');
  await showRecord(a, 'HL7-V2', admission.uuid, 'upstream loses these: it takes everything but X12_… for JSON');

  begin('A message that nobody can read is kept aside, and stops nothing');
  await a.announce([Buffer.from('{"uuid": "this is not a message')]);
  await ofB.waitForPeer(a, 'is rejected', ({ rejected }) => rejected.NotJson === 1);
  const [exception] = await readTopic(b.kafka, 'LFH_EXCEPTION');
  const { error_msg } = JSON.parse(String(exception?.value)) as { error_msg: string };
  say(`LFH_EXCEPTION:${exception?.partition}:${exception?.offset} - ${error_msg}`);
  for (const [name, value] of Object.entries(exception?.headers ?? {})) say(`  ${name}: ${value}`);

  begin(`${STORM} messages, and kill -9 of hospital-b's sidecar in the middle`);
  const storm = Array.from({ length: STORM }, (_, index) =>
    connectMessage({ lfhId: a.lfhId, content: { ...PATIENT, id: `demo-${index}` } }),
  );
  sent.a.push(...storm.map(({ uuid }) => uuid));
  const publishing = a.announce(storm.map(({ payload }) => payload));
  const { replayed } = await ofB.waitForPeer(a, 'is half way', (status) => status.replayed > STORM / 4, 60_000);
  await ofB.kill();
  say(`Killed after ${replayed} messages, in the middle of a transaction or not: it does not matter.`);
  await publishing;
  await ofB.start();
  say('Started again. Kafka notices the dead one after 6 s; then the peer is taken over from the position in Kafka.');
  await until(
    'hospital-b has them all',
    async () => (await replayedUuids(b.kafka)).length >= sent.a.length,
    60_000,
    250,
  );

  begin('What was sent, and what arrived');
  const rows = [await reckon(a, b, sent.a), await reckon(b, a, sent.b)];
  say(table(['', 'sent', 'replayed', 'skipped', 'rejected', 'lost', 'duplicated'], rows).replaceAll('\n', '\n   '));
  say('Every record was read back from Kafka and compared by its uuid.');
  if (rows.some(([, , , , , lost, duplicated]) => lost !== '0' || duplicated !== '0')) process.exitCode = 1;

  begin(`hospital-a deletes its peer hospital-b: ${place.deletesPeer}`);
  await siteA.deletePeer('hospital-b');
  const cut = await ofB.waitForPeer(a, 'is refused', ({ reason }) => reason === 'KeyRefused');
  say(`Its live connection was dropped. The sidecar of hospital-b says: ${cut.message}`);
  await siteB.waitForReason('lfhpeer', 'hospital-a', 'ReceiveReady', 'KeyRefused');
  await showConditions(siteB, 'hospital-a');

  async function reckon(from: Site, to: Site, uuids: readonly string[]): Promise<string[]> {
    const found = await replayedUuids(to.kafka);
    const distinct = new Set(found);
    const { skipped } = await (to === b ? ofB : ofA).peer(from);
    const lost = uuids.filter((uuid) => !distinct.has(uuid)).length;
    const skips = to === a ? skipped.OwnMessage : 0;
    const rejects = (await readTopic(to.kafka, 'LFH_EXCEPTION')).length;
    const figures = [uuids.length + skips + rejects, found.length, skips, rejects, lost, found.length - distinct.size];
    return [`${from.lfhId} to ${to.lfhId}`, ...figures.map(String)];
  }
} finally {
  await place.stop();
  say('');
  say(`Everything is stopped and removed. ${Math.round((performance.now() - began) / 1000)} s.`);
}

/** Without the middle of the certificate. */
function shorten(invitation: string): string {
  return invitation.replace(/(BEGIN CERTIFICATE-----\n.{0,40})[^-]*/s, '$1 ...\n      ');
}

async function showRecord(site: Site, topic: string, uuid: string, remark: string): Promise<void> {
  let found: Awaited<ReturnType<typeof readTopic>>[number] | undefined;
  await until(`${topic} has it`, async () => {
    found = (await readTopic(site.kafka, topic)).find(({ value }) => value.includes(uuid));
    return found !== undefined;
  });
  say(`${site.lfhId}'s Kafka: ${topic}:${found?.partition}:${found?.offset}, ${found?.value.length} bytes - ${remark}`);
}

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exists } from '../../image/cache.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { importImages } from '../cluster/images.ts';
import { siteImages } from '../cluster/site-images.ts';
import { step } from '../cluster/steps.ts';
import { FhirServer } from '../kit/servers/fhir-server.ts';
import { disturb } from './disturbances.ts';
import { Hospital, PATIENCE_MS } from './hospital.ts';
import { HospitalByHand } from './hospital-by-hand.ts';
import { HospitalLedger } from './hospital-ledger.ts';
import { begin, say, showEverything, tellEnd, tellFailure } from './story.ts';
import { takeApart } from './taking-apart.ts';
import { ThirdHospital } from './third-hospital.ts';
import { withCluster } from './with-cluster.ts';

/**
 * Three hospitals in three namespaces of a real cluster: two installed with helm and peered with kubectl, the third as upstream ships
 * it; disturbed, and taken apart. After each step what is in Kafka, and at a FHIR server, is compared with what was taken in. Needs
 * `make image`, and what `make cluster-up` needs.
 */

/** How soon a peer is replayed after it was applied. */
const PROMISED_MS = 15_000;
const IMAGE = join(import.meta.dirname, '..', '..', 'dist/image/lfh-sync.oci.tar');

if (!(await exists(IMAGE))) throw new Error(`no ${IMAGE}: run make image`);
const began = performance.now();
await withCluster(async (cluster) => {
  const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-e2e-'));
  const hospitals: (Hospital | HospitalByHand)[] = [];
  const fhir = await FhirServer.start({ host: await cluster.machineAddress(), conditionalCreate: true });
  try {
    await run(cluster, directory, hospitals, fhir);
    begin('Everything was as it should be');
  } catch (error) {
    tellFailure(error);
    await showEverything(hospitals);
  } finally {
    if (!process.env.LFH_SYNC_KEEP) {
      await step('namespaces and CRDs are removed', () => remove(cluster, hospitals)).catch(tellFailure);
    }
    await fhir.stop();
    await rm(directory, { recursive: true });
  }
});
say(`${Math.round((performance.now() - began) / 1000)} s.`);
tellEnd();

async function run(
  cluster: Cluster,
  directory: string,
  hospitals: (Hospital | HospitalByHand)[],
  fhir: FhirServer,
): Promise<void> {
  begin('Three hospitals, with NATS, Kafka and connect, in a namespace each, where Pod Security enforces `restricted`');
  await step('images are imported', async () => importImages([...(await siteImages()), IMAGE]));
  const create = async <Created extends Hospital | HospitalByHand>(creating: Promise<Created>): Promise<Created> => {
    const hospital = await creating;
    hospitals.push(hospital);
    return hospital;
  };
  const [a, b, c] = await step('all are applied', () =>
    Promise.all([
      create(Hospital.create(cluster, 'hospital-a', directory, { bringsCrds: true, fhirServers: [fhir.url] })),
      create(Hospital.create(cluster, 'hospital-b', directory, { bringsCrds: false })),
      create(HospitalByHand.create(cluster, 'hospital-c')),
    ]),
  );
  const both = [a, b];
  const ledger = new HospitalLedger();
  ledger.link(a, b);
  ledger.link(b, a);

  begin('helm install lfh-sync');
  for (const each of both) await step(`helm install, ${each.lfhId}`, () => each.install());
  await step('NATS, Kafka and connect run', () => Promise.all(both.map(({ site }) => site.running(PATIENCE_MS))));
  await step('both LfhSyncNodes are Ready', () => Promise.all(both.map((each) => each.ready('lfhnode'))));
  await step('nothing is about to end', () => Promise.all(both.map((each) => each.settled())));
  say(await a.kubectl('get', 'lfhnode', '-o', 'wide'));
  await step('helm test', () => Promise.all(both.map((each) => each.test())));

  begin('kubectl apply -f syncpeer.yaml');
  const before = await starts(both);
  await step('hospital-a takes a message in before anybody may receive it', () => ledger.takeIn(a, 1));
  const [ofA, ofB] = [await a.invitation(), await b.invitation()];
  await step('hospital-a applies the invitation of hospital-b', () => a.kubectl('apply', '-f', ofB));
  const applied = performance.now();
  await step('hospital-b applies the one of hospital-a', () => b.kubectl('apply', '-f', ofA));
  await step('both peers are Ready', () => Promise.all(both.map((each) => each.ready('lfhpeer'))));
  assertSoon('both peers are Ready', applied);
  await step('the message is in Kafka of hospital-b', async () => say(await ledger.balance()));
  assertSoon('what was taken in before is replayed', applied);
  for (const each of both) say(await each.kubectl('get', 'lfhpeer', '-o', 'wide'));

  begin('A FHIR message, over HTTP, into connect');
  await step('hospital-a takes one in', () => ledger.takeIn(a, 1));
  await step('it is in Kafka of hospital-b', async () => say(await ledger.balance()));
  await step('and one from hospital-b is in Kafka of hospital-a', async () => {
    await ledger.takeIn(b, 1);
    say(await ledger.balance());
  });
  await step('no pod was restarted for any of this', async () =>
    assert.deepEqual(await starts(both), before, 'a pod was restarted'),
  );

  begin('hospital-c, which has no lfh-sync, is linked with hospital-a in both directions');
  const third = new ThirdHospital(a, c, ledger, fhir);
  await third.link();
  begin('hospital-c and hospital-a are killed, restarted and cut off in turn');
  await third.disturb();

  await disturb(a, b, ledger);
  begin('hospital-a deletes its peer hospital-c');
  await step('before that, nothing is lost, and nothing there twice', () => third.balance());
  await third.takeApart();
  await takeApart(a, b, ledger);
}

async function remove(cluster: Cluster, hospitals: readonly { readonly namespace: string }[]): Promise<void> {
  await Promise.all(hospitals.map(({ namespace }) => cluster.removeNamespace(namespace)));
  const crds = ['lfhsyncnodes', 'lfhsyncpeers'].map((name) => `crd/${name}.sync.linuxforhealth.io`);
  await cluster.kubectl(['delete', ...crds, '--ignore-not-found', '--timeout=60s']);
}

/** The starts of all pods: no pod may restart when only a peer changes. */
async function starts(hospitals: readonly Hospital[]): Promise<string[]> {
  return (await Promise.all(hospitals.map((each) => each.starts()))).flat();
}

function assertSoon(what: string, since: number): void {
  const took = performance.now() - since;
  say(`${what} ${(took / 1000).toFixed(1)} s after the second invitation was applied`);
  assert.ok(took < PROMISED_MS, `${what} ${took / 1000} s after, which is later than ${PROMISED_MS / 1000} s`);
}

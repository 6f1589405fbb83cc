import assert from 'node:assert/strict';
import { syncName } from '../../common/contract/names.ts';
import { step } from '../cluster/steps.ts';
import { until } from '../kit/processes/process.ts';
import { type Hospital, PATIENCE_MS } from './hospital.ts';
import type { HospitalLedger } from './hospital-ledger.ts';
import { begin, say } from './story.ts';

/** How soon a peer is cut off after it was deleted. */
const PROMISED_MS = 15_000;
/** What lfh-sync leaves behind, on purpose: docs/install.md says why. */
const LEFT = ['configmap/local-nats', 'lease.coordination.k8s.io/lfh-sync-operator', 'secret/local-nkey'];

/** Deletes a peer and takes it back, then uninstalls. */
export async function takeApart(a: Hospital, b: Hospital, ledger: HospitalLedger): Promise<void> {
  const both = [a, b];
  begin('hospital-a deletes its peer hospital-b');
  const before = [...(await a.starts()), ...(await b.starts())];
  const invitation = await b.invitation();
  const account = syncName(b.lfhId);
  await step('kubectl delete lfhpeer hospital-b, and its connections are dropped', async () => {
    await until('hospital-b is connected', async () => (await a.connectionsOf(account)) > 0, PATIENCE_MS, 250);
    await a.kubectl('delete', 'lfhpeer/hospital-b');
    await until('hospital-b is cut off', async () => (await a.connectionsOf(account)) === 0, PROMISED_MS, 100);
  });
  await step('hospital-b is told that its key is refused', async () => {
    const refused = async (): Promise<boolean> => {
      const conditions = (await b.peer(a)).status?.conditions ?? [];
      return conditions.some(({ type, reason }) => type === 'ReceiveReady' && reason === 'KeyRefused');
    };
    await until('hospital-b is told', refused, PATIENCE_MS, 100);
  });
  await step('hospital-a takes in what hospital-b may not have any more', () => ledger.takeIn(a, 3));
  await step('no pod was restarted', async () =>
    assert.deepEqual([...(await a.starts()), ...(await b.starts())], before),
  );
  await step(
    'hospital-a applies the invitation once more: what came meanwhile arrives, and nothing twice',
    async () => {
      await assert.rejects(ledger.balance(1_000), /messages of hospital-a are in Kafka of hospital-b/);
      await a.kubectl('apply', '-f', invitation);
      say(await ledger.balance());
    },
  );

  begin('helm uninstall, at both');
  for (const each of both) await step(`helm uninstall, ${each.lfhId}`, () => each.uninstall());
  for (const each of both)
    await step(`keys and peers of ${each.lfhId} are left, and nothing else`, () => assertLeft(each));
  await step('connect runs without a sidecar, and takes messages in', async () => {
    for (const each of both) {
      await each.settled();
      const containers = await each.kubectl(
        'get',
        'pods',
        '-l',
        'app=connect',
        '-o',
        'jsonpath={..containers[*].name} {..initContainers[*].name}',
      );
      assert.deepEqual(new Set(containers.split(' ')), new Set(['connect']));
      await ledger.takeIn(each, 1);
    }
  });
}

async function assertLeft(hospital: Hospital): Promise<void> {
  const kinds =
    'all,configmap,secret,serviceaccount,role,rolebinding,networkpolicy,poddisruptionbudget,lease,lfhnode,lfhpeer';
  const ours = async (): Promise<string[]> => {
    const names = await hospital.kubectl('get', kinds, '-o', 'name');
    return names
      .split('\n')
      .filter((name) => /local|lfh/.test(name))
      .sort();
  };
  const other = hospital.lfhId === 'hospital-a' ? 'hospital-b' : 'hospital-a';
  const wanted = [...LEFT, `lfhsyncpeer.sync.linuxforhealth.io/${other}`].sort();
  // What belonged to the node is collected a moment later.
  let found: string[] = [];
  const same = async (): Promise<boolean> => (found = await ours()).join() === wanted.join();
  await until('only what is meant to stay is there', same, 30_000, 500).catch(() => undefined);
  assert.deepEqual(found, wanted);
}

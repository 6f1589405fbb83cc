import assert from 'node:assert/strict';
import { step } from '../cluster/steps.ts';
import { until } from '../kit/processes/process.ts';
import { type Hospital, PATIENCE_MS } from './hospital.ts';
import type { HospitalLedger } from './hospital-ledger.ts';
import { begin, say } from './story.ts';

/** The disturbances that a hospital's cluster has in a year, while messages come. */

/** So many pods are deleted, and so many messages taken in meanwhile. */
const DELETIONS = 10;
const MEANWHILE = 10;
const OPERATOR = 'app.kubernetes.io/component=operator';

/** Scales, deletes, restarts, upgrades and rotates. None of this may lose or repeat a message. */
export async function disturb(a: Hospital, b: Hospital, ledger: HospitalLedger): Promise<void> {
  const both = [a, b];
  const balance = async (): Promise<void> => say(await ledger.balance());
  const exchange = async (count: number): Promise<void> => {
    await Promise.all(both.map((each) => ledger.takeIn(each, count)));
    await balance();
  };
  const settled = (): Promise<unknown> => Promise.all(both.map((each) => each.settled()));

  begin('connect has three replicas, each with a sidecar');
  await step('kubectl scale deployment connect --replicas=3, at both', async () => {
    for (const each of both) await each.kubectl('scale', 'deployment/connect', '--replicas=3');
    await settled();
  });
  await step('20 messages each way', () => exchange(20));

  begin(
    `${DELETIONS} pods of connect, NATS and operators are deleted at random, with ${MEANWHILE} messages each way during each`,
  );
  await step('all are taken in', async () => {
    const deleted: string[] = [];
    while (deleted.length < DELETIONS) {
      const site = pick(both);
      const pod = pick(await site.pods(pick(['app=connect', 'app=connect', 'app=nats', OPERATOR])));
      if (!pod) continue;
      await Promise.all([site.kubectl('delete', 'pod', pod), ...both.map((each) => ledger.takeIn(each, MEANWHILE))]);
      deleted.push(`${site.lfhId}/${pod}`);
    }
    say(`deleted: ${deleted.join(', ')}`);
  });
  await step('and have arrived', balance);
  await step('all pods are back', settled);

  begin('NATS is restarted, at both');
  await step('kubectl rollout restart statefulset nats', async () => {
    await Promise.all(both.map((each) => each.kubectl('rollout', 'restart', 'statefulset/nats')));
    await settled();
  });
  await step('20 messages each way', () => exchange(20));

  begin('The node is drained of all that is not Kafka');
  await step('kubectl drain, kubectl uncordon', async () => {
    await a.kubectl('drain', 'node', '--pod-selector=app!=kafka', '--delete-emptydir-data', '--timeout=240s');
    await a.kubectl('uncordon', 'node');
    await settled();
  });
  await step('20 messages each way', () => exchange(20));
  await step('all is Ready again', () => Promise.all(both.map((each) => each.ready('lfhpeer'))));

  const before = [...(await a.starts()), ...(await b.starts())];
  const key = await rotate(a, b, exchange);
  await upgrade(b, exchange);
  await signedIn(a, b, key);
  await step('5 messages each way, with the new key', () => exchange(5));
  await step('no pod of connect, NATS or Kafka was restarted', async () =>
    assert.deepEqual([...(await a.starts()), ...(await b.starts())], before),
  );
}

async function upgrade(b: Hospital, exchange: (count: number) => Promise<void>): Promise<void> {
  begin('helm upgrade, and back. Meanwhile the sidecars of hospital-b try the new key, once a minute');
  await step('hospital-b has its operator log more', async () => {
    await b.upgrade({ logLevel: 'debug' });
    const environment = 'jsonpath={.spec.template.spec.containers[0].env[?(@.name=="LFH_SYNC_LOG_LEVEL")].value}';
    assert.equal(await b.kubectl('get', 'deployment/lfh-sync', '-o', environment), 'debug');
  });
  await step('5 messages each way', () => exchange(5));
  await step('helm rollback', () => b.rollback());
  await step('5 messages each way', () => exchange(5));
  await step('node and peer are Ready', async () => {
    await b.ready('lfhnode');
    await b.ready('lfhpeer');
  });
}

/** @returns the new key */
async function rotate(a: Hospital, b: Hospital, exchange: (count: number) => Promise<void>): Promise<string> {
  begin('The key of hospital-b is rotated');
  const [old = ''] = await keys(b);
  let now = '';
  await step('spec.key.rotation is raised, and there is another key', async () => {
    await b.kubectl('patch', 'lfhnode/local', '--type=merge', '-p', JSON.stringify({ spec: { key: { rotation: 1 } } }));
    await until('there is another key', async () => ![undefined, old].includes((await keys(b))[0]), 60_000, 250);
    now = (await keys(b))[0] ?? '';
    const invited = (): Promise<string> => b.kubectl('get', 'configmap/local-invitation', '-o', 'yaml');
    await until('the invitation has it', async () => (await invited()).includes(now), 60_000, 250);
  });
  await step('5 messages each way, with the old one', () => exchange(5));
  await step('hospital-a applies the new invitation', async () => a.kubectl('apply', '-f', await b.invitation()));
  return now;
}

async function signedIn(a: Hospital, b: Hospital, now: string): Promise<void> {
  begin('The new key is the one in use');
  await step('hospital-b signs in with it', async () => {
    const connected = async (): Promise<boolean> => (await a.peer(b)).status?.send?.connectedKey === now;
    await until('hospital-b is signed in with the new key', connected, PATIENCE_MS, 250);
    const waitsForNobody = async (): Promise<boolean> =>
      ((await b.node()).status?.previousKeyInUseBy ?? []).length === 0;
    await until('hospital-b knows that', waitsForNobody, PATIENCE_MS, 250);
  });
}

async function keys(of: Hospital): Promise<readonly string[]> {
  return (await of.node()).status?.publicKeys ?? [];
}

function pick<Each>(from: readonly Each[]): Each {
  return from[Math.floor(Math.random() * from.length)] as Each;
}

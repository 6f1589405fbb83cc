import assert from 'node:assert/strict';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { replayedUuids } from '../../kit/servers/topic-reader.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const MESSAGES = 300;

describe('three sites that an operator peers with each other', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  const sites: OperatedSite[] = [];

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const names = ['hospital-a', 'hospital.b', 'hospital-c'];
    const started = await OperatorProcess.startOver(
      plane,
      names.map((name) => name.replace('.', '-')),
    );
    operator = started.operator;
    const { namespaces } = started.options;
    for (const [index, name] of names.entries()) {
      sites.push(await OperatedSite.start(plane, namespaces[index] ?? '', name));
    }
    for (const site of sites) await site.startSidecar();
  });

  after(async () => {
    for (const site of sites) await site.stop();
    await operator?.stop();
  });

  it('receive every message of the others once', async () => {
    for (const site of sites) await site.waitForReason('lfhnode', 'local', 'Ready', 'AllReady');
    for (const from of sites) {
      const invitation = await from.invitation();
      for (const to of sites) if (to !== from) await to.applyInvitation(invitation);
    }
    for (const site of sites) {
      await site.kubectl('wait', '--for=condition=Ready', 'lfhpeer', '--all', '--timeout=60s');
    }
    const ledger = new MessageLedger();
    const sent = new Map<OperatedSite, string[]>();
    await Promise.all(sites.map(async (site) => sent.set(site, await ledger.send(site.site, MESSAGES))));
    for (const at of sites) {
      const expected = sites.filter((from) => from !== at).flatMap((from) => sent.get(from) ?? []);
      const found = (): Promise<string[]> => replayedUuids(at.site.kafka);
      await until(`${at.lfhId} has them all`, async () => (await found()).length >= expected.length, 60_000, 250);
      assert.deepEqual((await found()).sort(), expected.sort(), at.lfhId);
      assert.deepEqual((await replayedUuids(at.site.kafka, 'FHIR-R4')).sort(), expected.sort(), at.lfhId);
    }
    for (const from of sites) {
      for (const to of sites) if (to !== from) await ledger.acknowledged(from.site, to.site);
    }
  });
});

import assert from 'node:assert/strict';
import type { Condition } from '../../../operator/api/types.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const PEER = 'hospital-a';
const OTHER = 'hospital-c';

describe('settings that do not reach a sidecar', function () {
  this.timeout(240_000);
  let operator: OperatorProcess;
  let a: OperatedSite;
  let b: OperatedSite;
  const toB = new MessageLedger();

  before(async function () {
    this.timeout(1_200_000);
    const plane = await sharedControlPlane();
    const started = await OperatorProcess.startOver(plane, ['sending', 'receiving']);
    operator = started.operator;
    const [inA = '', inB = ''] = started.options.namespaces;
    a = await OperatedSite.start(plane, inA, PEER, { kafka: false });
    b = await OperatedSite.start(plane, inB, 'hospital-b');
    await b.startSidecar();
    await b.applyPeer(OTHER, { lfhId: OTHER, servers: ['tls://127.0.0.1:1'] });
    await b.applyInvitation(await a.invitation());
    await a.applyInvitation(await b.invitation());
    await b.waitForReason('lfhpeer', PEER, 'ReceiveReady', 'Replaying');
    await b.waitForReason('lfhpeer', OTHER, 'ReceiveReady', 'Unreachable');
  });

  after(async () => {
    for (const site of [a, b]) await site?.stop();
    await operator?.stop();
  });

  async function receiveReady(peer: string): Promise<Condition | undefined> {
    return (await b.peer(peer)).status?.conditions?.find(({ type }) => type === 'ReceiveReady');
  }

  /** Changes the peer's spec. @returns what ReceiveReady says as soon as the operator has looked at it */
  async function afterPatch(spec: object): Promise<Condition | undefined> {
    await b.patch('lfhpeer', PEER, spec);
    const { generation } = (await b.peer(PEER)).metadata;
    await until(
      'the operator has looked at the new spec',
      async () => (await receiveReady(PEER))?.observedGeneration === generation,
    );
    return receiveReady(PEER);
  }

  it('are not taken for what it runs with, until they do', async () => {
    const [mount] = b.mounts;
    assert.ok(mount);
    mount.standStill();
    const paused = await afterPatch({ receive: { paused: true } });
    assert.deepEqual([paused?.status, paused?.reason], ['Unknown', 'SettingsNotLive'], paused?.message);
    // That is the truth: the peer is still replayed.
    await toB.send(a.site, 10);
    await toB.arrivedOnce(b.site);
    const narrowed = await afterPatch({ receive: { paused: false, allowOrigins: ['hospital-d'] } });
    assert.deepEqual([narrowed?.status, narrowed?.reason], ['Unknown', 'SettingsNotLive'], narrowed?.message);
    assert.equal((await receiveReady(OTHER))?.reason, 'Unreachable');
    mount.goOn();
    await b.waitForReason('lfhpeer', PEER, 'ReceiveReady', 'Replaying');
    await b.patch('lfhpeer', PEER, { receive: { paused: true } });
    await b.waitForReason('lfhpeer', PEER, 'ReceiveReady', 'Paused');
    await b.patch('lfhpeer', PEER, { receive: { paused: false } });
    await b.waitForReason('lfhpeer', PEER, 'ReceiveReady', 'Replaying');
    await b.waitForReason('lfhnode', 'local', 'SidecarReady', 'Reporting');
    await toB.send(a.site, 10);
    await toB.arrivedOnce(b.site);
  });

  it('are not those of a replay that was asked to end and has not', async () => {
    const [sidecar] = b.sidecars;
    assert.ok(sidecar);
    const before = await sidecar.status();
    const digest = (await sidecar.peer(a.site)).digest;
    assert.match(digest ?? '', /^[0-9a-f]{12}$/);
    // What it is about to commit keeps it from ending.
    await b.site.kafka.pause();
    try {
      await toB.send(a.site, 10);
      await b.patch('lfhpeer', PEER, { receive: { paused: true } });
      let now = before;
      await until('the sidecar has read the new settings', async () => {
        now = await sidecar.status();
        return now.settings.digest !== before.settings.digest;
      });
      const peer = now.peers.find(({ name }) => name === PEER);
      assert.equal(peer?.digest === digest, peer?.reason !== 'Paused', JSON.stringify(peer));
    } finally {
      b.site.kafka.resume();
    }
    await b.waitForReason('lfhpeer', PEER, 'ReceiveReady', 'Paused');
    await b.patch('lfhpeer', PEER, { receive: { paused: false } });
    await toB.arrivedOnce(b.site);
  });
});

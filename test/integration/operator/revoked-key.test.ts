import assert from 'node:assert/strict';
import { createLogger } from '../../../common/log.ts';
import { KINDS, type KubeObject } from '../../../operator/api/objects.ts';
import { eventRecorder } from '../../../operator/controller/events.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const PEER = 'hospital-b';

describe('a public key that is taken out of spec.publicKeys', function () {
  this.timeout(240_000);
  let operator: OperatorProcess | undefined;
  let site: OperatedSite | undefined;

  after(async () => {
    await site?.stop();
    await operator?.stop();
  });

  it("is cut off while it is connected, and the peer's other key stays connected", async () => {
    const plane = await sharedControlPlane();
    const started = await OperatorProcess.startOver(plane, ['revoked-key']);
    operator = started.operator;
    const [namespace = ''] = started.options.namespaces;
    const a = await OperatedSite.start(plane, namespace, 'hospital-a', { kafka: false });
    site = a;
    const [stolen, good] = [makeKey(), makeKey()];
    const connectWith = ({ seed }: { readonly seed: string }) =>
      a.site.connectAs({ lfhId: PEER, seed: Buffer.from(seed) });
    await a.apply(KINDS.peer, PEER, { spec: { lfhId: PEER, publicKeys: [stolen.publicKey, good.publicKey] } });
    await a.waitForReason('lfhpeer', PEER, 'SendReady', 'AwaitingPeer');
    const [cut, stays] = [await connectWith(stolen), await connectWith(good)];
    const closed = cut.closed();

    await a.patch('lfhpeer', PEER, { publicKeys: [good.publicKey] });

    await closed;
    await until('the key that was taken out is refused', () =>
      connectWith(stolen).then(
        async (connection) => (await connection.close(), false),
        (error: Error) => /authorization/i.test(error.message),
      ),
    );
    await stays.flush();
    assert.equal(stays.isClosed(), false);
    await (await connectWith(good)).close();
    await stays.close();
  });

  it('is told in events of the node, which outlive the peer and count on when the same happens again', async () => {
    assert.ok(site, 'the test before this one has failed');
    const a = site;
    const [before = ''] = (await a.peer(PEER)).spec.publicKeys ?? [];
    const again = makeKey().publicKey;
    await told(a, 'AccessGranted', before);
    for (let round = 1; round <= 2; round += 1) {
      await a.patch('lfhpeer', PEER, { publicKeys: [before, again] });
      await told(a, 'AccessGranted', again, round);
      await a.patch('lfhpeer', PEER, { publicKeys: [before] });
      const note = await told(a, 'AccessTakenBack', again, round);
      assert.match(
        note,
        /^lfh-sync-hospital-b \(LfhSyncPeer hospital-b\) may not receive .*: all 1 nats-servers have ended/,
      );
    }
    await a.kubectl('delete', 'lfhpeer', PEER);
    const note = await told(a, 'AccessTakenBack', before);
    assert.match(note, /^lfh-sync-hospital-b may not receive from this node with the key/);
  });

  /** Waits for the one event of the node that tells a fact about a key. @returns its note */
  async function told(a: OperatedSite, reason: string, key: string, times = 1): Promise<string> {
    let found: readonly AccessEvent[] = [];
    await until(`the node has the event ${reason} ${times} time(s)`, async () => {
      const events = await a.kubectl('get', 'events.events.k8s.io', '-o', 'json');
      const { items } = JSON.parse(events) as { items: readonly AccessEvent[] };
      found = items.filter(
        ({ reason: why, note, regarding }) => why === reason && regarding.kind === 'LfhSyncNode' && note.includes(key),
      );
      return found.length > 0 && (found[0]?.series?.count ?? 1) === times;
    });
    assert.equal(found.length, 1, 'the same fact is one event');
    return found[0]?.note ?? '';
  }
});

describe('events of the same fact', () => {
  it('are one event, which counts on, and a new one where Kubernetes has forgotten it', async function () {
    this.timeout(1_200_000);
    const plane = await sharedControlPlane();
    const namespace = await plane.createNamespace('series');
    const log = createLogger({ name: 'test', level: 'fatal' });
    const record = eventRecorder(plane.api, 'test', log);
    const about = { ...KINDS.peer, metadata: { name: 'b', namespace, uid: 'u-1' } };
    const notice = { type: 'Warning', reason: 'NoPull', action: 'SendReady', note: 'n' } as const;
    const counts = async (): Promise<number[]> => {
      const { items } = await plane.api.list<KubeObject & Pick<AccessEvent, 'series'>>(KINDS.event, namespace);
      return items.map(({ series }) => series?.count ?? 1).sort((a, b) => b - a);
    };
    await record(about, [notice]);
    assert.deepEqual(await counts(), [1]);
    // A peer that goes up and down makes neither more events nor more writes than one a minute.
    for (let times = 0; times < 5; times += 1) await record(about, [notice]);
    assert.deepEqual(await counts(), [2]);
    // What an administrator does is written each time, by what was done.
    const access = { ...notice, reason: 'AccessGranted', fact: 'b U1' };
    for (let times = 0; times < 5; times += 1) await record(about, [access]);
    await record(about, [{ ...access, fact: 'b U2' }]);
    assert.deepEqual(await counts(), [5, 2, 1]);
    const { items } = await plane.api.list(KINDS.event, namespace);
    for (const { metadata } of items) await plane.api.delete(KINDS.event, namespace, metadata.name);
    await record(about, [access]);
    assert.deepEqual(await counts(), [1]);
  });
});

interface AccessEvent {
  readonly reason: string;
  readonly note: string;
  readonly regarding: { readonly kind: string };
  readonly series?: { readonly count: number };
}

import assert from 'node:assert/strict';
import { noticesOfAccess } from '../../../../../operator/controller/events.ts';
import { accessChanges } from '../../../../../operator/plan/nats/access-changes.ts';
import { accessIn } from '../../../../../operator/plan/nats/files.ts';
import { aNode, aPeer, natsOf, observedOf, settledPlanOf, userKey } from '../fixtures.ts';

const peers = [aPeer('b'), aPeer('c', { spec: { publicKeys: [userKey('c1'), userKey('c2')] } })];

describe('whom written files let in', () => {
  for (const isolation of ['Accounts', 'Users'] as const) {
    it(`are the peers with their keys, and neither probes nor the node itself, with isolation ${isolation}`, () => {
      const node = aNode({ spec: { nats: { ...aNode().spec.nats, isolation, users: [userKey('admin')] } } });
      const { files } = settledPlanOf(observedOf(peers, { node }));
      assert.deepEqual(
        [...accessIn(files?.files)].map(([account, keys]) => [account, [...keys].sort()]),
        [
          ['lfh-sync-b', [...(peers[0]?.spec.publicKeys ?? [])]],
          ['lfh-sync-c', [userKey('c1'), userKey('c2')].sort()],
        ],
      );
    });
  }

  it('are also the peers at which connect itself receives', () => {
    const peer = aPeer('d', { spec: { send: { client: 'Connect' } } });
    const plan = settledPlanOf(observedOf([peer]));
    const access = accessIn(plan.files?.files);
    assert.deepEqual([...access], [['lfh-connect-d', new Set(peer.spec.publicKeys)]]);
    const [granted] = noticesOfAccess(accessChanges(new Map(), access), plan, { nats: natsOf(), sidecars: [] });
    assert.match(granted?.note ?? '', /^lfh-connect-d \(LfhSyncPeer d\) may receive/);
  });

  it('is nobody where nothing is written', () => assert.equal(accessIn(undefined).size, 0));
});

describe('what has become different in who is let in', () => {
  const access = (of: Record<string, string[]>): Map<string, Set<string>> =>
    new Map(Object.entries(of).map(([account, keys]) => [account, new Set(keys)]));

  it('is each key that was taken back, and each that was added', () => {
    const changes = accessChanges(access({ b: ['1', '2'], c: ['3'] }), access({ b: ['2', '4'], d: ['3'] }));
    assert.deepEqual(
      changes.map(({ reason, account, key }) => `${reason} ${account} ${key}`),
      ['AccessTakenBack b 1', 'AccessTakenBack c 3', 'AccessGranted b 4', 'AccessGranted d 3'],
    );
    assert.deepEqual(accessChanges(access({ b: ['1'] }), access({ b: ['1'] })), []);
  });

  it('is told with the peer, the key and the servers, each key as a fact of its own', () => {
    const plan = settledPlanOf(observedOf(peers));
    const changes = accessChanges(access({ 'lfh-sync-x': ['1'] }), access({ 'lfh-sync-b': ['2'] }));
    const [taken, granted] = noticesOfAccess(changes, plan, { nats: natsOf(), sidecars: [] });
    assert.match(taken?.note ?? '', /^lfh-sync-x may not receive from this node with the key 1 any more: all 1 /);
    assert.match(
      granted?.note ?? '',
      /^lfh-sync-b \(LfhSyncPeer b\) may receive from this node with the key 2: all 1 /,
    );
    assert.notEqual(taken?.fact, granted?.fact);
  });
});

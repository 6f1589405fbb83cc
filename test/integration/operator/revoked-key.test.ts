import assert from 'node:assert/strict';
import { KINDS } from '../../../operator/api/objects.ts';
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
});

import assert from 'node:assert/strict';
import { type ConfigMap, GROUP, KINDS, type KubeObject } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { failWrites, refuseWrites } from '../../kit/sites/admission.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const STATUS = { apiGroup: GROUP, resource: 'lfhsyncpeers/status', operations: ['UPDATE'] } as const;
/** After so many failed reconciles in a row the conditions say that they fail. */
const LASTING = 3;

describe('an operator that cannot write the status of a peer', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let site: OperatedSite;
  let undo = (): Promise<void> => Promise.resolve();

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  beforeEach(async () => {
    const started = await OperatorProcess.startOver(plane, ['status']);
    operator = started.operator;
    site = await OperatedSite.start(plane, started.options.namespaces[0] ?? '', 'hospital-a', { kafka: false });
    await makePeer('hospital-b');
    await site.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'AwaitingPeer');
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
  });

  afterEach(async () => {
    await undo();
    await site?.stop();
    await operator?.stop();
  });

  async function makePeer(lfhId: string): Promise<string> {
    const { publicKey } = makeKey();
    await site.apply(KINDS.peer, lfhId, { spec: { lfhId, publicKeys: [publicKey] } });
    return publicKey;
  }

  /** Writes a status that would be taken. */
  const writeStatus = (peer: string) => (): Promise<string> => {
    const status = JSON.stringify({ status: { name: 'any' } });
    return site.kubectl(
      'patch',
      'lfhpeer',
      peer,
      '--subresource=status',
      '--type=merge',
      '-p',
      status,
      '--dry-run=server',
    );
  };

  async function isTold(reason: string, key: string): Promise<void> {
    await until(`there is an event ${reason}`, async () => {
      const { items } = JSON.parse(await site.kubectl('get', 'events.events.k8s.io', '-o', 'json')) as {
        items: readonly { readonly reason: string; readonly note: string }[];
      };
      return items.some((event) => event.reason === reason && event.note.includes(key));
    });
  }

  /** The conditions of everything, without those of one peer, and since when each has its status. */
  async function conditions(except: string): Promise<string[]> {
    const { items } = JSON.parse(await site.kubectl('get', 'lfhnode,lfhpeer', '-o', 'json')) as {
      items: readonly (KubeObject & { readonly status: { readonly conditions: readonly Record<string, string>[] } })[];
    };
    return items
      .filter(({ metadata }) => metadata.name !== except)
      .flatMap(({ metadata, status }) =>
        status.conditions.map(({ type, reason, lastTransitionTime }) =>
          [metadata.name, type, reason, lastTransitionTime].join(' '),
        ),
      );
  }

  async function natsFiles(): Promise<string> {
    return JSON.stringify((await site.get<ConfigMap>(KINDS.configMap, 'local-nats'))?.data);
  }

  it('tells whose access begins and ends all the same, and says of the node what it is', async () => {
    undo = await failWrites(plane, site.namespace, STATUS, writeStatus('hospital-b'));
    const key = await makePeer('hospital-c');
    await isTold('AccessGranted', key);
    await operator.reconciled(LASTING + 1);
    await site.kubectl('delete', 'lfhpeer', 'hospital-c');
    await isTold('AccessTakenBack', key);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
  });

  it('for good leaves the conditions of everything else alone, and logs it once', async () => {
    const mayBeWritten = { expression: 'false', message: 'not this one' };
    const key = await makePeer('hospital-c');
    await isTold('AccessGranted', key);
    await site.waitForReason('lfhpeer', 'hospital-c', 'SendReady', 'AwaitingPeer');
    const writes = { ...STATUS, name: 'hospital-c' };
    undo = await refuseWrites(plane, site.namespace, writes, mayBeWritten, writeStatus('hospital-c'));
    const failed = operator.process.output().split('a reconcile failed').length;
    // Its status would change.
    await site.patch('lfhpeer', 'hospital-c', { send: { paused: true } });
    await until('its access is taken back', async () => !(await natsFiles()).includes(key));
    await operator.reconciled(1);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const before = await conditions('hospital-c');
    await operator.reconciled(LASTING + 1);
    assert.deepEqual(await conditions('hospital-c'), before);
    await isTold('AccessTakenBack', key);
    assert.equal(operator.process.output().split('a reconcile failed').length, failed);
    const said = operator.process.output().match(/the status of an object is refused/g);
    assert.equal(said?.length, 1);
  });
});

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { KINDS } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { ServerProcess, until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

const HOOK = join(import.meta.dirname, '..', '..', '..', 'operator', 'hooks', 'uninstall.ts');
const RELEASE = 'app.kubernetes.io/instance';

describe('the Job that deletes a node and its peers', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let site: OperatedSite;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  afterEach(async () => {
    await site?.stop();
    await operator?.stop();
  });

  async function consumers(): Promise<string[]> {
    const connection = await site.site.connect();
    const names: string[] = [];
    for await (const { name } of (await connection.jetstreamManager()).consumers.list('EVENTS')) names.push(name);
    await connection.close();
    return names;
  }

  it('leaves no consumer of a peer in NATS, also where none of the peers was let in', async () => {
    const started = await OperatorProcess.startOver(plane, ['uninstalled']);
    operator = started.operator;
    const [namespace = ''] = started.options.namespaces;
    site = await OperatedSite.start(plane, namespace, 'hospital-a', { kafka: false });
    const spec = { lfhId: 'hospital-b', publicKeys: [makeKey().publicKey], send: { paused: true } };
    await site.apply(KINDS.peer, 'hospital-b', { spec });
    await until('it has a consumer', async () => (await consumers()).includes('lfh-sync-hospital-b'));
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await site.kubectl('label', 'lfhnode', 'local', `${RELEASE}=sync`);
    // An operator that is slow: it looks again when the Job has deleted what it could.
    await operator.kill();
    const job = new ServerProcess('uninstall', [process.execPath, HOOK], `${operator.logFile}.uninstall`, {
      KUBECONFIG: plane.kubeconfigFile,
      POD_NAMESPACE: namespace,
      LFH_SYNC_RELEASE: 'sync',
      LFH_SYNC_DELETE_PEERS: 'true',
      LFH_SYNC_TIMEOUT_SECONDS: '120',
    });
    await until('the peer is gone', async () => (await site.get(KINDS.peer, 'hospital-b')) === undefined);
    await operator.start();
    assert.equal(await job.exited(), 0, job.tail());
    assert.equal(await site.get(KINDS.node, 'local'), undefined);
    assert.deepEqual(await consumers(), []);
    assert.doesNotMatch(job.output(), /may stay in NATS/);
  });
});

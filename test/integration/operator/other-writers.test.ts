import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { type ConfigMap, KINDS, type KubeObject } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';
import { OperatedWorkload } from '../../kit/sites/operated-workload.ts';

const CONFIG_MAPS = ['local-nats', 'local-sidecar', 'local-invitation'];

describe('what an operator has written', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let site: OperatedSite;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const started = await OperatorProcess.startOver(plane, ['writers']);
    operator = started.operator;
    site = await OperatedSite.start(plane, started.options.namespaces[0] ?? '', 'hospital-a', { kafka: false });
    await site.apply(KINDS.peer, 'hospital-b', { spec: { lfhId: 'hospital-b', publicKeys: [makeKey().publicKey] } });
    await isAtRest();
  });

  after(async () => {
    await site?.stop();
    await operator?.stop();
  });

  async function isAtRest(): Promise<void> {
    await site.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'AwaitingPeer');
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    // The first may have been under way, with its writes behind it.
    await until('a whole reconcile writes nothing', () => writesNothing(2), 60_000, 0);
  }

  async function writesNothing(reconciles: number): Promise<boolean> {
    const before = await versions();
    await operator.reconciled(reconciles);
    return isDeepStrictEqual(await versions(), before);
  }

  async function configMap(name: string): Promise<ConfigMap> {
    const found = await site.get<ConfigMap>(KINDS.configMap, name);
    assert.ok(found, name);
    return found;
  }

  /** Everything here that an operator writes, by its version. */
  async function versions(): Promise<Record<string, string>> {
    const text = await site.kubectl('get', 'lfhnode,lfhpeer,configmap,secret,events.events.k8s.io', '-o', 'json');
    const { items } = JSON.parse(text) as { items: KubeObject[] };
    return Object.fromEntries(
      items.map(({ kind, metadata }) => [`${kind}/${metadata.name}`, metadata.resourceVersion ?? '']),
    );
  }

  it('is not written again while nothing changes', async () => {
    const before = await versions();
    await operator.reconciled(2);
    assert.deepEqual(await versions(), before);
  });

  for (const name of CONFIG_MAPS) {
    it(`is restored in ${name} after any change by hand, and what others have added there stays`, async () => {
      const wanted = await configMap(name);
      const [key = ''] = Object.keys(wanted.data ?? {});
      const patch = (fields: object): Promise<string> =>
        site.kubectl('patch', 'configmap', name, '--type=merge', '-p', JSON.stringify(fields));
      const comesBack = async (): Promise<void> => {
        const isBack = async (): Promise<boolean> => {
          const { data, metadata } = await configMap(name);
          assert.deepEqual(data, wanted.data);
          for (const [label, value] of Object.entries(wanted.metadata.labels ?? {})) {
            assert.equal(metadata.labels?.[label], value);
          }
          assert.deepEqual(metadata.ownerReferences, wanted.metadata.ownerReferences);
          return true;
        };
        await until(`${name} comes back`, isBack);
      };
      await patch({ metadata: { labels: { mine: 'yes' }, annotations: { 'example.com/note': 'mine too' } } });
      await patch({ data: { [key]: 'changed' } });
      await comesBack();
      await patch({ data: { another: 'added' } });
      await comesBack();
      await patch({ metadata: { annotations: { 'sync.linuxforhealth.io/workload': 'Deployment/mine' } } });
      await until('a note that is not ours goes', async () => {
        const { annotations = {} } = (await configMap(name)).metadata;
        return annotations['sync.linuxforhealth.io/workload'] === undefined;
      });
      await patch({ data: { [key]: null } });
      await comesBack();
      const labels = Object.fromEntries(Object.keys(wanted.metadata.labels ?? {}).map((label) => [label, null]));
      await patch({ metadata: { labels } });
      await comesBack();
      const { metadata } = await configMap(name);
      assert.equal(metadata.labels?.mine, 'yes');
      assert.equal(metadata.annotations?.['example.com/note'], 'mine too');
      await site.kubectl('delete', 'configmap', name);
      await comesBack();
      const becomes = (what: string, wanted: (found: ConfigMap) => boolean): Promise<void> =>
        until(`${name} ${what}`, async () => wanted(await configMap(name)));
      await patch({ binaryData: { another: 'AAAA' } });
      await becomes('has no other files', ({ binaryData }) => binaryData === undefined);
      const { uid } = (await configMap(name)).metadata;
      await patch({ immutable: true });
      await becomes('is made anew', ({ metadata: made, immutable }) => made.uid !== uid && immutable === undefined);
      await comesBack();
    });
  }

  for (const [kind, name] of [
    ['lfhnode', 'local'],
    ['lfhpeer', 'hospital-b'],
  ] as const) {
    it(`is restored in the status of the ${kind}, and what others have added there is removed`, async () => {
      await isAtRest();
      const statusOf = async (): Promise<unknown> =>
        (kind === 'lfhnode' ? await site.node() : await site.peer(name)).status;
      const wanted = await statusOf();
      const [condition] = (wanted as { conditions: object[] }).conditions;
      const wrong = { ...condition, status: 'Unknown', reason: 'Mine', message: 'by hand' };
      const changes: object[] = [
        { conditions: [wrong] },
        kind === 'lfhnode' ? { publicKeys: [], workload: 'Deployment/mine' } : { name: 'mine', receive: { lag: 7 } },
      ];
      for (const status of changes) {
        await site.kubectl(
          'patch',
          kind,
          name,
          '--subresource=status',
          '--type=merge',
          '-p',
          JSON.stringify({ status }),
        );
        const isBack = async (): Promise<boolean> => {
          assert.deepEqual(withoutTimes(await statusOf()), withoutTimes(wanted));
          return true;
        };
        await until('it comes back', isBack).catch(({ cause }: Error) => {
          throw cause;
        });
      }
    });
  }
});

/** A condition that was changed by hand has changed twice. */
function withoutTimes(status: unknown): unknown {
  return JSON.parse(JSON.stringify(status), (key, value: unknown) => (key === 'lastTransitionTime' ? '' : value));
}

describe('what an operator has made just now', function () {
  this.timeout(240_000);
  const sockets = new Set<Socket>();
  let silent: Server;
  let plane: ControlPlane;
  let operator: OperatorProcess | undefined;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    silent = createServer((socket) => sockets.add(socket.on('error', () => undefined).resume()));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });

  after(async () => {
    await operator?.stop();
    silent?.close();
    for (const socket of sockets) socket.destroy();
  });

  it('is made again where it is deleted in the reconcile that made it', async () => {
    const started = await OperatorProcess.startOver(plane, ['writers']);
    operator = started.operator;
    const [namespace = ''] = started.options.namespaces;
    const uid = async (name: string): Promise<string | undefined> =>
      (await plane.api.get<ConfigMap>(KINDS.configMap, namespace, name))?.metadata.uid;
    // Its reconciles wait for NATS for seconds, with their writes behind them.
    const servers = [`tls://127.0.0.1:${(silent.address() as { port: number }).port}`];
    await new OperatedWorkload(plane, namespace).makeNode(undefined, 'local', { nats: { servers } });
    const [name = ''] = CONFIG_MAPS;
    await until('it was made, and NATS is asked', async () => (await uid(name)) !== undefined && sockets.size > 0);
    const [before, reconciles] = [await uid(name), await operator.reconciles()];
    await plane.kubectl(['delete', 'configmap', name, '-n', namespace]);
    assert.equal(await operator.reconciles(), reconciles, 'the reconcile that made it has ended already');
    await until('it is there again', async () => ![undefined, before].includes(await uid(name)), 30_000);
  });
});

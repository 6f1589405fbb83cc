import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { type ConfigMap, KINDS } from '../../../operator/api/objects.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedWorkload } from '../../kit/sites/operated-workload.ts';
import { grantOperatorRights } from '../../kit/sites/operator-rights.ts';

/** Sixteen nodes wait for 6.5 s each, four at a time. */
const SILENT_NODES = 16;

describe('an operator of several namespaces', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess | undefined;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  afterEach(() => operator?.stop());

  it('works in those that it may watch, reports the others, and takes them up when it gets the right', async () => {
    const own = await plane.createNamespace('several');
    const seen = await plane.createNamespace('seen');
    const unseen = await plane.createNamespace('unseen');
    const kubeconfig = await grantOperatorRights(plane, own, [seen]);
    const [here, there] = [new OperatedWorkload(plane, seen), new OperatedWorkload(plane, unseen)];
    for (const at of [here, there]) await at.makeNode(undefined);
    operator = await OperatorProcess.start(
      plane,
      { kubeconfig, namespace: own, namespaces: [seen, unseen, 'gone'] },
      '/healthz',
    );
    await here.waitForReason('NoReport');
    assert.equal((await there.node()).status, undefined);
    const answer = await operator.get('/readyz');
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), new RegExp(`namespaces: ${unseen}, gone;`));
    await grantOperatorRights(plane, own, [unseen]);
    await there.waitForReason('NoReport');
    await until('only one is missing', async () =>
      /: gone;/.test((await (await operator?.get('/readyz'))?.text()) ?? ''),
    );
  });

  describe('of which two are full of nodes whose servers accept connections and are silent', () => {
    const servers: Server[] = [];
    const sockets = new Set<Socket>();

    after(() => {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    });

    /** Each node needs a server of its own: two with the same one are in conflict, and it is asked for neither. */
    async function silentServer(): Promise<string> {
      const server = createServer((socket) => {
        sockets.add(socket.on('error', () => undefined).resume());
        socket.on('close', () => sockets.delete(socket));
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `tls://127.0.0.1:${(server.address() as { port: number }).port}`;
    }

    it("lets in a third one's peer, and takes its access back, within seconds", async () => {
      const names = Array.from({ length: SILENT_NODES }, (_none, n) => `silent-${n}`);
      // An operator makes no Secret: each node's is there, and only those may be filled.
      const known = { node: ['local', ...names] };
      const started = await OperatorProcess.startOver(plane, ['silent', 'silent', 'third'], known);
      operator = started.operator;
      const [one = '', other = '', third = ''] = started.options.namespaces;
      for (const namespace of [one, other]) {
        const at = new OperatedWorkload(plane, namespace);
        await at.apply({
          apiVersion: 'v1',
          kind: 'List',
          items: await Promise.all(
            names.map(async (name) => ({
              apiVersion: KINDS.node.apiVersion,
              kind: KINDS.node.kind,
              metadata: { name },
              spec: {
                lfhId: `${namespace}-${name}`,
                nats: { servers: [await silentServer()] },
                kafka: { brokers: ['127.0.0.1:9092'] },
              },
            })),
          ),
        });
      }
      // Two sign-ins at each server at once, of four nodes in each namespace.
      await until('both namespaces hold as many reconciles as they may', () => sockets.size >= 16);

      const at = new OperatedWorkload(plane, third);
      await at.makeNode(undefined);
      const { publicKey } = makeKey();
      const { apiVersion, kind } = KINDS.peer;
      const isLetIn = async (): Promise<boolean> => {
        const files = await plane.api.get<ConfigMap>(KINDS.configMap, third, 'local-nats');
        return JSON.stringify(files?.data ?? {}).includes(publicKey);
      };
      for (let round = 0; round < 2; round += 1) {
        const spec = { lfhId: 'hospital-b', publicKeys: [publicKey] };
        await at.apply({ apiVersion, kind, metadata: { name: 'hospital-b' }, spec });
        await until('the peer is let in', isLetIn, 12_000);
        await at.kubectl('delete lfhpeer hospital-b');
        await until('its access is taken back', async () => !(await isLetIn()), 12_000);
      }
      assert.ok(sockets.size > 0, 'the others still wait');
    });
  });
});

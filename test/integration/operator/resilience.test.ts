import assert from 'node:assert/strict';
import { type ConfigMap, KINDS, type KubeObject, type Lease, type Secret } from '../../../operator/api/objects.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { type OperatorOptions, OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';
import { operatorRules } from '../../kit/sites/operator-rights.ts';

const CONFIG_MAPS = ['local-nats', 'local-sidecar', 'local-invitation'];
const KILLS = 8;
/** The duration of the Lease, and the time that polling it every 2 s on a busy machine may add. */
const LEASE_MS = 15_000;
const SLACK_MS = 10_000;

interface Objects {
  readonly configMaps: Readonly<Record<string, ConfigMap['data']>>;
  readonly secret: Secret['data'];
  readonly durables: readonly object[];
}

describe('an operator', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let options: OperatorOptions;
  const operators: OperatorProcess[] = [];
  const sites: OperatedSite[] = [];

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  afterEach(async () => {
    for (const site of sites.splice(0)) await site.stop();
    for (const operator of operators.splice(0)) await operator.stop();
  });

  async function startOperator(): Promise<OperatorProcess> {
    const started = await OperatorProcess.startOver(plane, ['resilience']);
    operators.push(started.operator);
    options = started.options;
    return started.operator;
  }

  /** Starts an operator that waits until the first does not lead any more. */
  async function startAnother(): Promise<OperatorProcess> {
    const another = await OperatorProcess.start(plane, options);
    operators.push(another);
    await has(another, 'Waiting');
    return another;
  }

  function has(operator: OperatorProcess, state: 'Waiting' | 'Working', timeoutMs?: number): Promise<void> {
    const isSo = async (): Promise<boolean> => (await stateOf(operator)) === state;
    return until(`an operator is ${state}`, isSo, timeoutMs);
  }

  async function stateOf(operator: OperatorProcess): Promise<string> {
    return ((await (await operator.get('/status')).json()) as { state: string }).state;
  }

  async function startSite(): Promise<OperatedSite> {
    const site = await OperatedSite.start(plane, options.namespaces[0] ?? '', 'hospital-a', { kafka: false });
    sites.push(site);
    return site;
  }

  function admit(site: OperatedSite, lfhId: string, more: object = {}): Promise<void> {
    return site.apply(KINDS.peer, lfhId, { spec: { lfhId, publicKeys: [makeKey().publicKey], ...more } });
  }

  async function objectsOf(site: OperatedSite): Promise<Objects> {
    const found = CONFIG_MAPS.map(async (name) => [name, (await site.get<ConfigMap>(KINDS.configMap, name))?.data]);
    const own = await site.site.connect();
    const consumers = (await own.jetstreamManager()).consumers.list('EVENTS');
    const durables: { name: string; config: object }[] = [];
    for await (const { name, config } of consumers) durables.push({ name, config });
    await own.close();
    return {
      configMaps: Object.fromEntries(await Promise.all(found)),
      secret: (await site.keySecret()).data,
      durables: durables.sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  }

  /** Everything in a namespace that an operator might write, by its version. */
  async function versionsOf(namespace: string): Promise<Record<string, string>> {
    const kinds = 'lfhnode,lfhpeer,configmap,secret,events.events.k8s.io';
    const { stdout } = await plane.kubectl(['get', kinds, '-n', namespace, '-o', 'json']);
    const { items } = JSON.parse(stdout) as { items: KubeObject[] };
    return Object.fromEntries(
      items.map(({ kind, metadata }) => [`${kind}/${metadata.name}`, metadata.resourceVersion ?? '']),
    );
  }

  async function becomesLive(site: OperatedSite): Promise<void> {
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live', 60_000);
  }

  describe('that is killed at any point of a reconcile', () => {
    it('makes, once it is started again, the same objects as one that was left alone', async () => {
      const operator = await startOperator();
      const waited: number[] = [];
      const killSoon = async (): Promise<void> => {
        const ms = Math.random() * 2_000;
        waited.push(Math.round(ms));
        await new Promise((resolve) => setTimeout(resolve, ms));
        await operator.kill();
        await operator.start();
      };
      // These are the very first reconciles, in which the key is made.
      await operator.kill();
      const starting = startSite();
      await operator.start();
      for (let kill = 0; kill < 2; kill += 1) await killSoon();
      const site = await starting;
      await site.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade');
      const { data: firstKey = {} } = await site.keySecret();

      const { ca } = await createCertificateAuthority('hospital-c');
      const receiving = { servers: ['tls://127.0.0.1:1'], ca: { inline: ca } };
      const changes = [
        () => admit(site, 'hospital-b'),
        () => admit(site, 'hospital-c', receiving),
        () => site.patch('lfhnode', 'local', { key: { rotation: 1 } }),
        () => admit(site, 'hospital-b'),
        () => site.kubectl('delete', 'lfhpeer', 'hospital-c'),
        () => admit(site, 'hospital-d', receiving),
      ];
      assert.equal(changes.length + 2, KILLS);
      for (const change of changes) {
        await change();
        await killSoon();
      }
      const told = `killed after ${waited.join(', ')} ms`;
      await site.waitForReason('lfhnode', 'local', 'KeyReady', 'Rotating');
      await settled(site, ['hospital-b', 'hospital-d'], told);
      const disturbed = await objectsOf(site);
      assert.equal(disturbed.secret?.['previous.nk'], firstKey['nats-server.nk'], told);

      await operator.kill();
      await site.kubectl('delete', 'configmap', ...CONFIG_MAPS);
      await removeDurables(site);
      await operator.start();
      const isSame = async (): Promise<boolean> => {
        try {
          assert.deepEqual(await objectsOf(site), disturbed);
          return true;
        } catch (error) {
          throw new Error(`${told}: ${(error as Error).message}`, { cause: error });
        }
      };
      await until('the same objects are there', isSame, 60_000, 250).catch(({ cause }: Error) => {
        throw cause;
      });
    });

    async function settled(site: OperatedSite, peers: readonly string[], told: string): Promise<void> {
      await until(
        `${told}: it has its peers, and no other`,
        async () => {
          const { configMaps, durables } = await objectsOf(site);
          const text = JSON.stringify(configMaps['local-nats']);
          const isGranted = peers.every((peer) => text.includes(`lfh-sync-${peer}`));
          return isGranted && durables.length === peers.length && text.includes('Reload 2 of 2');
        },
        60_000,
        100,
      );
      await becomesLive(site);
    }

    async function removeDurables(site: OperatedSite): Promise<void> {
      const { durables } = await objectsOf(site);
      for (const { name } of durables as readonly { name: string }[]) {
        await site.site.deleteDurable(name.replace('lfh-sync-', ''));
      }
    }
  });

  describe('with a second one beside it', () => {
    it('hands over at once when it ends, and within the time of its lease when it is killed', async () => {
      const first = await startOperator();
      await has(first, 'Working');
      const second = await startAnother();
      const site = await startSite();
      await admit(site, 'hospital-b');
      await site.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'AwaitingPeer');
      assert.equal(await stateOf(second), 'Waiting');
      assert.ok(!second.process.output().includes('"written"'));

      await first.stop();
      assert.equal(await first.process.exited(), 0);
      // Sooner than a lease that nobody gave up would have ended.
      await has(second, 'Working', LEASE_MS - 5_000);
      await admit(site, 'hospital-c');
      await site.waitForReason('lfhpeer', 'hospital-c', 'SendReady', 'AwaitingPeer');

      await first.start();
      await has(first, 'Waiting');
      await second.kill();
      // On a busy machine the last renewal may be some seconds old.
      const lease = await plane.api.get<Lease>(KINDS.lease, options.namespace, 'lfh-sync-operator');
      const renewed = Date.parse(lease?.spec?.renewTime ?? '');
      await has(first, 'Working', LEASE_MS + SLACK_MS);
      assert.ok(Date.now() - renewed >= LEASE_MS, 'while the other might still have worked');
      await admit(site, 'hospital-d');
      await site.waitForReason('lfhpeer', 'hospital-d', 'SendReady', 'AwaitingPeer');
    });

    it('writes nothing from the moment when the other may lead', async () => {
      const namespace = await plane.createNamespace('resilience');
      const late = new KubeClient(plane.kubeConfig(), () => false);
      const { apiVersion, kind } = KINDS.configMap;
      const object = { apiVersion, kind, metadata: { name: 'late', namespace } };
      for (const write of [late.create(object), late.apply(object), late.replace(object)]) {
        await assert.rejects(write, /not done, since another operator may lead by now/);
      }
      assert.equal(await late.get(KINDS.configMap, namespace, 'late'), undefined);
    });

    it('ends without having written anything when it stood still for longer than its lease', async () => {
      const first = await startOperator();
      await has(first, 'Working');
      const site = await startSite();
      await admit(site, 'hospital-b');
      await becomesLive(site);
      const second = await startAnother();
      await first.process.pause();
      await has(second, 'Working', LEASE_MS + SLACK_MS);
      // When the first wakes up, there is work that it would do at once, and no other operator does it.
      await second.kill();
      await site.kubectl('delete', 'configmap', 'local-sidecar');
      await admit(site, 'hospital-c');
      const before = await versionsOf(site.namespace);
      first.process.resume();
      assert.equal(await first.process.exited(), 1);
      assert.match(
        first.process.output(),
        /the lease lfh-sync-operator (is held by another operator now|could not be renewed for 10 s)/,
      );
      assert.deepEqual(await versionsOf(site.namespace), before);
    });
  });

  describe('without the right', () => {
    /** Grants all rights except this one. */
    async function grant(but?: { readonly verb: string; readonly resource: string }): Promise<void> {
      const { watched } = await operatorRules();
      const rules = (watched as readonly RoleRule[]).map((rule) => {
        const lessens = but && rule.resources.includes(but.resource);
        return lessens ? { ...rule, verbs: rule.verbs.filter((verb) => verb !== but.verb) } : rule;
      });
      const metadata = { name: 'lfh-sync-operator-watched' };
      const role = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata };
      // The API server refuses a rule without verbs.
      const [namespace = ''] = options.namespaces;
      await plane.apply([{ ...role, rules: rules.filter(({ verbs }) => verbs.length > 0) }], namespace);
      if (but) await until('the API server refuses it', async () => !(await may(but.verb, but.resource, namespace)));
    }

    /** Whether the operator has a right: the API server itself learns of a changed Role by a watch, so a moment later. */
    async function may(verb: string, resource: string, namespace: string): Promise<boolean> {
      const as = `--as=system:serviceaccount:${options.namespace}:lfh-sync-operator`;
      return plane.kubectl(['auth', 'can-i', verb, resource, '-n', namespace, as]).then(
        () => true,
        () => false,
      );
    }

    it("to change its ConfigMaps reports the API server's words, and goes on when it gets the right", async () => {
      await startOperator();
      const site = await startSite();
      await becomesLive(site);
      await grant({ verb: 'patch', resource: 'configmaps' });
      await admit(site, 'hospital-b');
      const message = await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'WriteRefused');
      assert.match(message, /cannot patch resource "configmaps" in API group "" in the namespace/);
      await grant();
      await becomesLive(site);
      await site.waitForReason('lfhpeer', 'hospital-b', 'SendReady', 'AwaitingPeer');
    });

    it("to fill a Secret reports the API server's words, and makes the key when it gets the right", async () => {
      await startOperator();
      await grant({ verb: 'update', resource: 'secrets' });
      const starting = startSite();
      const [namespace = ''] = options.namespaces;
      let message = '';
      await until('the key is refused', async () => {
        const node = await plane.api.get<
          KubeObject & { status?: { conditions?: { type: string; message: string }[] } }
        >(KINDS.node, namespace, 'local');
        message = node?.status?.conditions?.find(({ type }) => type === 'KeyReady')?.message ?? '';
        return message !== '';
      });
      assert.match(message, /the key cannot be written into the Secret local-nkey: .*cannot update resource "secrets"/);
      await grant();
      const site = await starting;
      await site.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade');
      await becomesLive(site);
    });
  });
});

interface RoleRule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

import assert from 'node:assert/strict';
import { isAuthentic } from '../../../common/contract/settings-mac.ts';
import { type ConfigMap, KINDS, type KubeObject } from '../../../operator/api/objects.ts';
import type { LfhSyncPeer } from '../../../operator/api/types.ts';
import { makeKey } from '../../../operator/nats/keys.ts';
import { NAMES, PEERS_FILE } from '../../../operator/plan/observed/names.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { refuseWrites } from '../../kit/sites/admission.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

/** A peer that signs in at our NATS. */
interface Peer {
  readonly lfhId: string;
  readonly seed: Uint8Array;
}

describe('an operator whose writes the API server refuses', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let site: OperatedSite;
  let removePolicy = (): Promise<void> => Promise.resolve();

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  beforeEach(async () => {
    const started = await OperatorProcess.startOver(plane, ['refused']);
    operator = started.operator;
    site = await OperatedSite.start(plane, started.options.namespaces[0] ?? '', 'hospital-a', { kafka: false });
  });

  afterEach(async () => {
    await removePolicy();
    await site?.stop();
    await operator?.stop();
  });

  async function makePeer(lfhId: string): Promise<Peer> {
    const { seed, publicKey } = makeKey();
    await site.apply(KINDS.peer, lfhId, { spec: { lfhId, publicKeys: [publicKey] } });
    return { lfhId, seed: Buffer.from(seed) };
  }

  async function admitted(lfhId: string): Promise<Peer> {
    const peer = await makePeer(lfhId);
    await site.waitForReason('lfhpeer', lfhId, 'SendReady', 'AwaitingPeer');
    return peer;
  }

  function hasAccess(peer: Peer): Promise<boolean> {
    return site.site.connectAs(peer).then(
      async (connection) => (await connection.close(), true),
      (error: Error) => {
        assert.match(error.message, /authorization/i);
        return false;
      },
    );
  }

  /** What nats-server includes must not be larger than this in the site's namespace. */
  async function allowAtMost(bytes: number): Promise<void> {
    const file = `object.data[?'${PEERS_FILE}'].orValue('')`;
    const larger = { metadata: { name: 'mine' }, data: { [PEERS_FILE]: 'x'.repeat(bytes + 1) } };
    await allowOnly(`!has(object.data) || size(${file}) <= ${bytes}`, larger);
  }

  /** @param refused a ConfigMap for which the expression is false */
  async function allowOnly(expression: string, refused: object): Promise<void> {
    const larger = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', ...refused });
    const probe = () => plane.kubectl(['-n', site.namespace, 'create', '--dry-run=server', '-f', '-'], larger);
    const validation = { expression, message: 'too large for us' };
    removePolicy = await refuseWrites(plane, site.namespace, { resource: 'configmaps' }, validation, probe);
  }

  it('still revokes access, and admits the waiting peers when it may write again', async () => {
    const [b, c] = [await admitted('hospital-b'), await admitted('hospital-c')];
    const { data = {} } = (await site.get<ConfigMap>(KINDS.configMap, 'local-nats')) ?? {};
    await allowAtMost(data[PEERS_FILE]?.length ?? 0);
    const [d, e] = [await makePeer('hospital-d'), await makePeer('hospital-e')];
    assert.match(await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'WriteRefused'), /too large for us/);
    assert.deepEqual(await Promise.all([b, c, d, e].map(hasAccess)), [true, true, false, false]);

    const connection = await site.site.connectAs(b);
    await site.kubectl('delete', 'lfhpeer', 'hospital-b');
    await until('its live connection is dropped', () => Promise.resolve(connection.isClosed()));
    await until('the deleted peer has no access', async () => !(await hasAccess(b)));
    assert.deepEqual(await Promise.all([c, d, e].map(hasAccess)), [true, false, false]);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'WriteRefused');

    await removePolicy();
    for (const { lfhId } of [c, d, e]) await site.waitForReason('lfhpeer', lfhId, 'SendReady', 'AwaitingPeer', 60_000);
    assert.deepEqual(await Promise.all([b, c, d, e].map(hasAccess)), [false, true, true, true]);
  });

  const [first, second] = NAMES.sidecars('local') as [string, string, string];

  async function textsOf(name: string): Promise<Readonly<Record<string, string>> | undefined> {
    return (await site.get<ConfigMap>(KINDS.configMap, name))?.data;
  }

  const refuse = (name: string): Promise<void> =>
    allowOnly(`object.metadata.name != '${name}'`, { metadata: { name }, data: {} });

  /** Peers that are received from, with so many CAs that the settings do not fit into one ConfigMap. */
  async function manyPeers(spec: object): Promise<{ readonly names: readonly string[]; readonly inline: string }> {
    const all = await Promise.all(Array.from({ length: 60 }, () => createCertificateAuthority('one of many')));
    const inline = all.map((each) => each.ca).join('');
    await site.apply(KINDS.configMap, 'many-cas', { data: { 'ca.crt': inline } });
    const { apiVersion, kind } = KINDS.peer;
    const names = Array.from({ length: Math.ceil(1_100_000 / inline.length) }, (_, index) => `hospital-${index + 10}`);
    const many = { ...spec, ca: { configMapRef: { name: 'many-cas' } } };
    const peers = names.map((name) => ({ apiVersion, kind, metadata: { name }, spec: { lfhId: name, ...many } }));
    await plane.apply(peers, site.namespace);
    return { names, inline };
  }

  it('leaves the settings of sidecars as they were while one of their ConfigMaps is refused', async () => {
    const ca = await createCertificateAuthority('one of many');
    const spec = { servers: ['tls://192.0.2.1:4222'], ca: { inline: ca.ca } };
    await site.apply(KINDS.peer, 'hospital-b', { spec: { lfhId: 'hospital-b', ...spec } });
    await until('it is told', async () => (await textsOf(first))?.['ca-lfh-sync-hospital-b.crt'] === ca.ca);
    const before = await textsOf(first);

    await refuse(second);
    const { names, inline } = await manyPeers(spec);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'WriteRefused');
    const seed = Buffer.from((await site.keySecret()).data?.['nats-server.nk'] ?? '', 'base64');
    const now = (await textsOf(first)) ?? {};
    assert.ok(isAuthentic(now, [seed]), 'a sidecar that starts now would take no settings');
    assert.equal(now['ca-lfh-sync-hospital-b.crt'], before?.['ca-lfh-sync-hospital-b.crt']);

    await removePolicy();
    const last = `ca-lfh-sync-${names.at(-1)}.crt`;
    await until('all are told', async () => (await textsOf(second))?.[last] === inline, 60_000);
    await until('and as a whole', async () =>
      isAuthentic({ ...(await textsOf(first)), ...(await textsOf(second)) }, [seed]),
    );
  });

  it('writes none of the settings of sidecars again and again while a change of one of their ConfigMaps is refused', async () => {
    const spec = { servers: ['tls://192.0.2.1:4222'] };
    const { names } = await manyPeers(spec);
    const [last = ''] = names.slice(-1);
    await until(
      'there are two',
      async () => (await textsOf(second))?.[`ca-lfh-sync-${last}.crt`] !== undefined,
      60_000,
    );
    await refuse(second);
    // Both would change: the first names it, and the second has its CA.
    const { ca } = await createCertificateAuthority('another');
    await site.apply(KINDS.peer, 'hospital-z', { spec: { lfhId: 'hospital-z', ...spec, ca: { inline: ca } } });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'WriteRefused');
    const version = async (): Promise<string | undefined> =>
      (await site.get<ConfigMap>(KINDS.configMap, first))?.metadata.resourceVersion;
    // What was begun before the refusal was known may still put something back.
    await operator.reconciled(2);
    const before = await version();
    await operator.reconciled(3);
    assert.equal(await version(), before);
    await removePolicy();
    await until('it is told', async () => (await textsOf(second))?.['ca-lfh-sync-hospital-z.crt'] === ca, 60_000);
  });

  it('takes access back that somebody has made immutable while no operator ran, finalizer and all, and says so', async () => {
    const [b, c] = [await admitted('hospital-b'), await admitted('hospital-c')];
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await operator.stop();
    const immutable = { immutable: true, metadata: { finalizers: ['example.org/keep'] } };
    await site.kubectl('patch', 'configmap', 'local-nats', '--type=merge', '-p', JSON.stringify(immutable));
    await site.kubectl('delete', 'lfhpeer', 'hospital-b');
    const connection = await site.site.connectAs(b);
    await operator.start();
    await until('its live connection is dropped', () => Promise.resolve(connection.isClosed()));
    await until('the deleted peer has no access', async () => !(await hasAccess(b)));
    assert.ok(await hasAccess(c));
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const note = /"note": "the ConfigMap local-nats had been made immutable.*kubectl rollout restart"/;
    await until('an event says so', async () =>
      note.test(await site.kubectl('get', 'events.events.k8s.io', '-o', 'json')),
    );
    assert.equal((await site.get<ConfigMap>(KINDS.configMap, 'local-nats'))?.metadata.finalizers, undefined);
  });

  it('writes no more than fits: the youngest peers wait until an older one makes room', async () => {
    const { apiVersion, kind } = KINDS.peer;
    const receive = { allowOrigins: Array.from({ length: 64 }, (_, index) => `${index}-`.padEnd(253, 'x')) };
    const peers = Array.from({ length: 60 }, (_, index) => {
      const name = `peer-${index + 100}`;
      const spec = { lfhId: name, publicKeys: [makeKey().publicKey], servers: ['tls://127.0.0.1:1'], receive };
      return { apiVersion, kind, metadata: { name }, spec };
    });
    await plane.apply(peers, site.namespace);
    const withReason = async (reason: string | undefined): Promise<string[]> => {
      const { items } = JSON.parse(await site.kubectl('get', 'lfhpeer', '-o', 'json')) as {
        items: (LfhSyncPeer & KubeObject)[];
      };
      return items.flatMap(({ metadata, status }) => {
        const found = status?.conditions?.find(({ type }) => type === 'SendReady');
        return found?.reason === reason ? [metadata.name] : [];
      });
    };
    const inConflict = (): Promise<string[]> => withReason('Conflict');
    const unreported = (): Promise<string[]> => withReason(undefined);
    await until('the youngest are told', async () => (await inConflict()).includes('peer-159'), 60_000);
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live', 60_000);
    await until('each peer is reported on', async () => (await unreported()).length === 0, 60_000);
    const waiting = await inConflict();
    const [next = ''] = waiting;
    assert.match(
      await site.waitForReason('lfhpeer', next, 'ReceiveReady', 'Conflict'),
      /^there is no room for it: what the sidecars read for it takes 16\.\d KiB/,
    );
    await site.kubectl('delete', 'lfhpeer', 'peer-100');
    await site.waitForReason('lfhpeer', next, 'SendReady', 'AwaitingPeer', 60_000);
    assert.deepEqual(await inConflict(), waiting.slice(1));
  });
});

import assert from 'node:assert/strict';
import { isAuthentic } from '../../../common/contract/settings-mac.ts';
import { type ConfigMap, KINDS } from '../../../operator/api/objects.ts';
import { NAMES } from '../../../operator/plan/observed/names.ts';
import { OperatorProcess } from '../../kit/processes/operator.ts';
import { until } from '../../kit/processes/process.ts';
import { type CertificateAuthority, createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

describe("the operator's handling of CAs", function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let site: OperatedSite;
  let ca: CertificateAuthority;
  let other: CertificateAuthority;
  let expired: string;
  let privateKey: string;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
    const started = await OperatorProcess.startOver(plane, ['trust']);
    operator = started.operator;
    site = await OperatedSite.start(plane, started.options.namespaces[0] ?? '', 'hospital-a', { kafka: false });
    ca = await createCertificateAuthority('hospital-b');
    other = await createCertificateAuthority('hospital-c');
    expired = (await createCertificateAuthority('of old', { notBefore: -800, notAfter: -10 })).ca;
    privateKey = (await ca.issue()).key;
  });

  after(async () => {
    await site?.stop();
    await operator?.stop();
  });

  afterEach(async () => {
    await site.kubectl('delete', 'lfhpeer', '--all', '--timeout=30s');
  });

  /** A peer that we receive from; nobody needs to be there. */
  async function peer(name: string, authorities: object | undefined): Promise<void> {
    const spec = { lfhId: name, servers: ['tls://192.0.2.1:4222'], ...(authorities && { ca: authorities }) };
    await site.apply(KINDS.peer, name, { spec });
  }

  async function textsOf(name: 'local-nats' | 'local-sidecar'): Promise<Readonly<Record<string, string>>> {
    return (await site.get<ConfigMap>(KINDS.configMap, name))?.data ?? {};
  }

  async function becomesText(
    name: 'local-nats' | 'local-sidecar',
    key: string,
    text: string | undefined,
  ): Promise<void> {
    await until(`${key} of ${name} is as expected`, async () => (await textsOf(name))[key] === text);
  }

  it('gives each peer a file with its own CAs, and nats-server all of them: the local ones first, each once', async () => {
    await peer('hospital-b', { inline: ca.ca.replaceAll('\n', '\r\n') });
    await peer('hospital-c', { inline: `${other.ca}${ca.ca}` });
    await becomesText('local-sidecar', 'ca-lfh-sync-hospital-b.crt', ca.ca);
    await becomesText('local-sidecar', 'ca-lfh-sync-hospital-c.crt', other.ca + ca.ca);
    await becomesText('local-nats', 'ca.crt', site.site.ca.ca + ca.ca + other.ca);
    await site.kubectl('delete', 'lfhpeer', 'hospital-b');
    await becomesText('local-nats', 'ca.crt', site.site.ca.ca + other.ca + ca.ca);
  });

  it('spreads over further ConfigMaps what one cannot take, as a whole that it authenticates, and empties them again', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => createCertificateAuthority('one of many')));
    const inline = all.map((each) => each.ca).join('');
    await site.apply(KINDS.configMap, 'many-cas', { data: { 'ca.crt': inline } });
    const names = Array.from({ length: Math.ceil(1_100_000 / inline.length) }, (_, index) => `hospital-${index + 10}`);
    const spec = { servers: ['tls://192.0.2.1:4222'], ca: { configMapRef: { name: 'many-cas' } } };
    const { apiVersion, kind } = KINDS.peer;
    const peers = names.map((name) => ({ apiVersion, kind, metadata: { name }, spec: { lfhId: name, ...spec } }));
    await plane.apply(peers, site.namespace);
    /** Of each of the three; undefined where it does not exist. */
    const parts = async (): Promise<(Readonly<Record<string, string>> | undefined)[]> => {
      const found = NAMES.sidecars('local').map((each) => site.get<ConfigMap>(KINDS.configMap, each));
      return (await Promise.all(found)).map((each) => each && (each.data ?? {}));
    };
    // They are applied one after the other, and each ConfigMap is written for itself.
    const seed = Buffer.from((await site.keySecret()).data?.['nats-server.nk'] ?? '', 'base64');
    await until('the CA of each peer is there, in settings that are a whole', async () => {
      const settings: Record<string, string> = Object.assign({}, ...(await parts()));
      return names.every((name) => settings[`ca-lfh-sync-${name}.crt`]) && isAuthentic(settings, [seed]);
    });
    const [first, second, third] = await parts();
    assert.ok(first?.LFH_SYNC_PEERS && second && third === undefined);
    for (const name of names) assert.equal({ ...first, ...second }[`ca-lfh-sync-${name}.crt`], inline);
    assert.equal(isAuthentic({ ...first, ...second }, [seed]), true);
    assert.equal(isAuthentic(first, [seed]), false);
    // What somebody else puts into the third would be mounted, too.
    await site.apply(KINDS.configMap, 'local-sidecar-3', { data: { LFH_SYNC_ANNOUNCE: 'false' } });
    const isEmpty = async (index: number): Promise<boolean> =>
      Object.keys((await parts())[index] ?? { no: '' }).length === 0;
    await until('the third is empty', () => isEmpty(2));
    await site.kubectl('delete', 'lfhpeer', '--all', '--timeout=30s');
    await until('the second is empty', () => isEmpty(1));
  });

  it('gives no file to a peer whose certificate is issued by a well-known CA', async () => {
    await peer('public', undefined);
    await until('the peer is in the settings', async () =>
      ((await textsOf('local-sidecar')).LFH_SYNC_PEERS ?? '').includes('public'),
    );
    const settings = await textsOf('local-sidecar');
    assert.ok(!('ca-lfh-sync-public.crt' in settings));
    assert.ok(!settings.LFH_SYNC_PEERS?.includes('caFile'));
  });

  for (const kind of ['configMap', 'secret'] as const) {
    it(`waits for a ${kind} that a peer refers to, and follows its changes`, async () => {
      const name = `ca-in-${kind.toLowerCase()}`;
      await peer('hospital-b', { [`${kind}Ref`]: { name, key: 'root.pem' } });
      const missing = await site.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'MissingReference');
      assert.match(missing, new RegExp(`there is no \\w+ ${name} in this namespace`));
      assert.ok(!(await textsOf('local-sidecar')).LFH_SYNC_PEERS?.includes('hospital-b'));

      const write = (texts: Record<string, string>): Promise<void> =>
        site.apply(KINDS[kind], name, kind === 'secret' ? { stringData: texts } : { data: texts });
      await write({ 'ca.crt': ca.ca });
      await until('the key is missed', async () => {
        const message = await site.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'MissingReference');
        return message.includes(`${name} has no entry root.pem`);
      });
      await write({ 'root.pem': ca.ca });
      await becomesText('local-sidecar', 'ca-lfh-sync-hospital-b.crt', ca.ca);
      await write({ 'root.pem': other.ca });
      await becomesText('local-sidecar', 'ca-lfh-sync-hospital-b.crt', other.ca);
      await site.kubectl('delete', kind.toLowerCase(), name);
      await site.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'MissingReference');
      await becomesText('local-sidecar', 'ca-lfh-sync-hospital-b.crt', undefined);
    });
  }

  it('reports which of several certificates does not count, and why, and trusts the others', async () => {
    const { cert } = await ca.issue();
    const early = (await createCertificateAuthority('to be', { notBefore: 10 })).ca;
    const garbage = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    await peer('hospital-b', { inline: expired + ca.ca + cert + early + garbage });
    await becomesText('local-sidecar', 'ca-lfh-sync-hospital-b.crt', ca.ca);
    const message = await site.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'NoReport');
    assert.match(message, /block 1 \(CN=of old\) has expired on \d{4}-/);
    assert.match(message, /block 3 \(CN=nats\) is not a certificate authority/);
    assert.match(message, /block 4 \(CN=to be\) is not valid before \d{4}-/);
    assert.match(message, /block 5 cannot be read as a certificate/);
    assert.doesNotMatch(message, /block 2/);
  });

  it('does not replay a peer without a valid CA, not even by the roots of the system', async () => {
    await peer('hospital-b', { inline: expired });
    await site.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'CertificateExpired');
    await peer('hospital-c', { inline: other.ca });
    await becomesText('local-sidecar', 'ca-lfh-sync-hospital-c.crt', other.ca);
    const settings = await textsOf('local-sidecar');
    assert.ok(!settings.LFH_SYNC_PEERS?.includes('hospital-b'));
    assert.ok(settings.LFH_SYNC_PEERS?.includes('hospital-c'));
  });

  it('reports a private key in a Secret, and never repeats a byte of it', async () => {
    await site.apply(KINDS.secret, 'pasted', { stringData: { 'ca.crt': privateKey + ca.ca } });
    await peer('hospital-b', { secretRef: { name: 'pasted' } });
    await becomesText('local-sidecar', 'ca-lfh-sync-hospital-b.crt', ca.ca);
    await until('the peer says so', async () =>
      /block 1 is a private key.*consider it compromised/.test(
        await site.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'NoReport'),
      ),
    );
    const everything = await site.kubectl('get', 'lfhnode,lfhpeer,configmap,events.events.k8s.io', '-o', 'yaml');
    const log = operator.process.output();
    for (const line of privateKey.split('\n').slice(1, -2)) {
      assert.ok(!everything.includes(line) && !log.includes(line));
    }
  });

  it('keeps the last good CA of Kafka for the sidecars while its source is missing or broken, and says what is wrong', async () => {
    const provide = (pem: string): Promise<void> =>
      site.apply(KINDS.configMap, 'kafka-ca', { data: { 'ca.crt': pem } });
    const says = (reason: string): Promise<string> => site.waitForReason('lfhnode', 'local', 'SidecarReady', reason);
    const seed = Buffer.from((await site.keySecret()).data?.['nats-server.nk'] ?? '', 'base64');
    await provide(ca.ca);
    await site.patch('lfhnode', 'local', { kafka: { tls: true, ca: { configMapRef: { name: 'kafka-ca' } } } });
    await becomesText('local-sidecar', 'ca-kafka.crt', ca.ca);
    await site.kubectl('delete', 'configmap', 'kafka-ca');
    assert.match(await says('MissingReference'), /there is no ConfigMap kafka-ca in this namespace/);
    await provide(expired);
    assert.match(await says('CertificateExpired'), /has expired/);
    await provide('nonsense');
    await says('CertificateInvalid');
    // What else changes is written all the same, and the sidecars take it.
    await peer('hospital-b', { inline: other.ca });
    await becomesText('local-sidecar', 'ca-lfh-sync-hospital-b.crt', other.ca);
    const settings = await textsOf('local-sidecar');
    assert.equal(settings['ca-kafka.crt'], ca.ca);
    assert.ok(isAuthentic(settings, [seed]));
    await provide(other.ca);
    await becomesText('local-sidecar', 'ca-kafka.crt', other.ca);
    await says('NotRequested');
    await site.patch('lfhnode', 'local', { kafka: { tls: false, ca: null } });
  });

  it('goes on without one invalid CA of the node itself, and stops when none is left', async () => {
    const own = site.site.ca.ca;
    await site.patch('lfhnode', 'local', { nats: { ca: { inline: expired + own } } });
    await until('the node says which has expired', async () =>
      /block 1 \(CN=of old\) has expired/.test(await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live')),
    );
    const before = await textsOf('local-nats');
    await site.patch('lfhnode', 'local', { nats: { ca: { inline: expired } } });
    await peer('hospital-b', { inline: ca.ca });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'CertificateExpired');
    await site.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'NodeNotReady');
    assert.deepEqual(await textsOf('local-nats'), before);
    await site.patch('lfhnode', 'local', { nats: { ca: { inline: own } } });
    await site.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await becomesText('local-nats', 'ca.crt', own + ca.ca);
  });
});

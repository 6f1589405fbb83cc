import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { METRICS } from '../../../common/contract/metric-names.ts';
import { positionTopic, syncName } from '../../../common/contract/names.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import { readTopic } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';

describe('a peer of a sidecar', () => {
  let b: Site;
  let healthy: Site;
  let sidecar: SidecarProcess;
  const ledger = new MessageLedger();
  const others: Site[] = [];

  before(async () => {
    [b, healthy] = await Promise.all([Site.start('hospital-b'), Site.start('healthy', { kafka: false })]);
    await healthy.grantAccess(b);
    sidecar = await SidecarProcess.start(b, { peers: [{ site: healthy }] });
    await sidecar.waitUntilReplaying(healthy);
  });

  afterEach(async () => {
    await sidecar.configure([{ site: healthy }]);
    await until('only one peer is left', async () => (await sidecar.status()).peers.length === 1);
    await Promise.all(others.splice(0).map((site) => site.stop()));
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([b.stop(), healthy.stop()]);
  });

  async function newPeer(lfhId: string, admitted = true): Promise<Site> {
    const site = await Site.start(lfhId, { kafka: false });
    others.push(site);
    if (admitted) await site.grantAccess(b);
    return site;
  }

  /** While another peer is in trouble, the healthy one is replayed as usual. */
  async function healthyGoesOn(): Promise<void> {
    await ledger.send(healthy, 20);
    await ledger.arrivedOnce(b);
  }

  /** Adds a peer, waits for the trouble that the status reports about it, and shows that the healthy peer goes on. */
  async function expectTrouble(
    site: Site,
    reason: string,
    message: RegExp,
    how: { readonly ca?: string; readonly overrides?: Record<string, unknown> } = {},
  ): Promise<void> {
    await sidecar.configure([{ site: healthy }, { site, ...how }]);
    const found = () => sidecar.waitForPeer(site, `is ${reason}`, (status) => status.reason === reason);
    await until('it is known', async () => (await sidecar.status()).peers.length === 2);
    const { message: told } = await found();
    assert.match(told, message);
    await healthyGoesOn();
    assert.equal((await sidecar.peer(healthy)).reason, 'Replaying');
  }

  async function recovers(site: Site): Promise<void> {
    await sidecar.waitUntilReplaying(site, 45_000);
    await ledger.send(site, 5);
    await ledger.arrivedOnce(b);
  }

  it('with a wrong CA is reported, disturbs no other, and recovers with the right one', async () => {
    const site = await newPeer('wrong-ca');
    const { ca } = await createCertificateAuthority('somebody else');
    await expectTrouble(site, 'NotTrusted', /127\.0\.0\.1.*(CA|certificate)/i, { ca });
    await sidecar.configure([{ site: healthy }, { site }]);
    await recovers(site);
  });

  it('with an expired certificate is reported, disturbs no other, and recovers when it is renewed', async () => {
    const site = await newPeer('expired');
    await site.nats.reload({ certificate: await site.ca.issue({ notBefore: -10, notAfter: -1 }) });
    await expectTrouble(site, 'CertificateExpired', /expired.*administrator/is);
    await site.nats.reload({ certificate: await site.ca.issue() });
    await recovers(site);
  });

  it('whose certificate is for another host is reported, disturbs no other, and recovers with tlsServerName', async () => {
    const site = await newPeer('other-host');
    const names = [{ type: 'dns', value: 'nats.hospital.example' }] as const;
    await site.nats.reload({ certificate: await site.ca.issue({ names }) });
    await expectTrouble(site, 'HostNameMismatch', /nats\.hospital\.example/);
    await sidecar.configure([{ site: healthy }, { site, overrides: { tlsServerName: 'nats.hospital.example' } }]);
    await recovers(site);
  });

  it('whose certificate has no subject is reported when it is refused, disturbs no other, and recovers', async () => {
    const site = await newPeer('no-subject');
    const names = [{ type: 'dns', value: 'nats.hospital.example' }] as const;
    await site.nats.reload({ certificate: await site.ca.issue({ subject: '', names }) });
    await expectTrouble(site, 'HostNameMismatch', /"\(no name\)".*nats\.hospital\.example/);
    await site.nats.reload({ certificate: await site.ca.issue({ subject: '' }) });
    await recovers(site);
  });

  it('that does not know our key is reported, disturbs no other, and recovers when it grants access', async () => {
    const site = await newPeer('stranger', false);
    await expectTrouble(site, 'KeyRefused', new RegExp(b.publicKey));
    await site.grantAccess(b);
    await recovers(site);
  });

  it('that revokes our key cuts our live connection, is reported as KeyRefused, and disturbs no other', async () => {
    const site = await newPeer('revoking');
    await sidecar.configure([{ site: healthy }, { site }]);
    await until('it is known', async () => (await sidecar.status()).peers.length === 2);
    await sidecar.waitUntilReplaying(site);
    await site.revokeAccess(b.lfhId);
    await sidecar.waitForPeer(site, 'refuses us', ({ reason }) => reason === 'KeyRefused');
    await healthyGoesOn();
  });

  it('without our durable is reported, disturbs no other, and recovers when it is created', async () => {
    const site = await newPeer('no-durable');
    await site.deleteDurable(b.lfhId);
    await expectTrouble(site, 'ConsumerMissing', /administrator/);
    await site.createDurable(b.lfhId);
    await recovers(site);
  });

  it('that is down is reported, disturbs no other, and recovers when it is up', async () => {
    const site = await newPeer('down');
    await site.nats.stop();
    await expectTrouble(site, 'Unreachable', /cannot be reached/);
    await site.nats.start();
    await recovers(site);
  });

  it('whose first server is down is replayed from its second', async () => {
    const site = await newPeer('two-servers');
    const overrides = { servers: ['tls://127.0.0.1:1', site.nats.url] };
    await sidecar.configure([{ site: healthy }, { site, overrides }]);
    await until('it is known', async () => (await sidecar.status()).peers.length === 2);
    await recovers(site);
  });

  it('without TLS is reported and disturbs no other', async () => {
    const site = await newPeer('plaintext');
    const plain = await Site.startPlainNats(site);
    others.push({ stop: () => plain.stop() } as Site);
    await expectTrouble(site, 'TlsRequired', /TLS/, { overrides: { servers: [`tls://${plain.host}`] } });
  });

  it('whose CA file is missing is reported and disturbs no other', async () => {
    const site = await newPeer('no-ca');
    await expectTrouble(site, 'InvalidSettings', /cannot read the file .*nowhere\.crt/, {
      overrides: { caFile: 'nowhere.crt' },
    });
  });

  it('that may bring no more today is Throttled, disturbs no other, and recovers without a gap when it may', async () => {
    const site = await newPeer('throttled');
    await ledger.send(site, 60);
    const only = (limits: object) => sidecar.configure([{ site: healthy }, { site, overrides: { limits } }]);
    await only({ bytesPerDay: 10_000 });
    await until('it is known', async () => (await sidecar.status()).peers.length === 2);
    const status = await sidecar.waitForPeer(site, 'is Throttled', ({ reason }) => reason === 'Throttled');
    assert.match(status.message, /bytesPerDay allows for a day.* from \d{4}-\d\d-\d\dT00:00:00\.000Z on/);
    assert.ok(status.replayed > 0 && status.replayed < 60, `${status.replayed} were replayed`);
    const { replayed: before } = await sidecar.peer(healthy);
    await ledger.send(healthy, 20);
    await sidecar.waitForPeer(healthy, 'goes on', ({ replayed }) => replayed === before + 20);
    await only({ messagesPerSecond: 10 });
    let since = performance.now();
    let seen = status.replayed;
    await until('it goes on', async () => {
      // Before it is asked, since the answer may take long.
      since = performance.now();
      seen = (await sidecar.peer(site)).replayed;
      return seen > status.replayed;
    });
    await sidecar.waitForPeer(site, 'is replayed', ({ replayed }) => replayed === 60);
    // Those of one second may have been saved up.
    const least = ((60 - seen) / 10 - 1) * 1000;
    assert.ok(performance.now() - since >= least, 'it was faster than it may be');
    await ledger.arrivedOnce(b);
  });

  it('is not mixed up with one whose id differs only by a dot or a dash', async () => {
    const sites = [];
    for (const id of ['a', 'a.b', 'a-b']) sites.push(await newPeer(id));
    await sidecar.configure([healthy, ...sites].map((site) => ({ site })));
    await until('all are known', async () => (await sidecar.status()).peers.length === 4);
    for (const site of sites) await sidecar.waitUntilReplaying(site);
    for (const site of sites) await ledger.send(site, 20);
    await ledger.arrivedOnce(b);
    for (const site of sites) {
      // What is in Kafka is counted a moment later.
      await sidecar.waitForPeer(site, 'has counted all', ({ replayed }) => replayed === 20);
      const records = await readTopic(b.kafka, positionTopic(syncName(site.lfhId)));
      const { sequence } = JSON.parse(String(records.at(-1)?.value)) as { sequence: number };
      assert.equal(sequence, 20);
    }
  });

  it('cannot have messages delivered into our stream, or to another peer, by a reply subject', async () => {
    const [one, two] = [await newPeer('reply-one', false), await newPeer('reply-two', false)];
    await healthy.grantAccess(one);
    await healthy.grantAccess(two);
    const connection = await healthy.connectAs(one);
    const victim = await healthy.connectAs(two);
    const stolen: string[] = [];
    victim.subscribe(`_INBOX.${syncName(two.lfhId)}.>`, {
      callback: (_error, { subject }) => void stolen.push(subject),
    });
    await victim.flush();
    const before = await healthy.streamMessages();
    const pull = JSON.stringify({ batch: 10, expires: 1_000_000_000 });
    for (const reply of ['EVENTS.sync', 'EVENTS.app_sync', `_INBOX.${syncName(two.lfhId)}.x`]) {
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.EVENTS.${syncName(one.lfhId)}`, pull, { reply });
    }
    await connection.flush();
    // The messages are delivered inside the peer's own account, where nobody listens.
    await until('the pulls are over', async () => (await healthy.durableInfo(one.lfhId)).num_waiting === 0);
    assert.equal(await healthy.streamMessages(), before);
    assert.deepEqual(stolen, []);
    await healthy.revokeAccess(one.lfhId);
    await healthy.revokeAccess(two.lfhId);
    await sidecar.waitUntilReplaying(healthy);
  });

  it('has all its series in the metrics for as long as it is a peer', async () => {
    const site = await newPeer('measured');
    await sidecar.configure([{ site: healthy }, { site }]);
    await until('it is known', async () => (await sidecar.status()).peers.length === 2);
    await ledger.send(site, 7);
    const own = connectMessage({ lfhId: b.lfhId, content: {} });
    await site.announce([own.payload, Buffer.from('nonsense')]);
    await sidecar.waitForPeer(site, 'has decided', ({ rejected }) => rejected.NotJson === 1);
    const text = await sidecar.metrics();
    const value = (name: string, labels = ''): string | undefined =>
      new RegExp(`^${name}\\{peer="lfh-sync-measured"${labels}\\} (.*)$`, 'm').exec(text)?.[1];
    assert.equal(value(METRICS.connected.name), '1');
    assert.equal(value(METRICS.replayed.name), '7');
    assert.equal(value(METRICS.position.name), '9');
    assert.equal(value(METRICS.lag.name), '0');
    const expires = new X509Certificate(site.nats.certificate ?? '').validToDate.getTime();
    assert.equal(Number(value(METRICS.certificateExpiry.name)) * 1000, expires);
    const { certificateExpires } = await sidecar.peer(site);
    assert.equal(certificateExpires, new Date(expires).toISOString());
    assert.equal(value(METRICS.takeOvers.name), '1');
    assert.equal(value(METRICS.skipped.name, ',reason="OwnMessage"'), '1');
    assert.equal(value(METRICS.rejected.name, ',reason="NotJson"'), '1');
    assert.equal(value(`${METRICS.latency.name}_count`), '7');
    assert.ok(Number(value(`${METRICS.commit.name}_count`)) > 0);
    assert.ok(Number(value(`${METRICS.batch.name}_sum`)) === 9);
    await sidecar.configure([{ site: healthy }]);
    await until('its series are gone', async () => !(await sidecar.metrics()).includes('lfh-sync-measured'));
    // Other tests expect an empty LFH_EXCEPTION.
    assert.equal((await readTopic(b.kafka, 'LFH_EXCEPTION')).length, 1);
    await b.deleteTopic('LFH_EXCEPTION');
  });
});

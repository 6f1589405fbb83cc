import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { execute } from '../../image/cache.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import { MessageLedger } from '../kit/sites/message-ledger.ts';
import { Site } from '../kit/sites/site.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
};

/** A disk of its own, small enough to be filled: needs root, as CI has. */
describe('a replay', function () {
  this.timeout(300_000);
  let disk: string;
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  const ledger = new MessageLedger();

  before(async () => {
    disk = await mkdtemp(join(tmpdir(), 'lfh-sync-disk-'));
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', disk]);
    const records = join(disk, 'records');
    await mkdir(records);
    // Kafka sets index files aside at their full size.
    const kafkaProperties = { 'log.index.size.max.bytes': '65536', 'log.segment.bytes': '8388608', ...AUTHORIZER };
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false }),
      Site.start('hospital-b', { kafkaLogDirectory: records, kafkaProperties }),
    ]);
    await a.grantAccess(b);
    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }] });
    await sidecar.waitUntilReplaying(a);
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([a.stop(), b.stop()]);
    await execute('umount', ['-l', disk]);
    await rm(disk, { recursive: true });
  });

  async function nothingIsAcknowledged(): Promise<void> {
    const told = await sidecar.waitForPeer(
      a,
      'waits for Kafka',
      ({ reason }) => /Kafka|Uncertain/.test(reason),
      60_000,
    );
    assert.match(told.message, /Kafka/);
    // In this order, since both only grow.
    const { ack_floor } = await a.durableInfo(b.lfhId);
    const { position } = await sidecar.peer(a);
    assert.ok(ack_floor.stream_seq <= (position?.sequence ?? 0));
  }

  it('acknowledges nothing while the disk of Kafka is full, and delivers each message once when there is room again', async () => {
    await ledger.send(a, 200);
    await ledger.arrivedOnce(b);
    const ballast = join(disk, 'ballast');
    const { stdout } = await execute('df', ['--output=avail', '-k', disk]);
    const free = Number(stdout.trim().split('\n').at(-1));
    await execute('fallocate', ['-l', `${free - 64}K`, ballast]);
    await ledger.send(a, 2_000, 2_000);
    await nothingIsAcknowledged();
    await rm(ballast);
    await b.kafka.kill();
    await b.kafka.start();
    await ledger.arrivedOnce(b, 90_000);
    await ledger.acknowledged(a, b);
  });

  it('acknowledges nothing while Kafka refuses writes, and delivers each message once when it accepts them again', async () => {
    const admin = b.kafka.client().admin();
    await admin.connect();
    const topic = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: 'LFH_SYNC',
      resourcePatternType: ResourcePatternTypes.LITERAL,
    };
    const anybody = { ...topic, principal: 'User:ANONYMOUS', host: '*' };
    await admin.createAcls({
      acl: [
        { ...anybody, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW },
        { ...anybody, operation: AclOperationTypes.WRITE, permissionType: AclPermissionTypes.DENY },
      ],
    });
    await ledger.send(a, 500);
    await nothingIsAcknowledged();
    // Between two attempts it says for a moment that it replays.
    const advice = /TOPIC_AUTHORIZATION_FAILED for the topic LFH_SYNC; allow this sidecar WRITE on the topic LFH_SYNC/;
    await sidecar.waitForPeer(a, 'says which right is missing', ({ message }) => advice.test(message));
    await admin.deleteAcls({
      filters: [{ ...anybody, operation: AclOperationTypes.WRITE, permissionType: AclPermissionTypes.DENY }],
    });
    await admin.disconnect();
    await ledger.arrivedOnce(b, 90_000);
    await ledger.acknowledged(a, b);
  });
});

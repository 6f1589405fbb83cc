import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { execute } from '../../image/cache.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import { Storm } from '../kit/sites/message-ledger.ts';
import { Site } from '../kit/sites/site.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;

const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'allow.everyone.if.no.acl.found': 'true',
};

/** A disk of its own, small enough to be filled: needs root, as CI has. */
describe('a Kafka that', function () {
  this.timeout(300_000);
  let disk: string;
  let a: Site;
  let b: Site;
  let sidecar: SidecarProcess;
  const storm = new Storm();

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
    await a.admit(b);
    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }] });
    await sidecar.replaying(a);
  });

  after(async () => {
    await sidecar.stop();
    await Promise.all([a.stop(), b.stop()]);
    await execute('umount', ['-l', disk]);
    await rm(disk, { recursive: true });
  });

  async function nothingIsAcknowledged(): Promise<void> {
    const told = await sidecar.peerBecomes(
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

  it('has a full disk has nothing acknowledged, and everything once when there is room again', async () => {
    await storm.send(a, 200);
    await storm.arrivedOnce(b);
    const ballast = join(disk, 'ballast');
    const { stdout } = await execute('df', ['--output=avail', '-k', disk]);
    const free = Number(stdout.trim().split('\n').at(-1));
    await execute('fallocate', ['-l', `${free - 64}K`, ballast]);
    await storm.send(a, 2_000, 2_000);
    await nothingIsAcknowledged();
    await rm(ballast);
    await b.kafka.kill();
    await b.kafka.start();
    await storm.arrivedOnce(b, 90_000);
    await storm.acknowledged(a, b);
  });

  it('can only be read has nothing acknowledged, and everything once when it can be written', async () => {
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
    await storm.send(a, 500);
    await nothingIsAcknowledged();
    assert.match(
      (await sidecar.peer(a)).message,
      /TOPIC_AUTHORIZATION_FAILED for the topic LFH_SYNC; allow this sidecar WRITE on the topic LFH_SYNC/,
    );
    await admin.deleteAcls({
      filters: [{ ...anybody, operation: AclOperationTypes.WRITE, permissionType: AclPermissionTypes.DENY }],
    });
    await admin.disconnect();
    await storm.arrivedOnce(b, 90_000);
    await storm.acknowledged(a, b);
  });
});

import assert from 'node:assert/strict';
import kafkajs, { type AclEntry, type Admin } from 'kafkajs';
import { positionTopic, syncName, transactionalId } from '../../../common/contract/names.ts';
import type { PeerStatus } from '../../../common/contract/status.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess, signsInAtKafka } from '../../kit/processes/sidecar.ts';
import { ALLOWS_HANGING, endIn, leaveHanging } from '../../kit/servers/hanging-transaction.ts';
import { readTopic, replayedUuids } from '../../kit/servers/topic-reader.ts';
import { connectMessage } from '../../kit/sites/connect-message.ts';
import { Site } from '../../kit/sites/site.ts';

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const { CREATE, DESCRIBE, DESCRIBE_CONFIGS, READ, WRITE } = AclOperationTypes;
const { LITERAL, PREFIXED } = ResourcePatternTypes;

const USER = { username: 'lfh-sync', password: 'correct-horse' };
/** A client that signs in has only the rights that it is given. The tests themselves do not sign in, and have all. */
const AUTHORIZER = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'super.users': 'User:ANONYMOUS',
};

describe('a Kafka with ACLs', () => {
  let a: Site;
  let b: Site;
  let admin: Admin;
  let sidecar: SidecarProcess;

  before(async () => {
    [a, b] = await Promise.all([
      Site.start('hospital-a', { kafka: false }),
      Site.start('hospital-b', { kafkaUser: USER, kafkaProperties: { ...AUTHORIZER, ...ALLOWS_HANGING } }),
    ]);
    await a.grantAccess(b);
    admin = b.kafka.client().admin();
    await admin.connect();
  });

  after(async () => {
    await sidecar.stop();
    await admin.disconnect();
    await Promise.all([a.stop(), b.stop()]);
  });

  const allow = (
    resourceType: AclEntry['resourceType'],
    resourceName: string,
    resourcePatternType: AclEntry['resourcePatternType'],
    ...operations: AclEntry['operation'][]
  ): AclEntry[] =>
    operations.map((operation) => {
      const who = { principal: `User:${USER.username}`, host: '*', permissionType: AclPermissionTypes.ALLOW };
      return { ...who, resourceType, resourceName, resourcePatternType, operation };
    });

  const groups = (): AclEntry[] => allow(AclResourceTypes.GROUP, 'lfh-sync.local.', PREFIXED, READ);
  const transactions = (): AclEntry[] => allow(AclResourceTypes.TRANSACTIONAL_ID, 'lfh-sync.', PREFIXED, WRITE);
  const on = (topic: string, operation: AclEntry['operation']): AclEntry[] =>
    allow(AclResourceTypes.TOPIC, topic, LITERAL, operation);

  /** All rights that docs/sidecar.md lists, in the order in which the sidecar needs them, and what is said without each. */
  const steps: readonly [right: string, message: RegExp, acl: () => AclEntry[]][] = [
    ['READ on the groups', /GROUP_AUTHORIZATION_FAILED; allow this sidecar to read the consumer groups/, groups],
    [
      'any on the position topic',
      /allow this sidecar DESCRIBE on the topic LFH_SYNC_POSITION_lfh-sync-hospital-a/,
      () => allow(AclResourceTypes.TOPIC, 'LFH_SYNC', PREFIXED, CREATE, DESCRIBE, DESCRIBE_CONFIGS, READ, WRITE),
    ],
    [
      'WRITE on the transactional id',
      /TRANSACTIONAL_ID_AUTHORIZATION_FAILED; allow this sidecar to write/,
      transactions,
    ],
    [
      'any on LFH_EXCEPTION',
      /allow this sidecar DESCRIBE on the topic LFH_EXCEPTION/,
      () => allow(AclResourceTypes.TOPIC, 'LFH_EXCEPTION', LITERAL, CREATE, DESCRIBE, DESCRIBE_CONFIGS, WRITE),
    ],
    ['DESCRIBE on FHIR-R4', /allow this sidecar DESCRIBE on the topic FHIR-R4/, () => on('FHIR-R4', DESCRIBE)],
    ['CREATE on FHIR-R4', /allow this sidecar CREATE on the topic FHIR-R4/, () => on('FHIR-R4', CREATE)],
    [
      'DESCRIBE_CONFIGS on FHIR-R4',
      /allow this sidecar DESCRIBE_CONFIGS on the topic FHIR-R4/,
      () => on('FHIR-R4', DESCRIBE_CONFIGS),
    ],
    [
      'WRITE on FHIR-R4',
      /TOPIC_AUTHORIZATION_FAILED for the topic FHIR-R4; allow this sidecar WRITE on the topic FHIR-R4/,
      () => on('FHIR-R4', WRITE),
    ],
  ];

  let uuid: string;

  it('and no right at all makes the peer wait, and costs no message', async () => {
    const message = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' } });
    uuid = message.uuid;
    await a.announce([message.payload, Buffer.from('{')]);
    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings: await signsInAtKafka(b, USER) });
    await sidecar.waitForPeer(a, 'waits for Kafka', ({ reason }) => reason === 'KafkaRefused');
  });

  for (const [right, message, acl] of steps) {
    it(`and without the right ${right} makes the peer wait as KafkaRefused, with a message that names it`, async () => {
      const waits = ({ reason, message: text }: PeerStatus): boolean => reason === 'KafkaRefused' && message.test(text);
      await sidecar.waitForPeer(a, `waits for ${right}`, waits, 60_000);
      await admin.createAcls({ acl: acl() });
    });
  }

  it('is replayed into with the rights that docs/sidecar.md lists, and nothing was rejected for want of one', async () => {
    await sidecar.waitForPeer(a, 'is replayed', ({ position }) => position?.sequence === 2, 60_000);
    assert.deepEqual(await replayedUuids(b.kafka), [uuid]);
    await until('it is announced', async () => (await b.appSync()).length === 1);
    for (const topic of ['FHIR-R4', 'LFH_EXCEPTION']) {
      assert.equal((await readTopic(b.kafka, topic)).length, 1, topic);
    }
  });

  it('is committed in a topic that the sidecar may not read, where Kafka has committed only its position', async () => {
    await sidecar.stop();
    const peer = syncName(a.lfhId);
    const topic = positionTopic(peer);
    const position = (await readTopic(b.kafka, topic)).findLast(({ key }) => key?.toString() === 'position');
    await leaveHanging(b.kafka, transactionalId('local', peer), [
      { topic: 'FHIR-R4', partition: 0, key: null, value: 'left open' },
      { topic, partition: 0, key: 'position', value: position?.value.toString() ?? '' },
    ]);
    await endIn(b.kafka, transactionalId('local', peer), 'commit', { [topic]: 0 });
    assert.equal((await readTopic(b.kafka, 'FHIR-R4')).length, 1);

    sidecar = await SidecarProcess.start(b, { peers: [{ site: a }], settings: await signsInAtKafka(b, USER) });

    await until('it is committed', async () => (await readTopic(b.kafka, 'FHIR-R4')).length === 2);
  });
});

import assert from 'node:assert/strict';
import kafkajs, { type AclEntry, type Admin } from 'kafkajs';
import { SidecarProcess, signsInAtKafka } from '../../kit/processes/sidecar.ts';
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
      Site.start('hospital-b', { kafkaUser: USER, kafkaProperties: AUTHORIZER }),
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

  const topics = (...operations: AclEntry['operation'][]): AclEntry[] => [
    ...allow(AclResourceTypes.TOPIC, 'LFH_SYNC', PREFIXED, ...operations),
    ...['LFH_EXCEPTION', 'FHIR-R4'].flatMap((name) => allow(AclResourceTypes.TOPIC, name, LITERAL, ...operations)),
  ];

  it('is not replayed into without the right to describe configs, and the log names that right', async () => {
    const acl = [
      ...topics(CREATE, DESCRIBE, READ, WRITE),
      ...allow(AclResourceTypes.GROUP, 'lfh-sync.local.owners', LITERAL, READ),
      ...allow(AclResourceTypes.TRANSACTIONAL_ID, 'lfh-sync.', PREFIXED, WRITE),
    ];
    await admin.createAcls({ acl });
    sidecar = await SidecarProcess.start(b, {
      peers: [{ site: a }],
      settings: await signsInAtKafka(b, USER),
    });
    await sidecar.waitForLog(/TOPIC_AUTHORIZATION_FAILED; allow this sidecar to create, describe, describe-configs/);
    await sidecar.waitForPeer(a, 'waits for Kafka', ({ reason }) => reason === 'KafkaUnavailable');
  });

  it('is replayed into with exactly the rights that docs/sidecar.md lists', async () => {
    await admin.createAcls({ acl: topics(DESCRIBE_CONFIGS) });
    const { uuid, payload } = connectMessage({ lfhId: a.lfhId, content: { resourceType: 'Patient' } });
    await a.announce([payload, Buffer.from('{')]);
    await sidecar.waitForPeer(a, 'is replayed', ({ position }) => position?.sequence === 2, 60_000);
    assert.deepEqual(await replayedUuids(b.kafka), [uuid]);
    for (const topic of ['FHIR-R4', 'LFH_EXCEPTION']) {
      assert.equal((await readTopic(b.kafka, topic)).length, 1, topic);
    }
  });
});

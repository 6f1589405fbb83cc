import assert from 'node:assert/strict';
import { type ConfigMap, KINDS, type Secret } from '../../../operator/api/objects.ts';
import { localNatsKey, makeKey, type UserKey } from '../../../operator/nats/keys.ts';
import { type OperatorInNamespaces, OperatorProcess } from '../../kit/processes/operator.ts';
import { freePort, until } from '../../kit/processes/process.ts';
import { type ControlPlane, sharedControlPlane } from '../../kit/servers/control-plane.ts';
import { failWrites } from '../../kit/sites/admission.ts';
import { OperatedSite } from '../../kit/sites/operated-site.ts';

/** From the document that the project began with. */
const PUBLISHED_SEED = 'SUAIT6XNSPT2JZXX2XCPQPQO6F3BZ3VUGDP73WMEXUEBBVBMXMIJHUQHWE';

describe('the key of a node', function () {
  this.timeout(240_000);
  let plane: ControlPlane;
  let operator: OperatorProcess;
  let namespace: string;
  let site: OperatedSite | undefined;

  before(async function () {
    this.timeout(1_200_000);
    plane = await sharedControlPlane();
  });

  beforeEach(async () => {
    const started: OperatorInNamespaces = await OperatorProcess.startOver(plane, ['keys']);
    operator = started.operator;
    [namespace = ''] = started.options.namespaces;
  });

  afterEach(async () => {
    await site?.stop();
    site = undefined;
    await operator.stop();
  });

  async function start(key: object = {}): Promise<OperatedSite> {
    site = await OperatedSite.start(plane, namespace, 'hospital-a', { kafka: false, spec: { key } });
    return site;
  }

  function textOf(secret: Secret, name: string): string {
    return Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
  }

  async function natsFilesOf(at: OperatedSite): Promise<string> {
    return JSON.stringify((await at.get<ConfigMap>(KINDS.configMap, 'local-nats'))?.data);
  }

  async function everythingButSecrets(): Promise<string> {
    const objects = await plane.kubectl([
      'get',
      '-n',
      namespace,
      'lfhnode,lfhpeer,cm,events.events.k8s.io',
      '-o',
      'yaml',
    ]);
    return objects.stdout + operator.process.output();
  }

  async function keyReady(at: OperatedSite): Promise<{ readonly reason: string; readonly message: string }> {
    const found = (await at.node()).status?.conditions?.find(({ type }) => type === 'KeyReady');
    return { reason: found?.reason ?? '', message: found?.message ?? '' };
  }

  it('is made where there is none, given to those who need its public half, and kept when everything else is deleted', async () => {
    const at = await start();
    const message = await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade');
    assert.match(message, /local-nkey/);
    const secret = await at.keySecret();
    const [seed, publicKey] = [textOf(secret, 'nats-server.nk'), textOf(secret, 'public-key')];
    assert.match(seed, /^SU[A-Z2-7]{56}$/);
    assert.equal(secret.metadata.ownerReferences, undefined);
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    assert.deepEqual((await at.node()).status?.publicKeys, [publicKey]);
    assert.match(await at.invitation(), new RegExp(publicKey));
    assert.deepEqual(await at.ownUsers(), [(await at.ownUser()).publicKey]);
    assert.ok(!(await natsFilesOf(at)).includes(publicKey), 'what peers know is not let in here');
    assert.ok(!(await everythingButSecrets()).includes(seed));
  });

  it('is reported and not made again when it is lost, and works again when it is restored', async () => {
    const at = await start();
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const { data } = await at.keySecret();
    const [before] = (await at.node()).status?.publicKeys ?? [];
    const own = await at.ownUser();
    await at.kubectl('delete', 'secret', 'local-nkey');
    const message = await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyLost');
    assert.match(
      message,
      new RegExp(`seed of ${before} is gone.*restore it from a backup, or raise spec.key.rotation`),
    );
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'KeyNotReady');
    assert.equal(await at.get(KINDS.secret, 'local-nkey'), undefined);
    // As an upgrade of the chart does.
    await at.apply(KINDS.secret, 'local-nkey', { metadata: { name: 'local-nkey', labels: { of: 'helm' } } });
    await operator.reconciled(1);
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyLost');
    assert.equal((await at.keySecret()).data, undefined);
    // Its sidecars go on, and so does their connection, whatever is written now.
    await at.apply(KINDS.peer, 'hospital-b', { spec: { lfhId: 'hospital-b', publicKeys: [makeKey().publicKey] } });
    await until('that is written', async () => (await natsFilesOf(at)).includes('lfh-sync-hospital-b'));
    assert.deepEqual(await at.ownUsers(), [own.publicKey]);
    await at.kubectl('delete', 'lfhpeer', 'hospital-b');
    await at.apply(KINDS.secret, 'local-nkey', { data });
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade');
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
  });

  it('is made again after a loss when a person raises spec.key.rotation', async () => {
    const at = await start();
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const [before] = (await at.node()).status?.publicKeys ?? [];
    await at.kubectl('delete', 'secret', 'local-nkey');
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyLost');
    await at.patch('lfhnode', 'local', { key: { rotation: 1 } });
    const missing = await at.waitForReason('lfhnode', 'local', 'KeyReady', 'SecretMissing');
    const [, command = ''] =
      /^make an empty Secret, which the operator fills: kubectl ([a-z -]+-n \S+) /.exec(missing) ?? [];
    assert.match(missing, /cannot create resource "secrets"/);
    await at.kubectl(...command.split(' '));
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade');
    await until('the new one is told', async () => {
      const keys = (await at.node()).status?.publicKeys ?? [];
      return keys.length === 1 && keys[0] !== before;
    });
  });

  it('stays in force while its Secret cannot be written, and access is taken back all the same', async () => {
    const at = await start();
    const { publicKey } = makeKey();
    await at.apply(KINDS.peer, 'hospital-b', { spec: { lfhId: 'hospital-b', publicKeys: [publicKey] } });
    await until('the peer is let in', async () => (await natsFilesOf(at)).includes(publicKey));
    const before = (await at.node()).status?.publicKeys;
    const secrets = { resource: 'secrets', operations: ['UPDATE'] } as const;
    const undo = await failWrites(plane, namespace, secrets, () =>
      at.kubectl('label', 'secret', 'local-nkey', 'any=', '--dry-run=server'),
    );
    try {
      await at.patch('lfhnode', 'local', { key: { rotation: 1 } });
      await until('it is said', async () =>
        /cannot be changed: .*failed calling webhook/.test(
          await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade'),
        ),
      );
      await at.kubectl('delete', 'lfhpeer', 'hospital-b');
      await until('its access is taken back', async () => !(await natsFilesOf(at)).includes(publicKey));
      assert.deepEqual((await at.node()).status?.publicKeys, before);
    } finally {
      await undo();
    }
    // Nobody has to do anything else.
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'Rotating');
  });

  it('is none while its Secret holds a published seed, also where the Secret cannot be written', async () => {
    const at = await start();
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const own = await at.ownUsers();
    const data = { 'nats-server.nk': Buffer.from(PUBLISHED_SEED).toString('base64') };
    const published = JSON.stringify({ data, immutable: true });
    await at.kubectl('patch', 'secret', 'local-nkey', '--type=merge', '-p', published);
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'PublishedKey');
    await at.patch('lfhnode', 'local', { key: { rotation: 1 } });
    await until('it says why it cannot be replaced', async () =>
      /cannot be changed: .*immutable/.test((await keyReady(at)).message),
    );
    assert.equal((await keyReady(at)).reason, 'PublishedKey');
    await operator.reconciled(1);
    assert.deepEqual(await at.ownUsers(), own, 'nobody is let in with a seed that everybody knows');
  });

  it('that was replaced is let in no more when its time is over, though its Secret cannot be written', async () => {
    const at = await start({ overlap: '10s', overlapMax: '20s' });
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const stolen = (await at.ownUser()).publicKey;
    const [known = ''] = (await at.node()).status?.publicKeys ?? [];
    await at.patch('lfhnode', 'local', { key: { rotation: 1 } });
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'Rotating');
    await at.kubectl('patch', 'secret', 'local-nkey', '--type=merge', '-p', '{"immutable":true}');
    await until('it is let in here no more', async () => !(await at.ownUsers()).includes(stolen));
    await until('it is said', async () =>
      /previous key has ended, and cannot be removed from it: .*immutable/.test((await keyReady(at)).message),
    );
    assert.notEqual(textOf(await at.keySecret(), 'previous.nk'), '');
    assert.equal((await at.node()).status?.publicKeys?.includes(known), false);
  });

  it('that was replaced ends with spec.key.overlapMax, though a peer says that it accepts no other', async () => {
    const at = await start({ overlap: '1s', overlapMax: '30s' });
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const [before = ''] = (await at.node()).status?.publicKeys ?? [];
    const user = (await at.ownUser()).publicKey;
    const servers = [`tls://127.0.0.1:${await freePort()}`];
    await at.apply(KINDS.peer, 'hospital-b', { spec: { lfhId: 'hospital-b', servers } });
    // The operator takes out of a status what it has not written itself, unless it has seen it: so its first one must be there.
    await at.waitForReason('lfhpeer', 'hospital-b', 'ReceiveReady', 'NoReport');
    const accepts = JSON.stringify({ status: { receive: { key: before } } });
    await at.kubectl('patch', 'lfhpeer', 'hospital-b', '--subresource=status', '--type=merge', '-p', accepts);
    await at.patch('lfhnode', 'local', { key: { rotation: 1 } });
    const message = await at.waitForReason('lfhnode', 'local', 'KeyReady', 'Rotating');
    assert.match(message, /it ends at \d{4}-.*, whatever peers accept/);
    assert.ok((await at.ownUsers()).includes(user));
    await until('the previous key is gone', async () => textOf(await at.keySecret(), 'previous.nk') === '');
    await until('it is let in here no more', async () => !(await at.ownUsers()).includes(user));
    await until('the peer that needs the invitation is named', async () => {
      const told = await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyMade');
      return told.endsWith('need the invitation: hospital-b');
    });
    assert.equal((await at.node()).status?.publicKeys?.includes(before), false);
  });

  it('may be brought by a person, and what is missing or wrong is reported without quoting it', async () => {
    const { seed, publicKey } = makeKey();
    const at = await start({ secretRef: { name: 'mine' } });
    const missing = await at.waitForReason('lfhnode', 'local', 'KeyReady', 'MissingReference');
    assert.match(missing, /spec.key.secretRef: there is no Secret mine/);
    assert.equal((await at.keySecret()).data, undefined);

    const bring = (text: string): Promise<void> =>
      at.apply(KINDS.secret, 'mine', { stringData: { 'nats-server.nk': text } });
    const says = async (pattern: RegExp): Promise<void> =>
      until(`it says ${pattern}`, async () =>
        pattern.test(await at.waitForReason('lfhnode', 'local', 'KeyReady', 'InvalidKey')),
      );
    await bring(publicKey);
    await says(/this is a public key: the seed belongs here/);
    await bring(`${seed}\n`);
    await says(/there is a line end/);
    await bring('hunter2');
    await says(/this is no seed/);
    await bring(PUBLISHED_SEED);
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'PublishedKey');
    await bring(seed);
    await at.waitForReason('lfhnode', 'local', 'KeyReady', 'KeyBrought');
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    const everything = await everythingButSecrets();
    assert.ok(![seed, 'hunter2', PUBLISHED_SEED].some((secret) => everything.includes(secret)));
    assert.deepEqual((await at.node()).status?.publicKeys, [publicKey]);
  });

  it('that was brought may be replaced with an overlap in which both keys are accepted', async () => {
    const [before, after] = [makeKey(), makeKey()];
    const at = await start({ secretRef: { name: 'overlapping' } });
    const bring = (seeds: object): Promise<void> => at.apply(KINDS.secret, 'overlapping', { stringData: seeds });
    const count = (...keys: string[]): Promise<void> =>
      until(`${keys.length} count`, async () => {
        const { publicKeys = [] } = (await at.node()).status ?? {};
        const invitation = await at.invitation();
        return publicKeys.join() === keys.join() && keys.every((key) => invitation.includes(key));
      });
    const letIn = (...keys: UserKey[]): Promise<void> =>
      until(`${keys.length} are let in`, async () => {
        const wanted = keys.map(({ seed }) => localNatsKey(seed).publicKey);
        return (await at.ownUsers()).join() === wanted.sort().join();
      });
    await bring({ 'nats-server.nk': before.seed });
    await count(before.publicKey);
    await letIn(before);
    await bring({ 'nats-server.nk': after.seed, 'previous.nk': before.seed });
    await count(after.publicKey, before.publicKey);
    await letIn(after, before);
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    await at.kubectl(
      'patch',
      'secret',
      'overlapping',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/data/previous.nk"}]',
    );
    await count(after.publicKey);
    await letIn(after);
  });

  it('never admits a published previous key at the local NATS', async () => {
    const key = makeKey();
    const at = await start({ secretRef: { name: 'after-published' } });
    const stringData = { 'nats-server.nk': key.seed, 'previous.nk': PUBLISHED_SEED };
    await at.apply(KINDS.secret, 'after-published', { stringData });
    await at.waitForReason('lfhnode', 'local', 'NatsConfigLive', 'Live');
    assert.deepEqual(await at.ownUsers(), [localNatsKey(key.seed).publicKey]);
  });
});

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createUser, type KeyPair } from 'nkeys.js';
import { pino } from 'pino';
import { pullSubject } from '../../../common/contract/durable.ts';
import { inboxPrefix, STREAM, syncName } from '../../../common/contract/names.ts';
import { openPeerStream } from '../../../sidecar/nats/peer-stream.ts';
import { until } from '../../kit/processes/process.ts';
import { Site } from '../../kit/sites/site.ts';

const B = 'hospital-b';
const C = 'hospital-c';
const MESSAGES = 300;
const BATCH = 50;

const FORMS = [
  { flag: false, form: 'first', says: /^\$JS\.ACK\.EVENTS\.lfh-sync-hospital-c\.1\./ },
  { flag: true, form: 'second', says: /^\$JS\.ACK\._\.[A-Za-z0-9]{8}\.EVENTS\.lfh-sync-hospital-c\.1\./ },
] as const;

for (const { flag, form, says } of FORMS) {
  describe(`a server that writes ack subjects in their ${form} form`, function () {
    this.timeout(60_000);
    let site: Site;
    const keys: Record<string, KeyPair> = { [B]: createUser(), [C]: createUser() };

    before(async () => {
      site = await Site.start('hospital-a', {
        kafka: false,
        natsConfig: `feature_flags { js_ack_fc_v2: ${flag} }`,
      });
      for (const [lfhId, key] of Object.entries(keys)) await site.grantAccess({ lfhId, publicKey: key.getPublicKey() });
      await site.announce(Array.from({ length: MESSAGES }, (_, index) => Buffer.from(`message ${index}`)));
    });
    after(() => site.stop());

    it('takes every acknowledgement of 300 messages in one session, and logs no violation', async () => {
      const stream = await openPeerStream({
        server: site.nats.url,
        seed: (keys[B] as KeyPair).getSeed(),
        ca: site.ca.ca,
        stream: STREAM,
        durable: syncName(B),
        inboxPrefix: inboxPrefix(syncName(B)),
        name: 'lfh-sync test',
        log: pino({ level: 'silent' }),
      });
      await stream.reset();
      stream.start({ messages: 100, bytes: 1e6 });
      for (let count = 0; count < MESSAGES; ) {
        await stream.available(5_000);
        const batch = stream.take({ messages: BATCH, bytes: 1e6 });
        batch.at(-1)?.ack();
        count += batch.length;
      }
      await until('all is acknowledged', async () => (await site.durableInfo(B)).ack_floor.stream_seq === MESSAGES);
      await stream.available(0);
      await stream.close();
      assert.doesNotMatch(await readFile(site.nats.logFile, 'utf8'), /Violation/);
    });

    it('lets no peer acknowledge or fetch with the acknowledgements of another peer', async () => {
      const c = await site.connectAs({ lfhId: C, seed: (keys[C] as KeyPair).getSeed() });
      const inbox = `${inboxPrefix(syncName(C))}.1`;
      const subjects: string[] = [];
      c.subscribe(inbox, { callback: (_error, message) => void (message.reply && subjects.push(message.reply)) });
      const pull = { batch: 10, expires: 4_000_000_000 };
      c.publish(pullSubject(STREAM, syncName(C)), JSON.stringify(pull), { reply: inbox });
      await until('the other peer was handed messages', () => subjects.length === 10);
      const theirs = subjects.at(-1) as string;
      assert.match(theirs, says);

      for (const subject of [
        theirs,
        `${theirs}.more`,
        // A permission for the second form that does not count tokens matches this, and the server takes it for the first form.
        `$JS.ACK.EVENTS.${syncName(C)}.EVENTS.${syncName(B)}.1.2.3`,
        `$JS.ACK.EVENTS.${syncName(C)}.EVENTS.${syncName(B)}.9.9.9.9.0`,
        `$JS.ACK._._.EVENTS.${syncName(C)}.EVENTS.${syncName(B)}.9.9.0`,
      ]) {
        const b = await site.connectAs({ lfhId: B, seed: (keys[B] as KeyPair).getSeed() });
        b.subscribe(`${inboxPrefix(syncName(B))}.1`, { callback: () => undefined });
        b.publish(subject, '+ACK');
        // An acknowledgement may ask for more messages. They would be handed to this peer, and the other one would lack them.
        b.publish(subject, '+NXT {"batch":5,"expires":2000000000}', { reply: `${inboxPrefix(syncName(B))}.1` });
        await b.flush().catch(() => undefined);
        await b.close();
      }
      const { ack_floor, delivered, num_ack_pending } = await site.durableInfo(C);
      assert.deepEqual([ack_floor.stream_seq, delivered.stream_seq, num_ack_pending], [0, 10, 10]);
      c.publish(theirs, '+ACK');
      await until('its own peer can', async () => (await site.durableInfo(C)).ack_floor.stream_seq === 10);
    });
  });
}

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Msg, type NatsConnection, nkeyAuthenticator } from 'nats';
import { createUser } from 'nkeys.js';
import { natsIncludes } from '../../../operator/plan/nats/permissions.ts';
import { until } from '../../kit/processes/process.ts';
import { EVENTS_STREAM } from '../../kit/servers/events-stream.ts';
import { NatsServer } from '../../kit/servers/nats-server.ts';

/** What connect asks of its own NATS, in the order in which it was traced (docs/upstream.md). */
for (const extra of ['', 'feature_flags { js_ack_fc_v2: true }']) {
  describe(`the user of connect${extra && ', with acknowledgements in the second form'}`, () => {
    const [own, key] = [createUser(), createUser()];
    let directory: string;
    let server: NatsServer;
    let nats: NatsConnection;
    let administrator: NatsConnection;

    before(async () => {
      directory = await mkdtemp(join(tmpdir(), 'lfh-sync-connect-user-'));
      const { mainAccount } = natsIncludes({
        account: 'LFH',
        own: [own.getPublicKey()],
        users: [],
        connect: key.getPublicKey(),
        peers: [],
      });
      const accounts = `LFH {\n  jetstream: enabled\n${mainAccount}}`;
      server = await NatsServer.start({ directory, name: 'connect-user', accounts, extra });
      nats = await signIn(key.getSeed());
      administrator = await signIn(own.getSeed());
    });

    after(async () => {
      await Promise.all([nats?.close(), administrator?.close()]);
      await server?.stop();
      await rm(directory, { recursive: true, force: true });
    });

    function signIn(seed: Uint8Array): Promise<NatsConnection> {
      return connect({ servers: [server.url], authenticator: nkeyAuthenticator(seed), reconnect: false });
    }

    async function ask(subject: string, body: object, at = nats): Promise<Record<string, unknown>> {
      const answer = (await at.request(subject, JSON.stringify(body), { timeout: 10_000 })).json<
        Record<string, unknown>
      >();
      assert.equal(answer.error, undefined, subject);
      return answer;
    }

    it('may do all that connect does', async () => {
      await ask('$JS.API.STREAM.CREATE.EVENTS', EVENTS_STREAM);
      for (const [durable, part] of [
        ['SYNC', 'sync'],
        ['TIMING', 'timing'],
        ['RETRANSMIT', 'retransmit'],
        ['APP_SYNC', 'app_sync'],
      ] as const) {
        const config = {
          durable_name: durable,
          deliver_subject: `${part}.EVENTS`,
          deliver_policy: 'all',
          ack_policy: 'explicit',
          filter_subject: `EVENTS.${part}`,
        };
        await ask(`$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.${durable}`, { stream_name: 'EVENTS', config });
        await ask(`$JS.API.CONSUMER.INFO.EVENTS.${durable}`, {});
        const received: Msg[] = [];
        nats.subscribe(`${part}.EVENTS`, { callback: (_error, message) => void received.push(message) });
        await nats.flush();
        await ask(`EVENTS.${part}`, { of: part });
        await until(`${part} is delivered`, () => received.length === 1);
        const [{ reply = '' } = { reply: '' }] = received;
        assert.equal(reply.split('.').length > 9, extra !== '', reply);
        // nats-py asks for a confirmation of each acknowledgement.
        await nats.request(reply, '+ACK', { timeout: 10_000 });
        const { ack_floor } = await ask(`$JS.API.CONSUMER.INFO.EVENTS.${durable}`, {}, administrator);
        assert.equal((ack_floor as { consumer_seq: number }).consumer_seq, 1);
      }
    });

    const forbidden = [
      '$JS.API.STREAM.DELETE.EVENTS',
      '$JS.API.STREAM.PURGE.EVENTS',
      '$JS.API.STREAM.UPDATE.EVENTS',
      '$JS.API.STREAM.MSG.DELETE.EVENTS',
      '$JS.API.CONSUMER.DELETE.EVENTS.lfh-sync-hospital-b',
      '$JS.API.CONSUMER.RESET.EVENTS.lfh-sync-hospital-b',
      '$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.lfh-sync-hospital-b',
      '$JS.ACK.EVENTS.lfh-sync-hospital-b.1.1.1.1.0',
      'lfh-sync.local.status',
      'anything',
    ];
    for (const subject of forbidden) {
      it(`may not publish on ${subject}`, async () =>
        assert.match(await refusal((at) => at.publish(subject)), /Publish/));
    }

    for (const subject of ['EVENTS.>', '>', '$JS.>', 'lfh-sync.local.status', '_INBOX.lfh-sync-hospital-a.own.>']) {
      it(`may not subscribe to ${subject}`, async () =>
        assert.match(await refusal((at) => void at.subscribe(subject, { callback: () => undefined })), /Subscription/));
    }

    /** @returns what the server says to something that is not allowed */
    async function refusal(attempt: (at: NatsConnection) => void): Promise<string> {
      const at = await signIn(key.getSeed());
      try {
        const said: string[] = [];
        void (async () => {
          for await (const { data } of at.status()) said.push(JSON.stringify(data));
        })();
        const violations = (): string[] =>
          server.process.output().match(/(Publish|Subscription) Violation[^\n]*/g) ?? [];
        const before = violations().length;
        attempt(at);
        await at.flush();
        await until('the server has refused it', () => violations().length > before, 10_000);
        return violations().slice(before).join('\n');
      } finally {
        await at.close();
      }
    }
  });
}

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { durableConfig } from '../../../../../common/contract/durable.ts';
import { manualAccess } from '../../../../../operator/plan/peers/manual-access.ts';
import { aPeer, OWN_KEY, userKey } from '../fixtures.ts';

const peer = aPeer('b', { spec: { receive: { manual: true } } });

describe('what the administrator of a site without lfh-sync is handed', () => {
  it('is the user and the durable that lfh-sync would make there', () => {
    const access = manualAccess('hospital-a', [OWN_KEY], peer);
    assert.equal(
      access?.user,
      `{ nkey: ${OWN_KEY}, permissions: { publish: { allow: ["$JS.API.CONSUMER.MSG.NEXT.EVENTS.lfh-sync-hospital-a", ` +
        '"$JS.API.CONSUMER.RESET.EVENTS.lfh-sync-hospital-a", "$JS.ACK.EVENTS.lfh-sync-hospital-a.>", ' +
        '"$JS.ACK.*.*.EVENTS.lfh-sync-hospital-a.*.*.*.*.>"] }, subscribe: { allow: ["_INBOX.lfh-sync-hospital-a.>"] } }, ' +
        'allowed_connection_types: ["STANDARD"] }',
    );
    assert.equal(access.subject, '$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.lfh-sync-hospital-a');
    assert.deepEqual(JSON.parse(access.durable), { stream_name: 'EVENTS', config: durableConfig('hospital-a') });
  });

  it('has the stream and the durable that the spec names, but our own inbox, and a line for each key', () => {
    const receive = { manual: true, stream: 'THEIRS', consumer: 'ours' };
    const access = manualAccess('hospital-a', [OWN_KEY, userKey('previous')], aPeer('b', { spec: { receive } }));
    const lines = access?.user.split('\n') ?? [];
    assert.equal(lines.length, 2);
    for (const line of lines) {
      assert.match(line, /MSG\.NEXT\.THEIRS\.ours".*allow: \["_INBOX\.lfh-sync-hospital-a\.>"\]/);
    }
    assert.equal(access?.subject, '$JS.API.CONSUMER.DURABLE.CREATE.THEIRS.ours');
    const { stream_name: stream, config } = JSON.parse(access.durable) as {
      stream_name: string;
      config: { durable_name: string };
    };
    assert.deepEqual([stream, config.durable_name], ['THEIRS', 'ours']);
  });

  it('is nothing where it is not asked for, where nothing is received, and while there is no key', () => {
    assert.equal(manualAccess('hospital-a', [OWN_KEY], aPeer('b')), undefined);
    const receive = { manual: true };
    assert.equal(manualAccess('a', [OWN_KEY], aPeer('b', { spec: { servers: undefined, receive } })), undefined);
    assert.equal(manualAccess('hospital-a', [], peer), undefined);
  });

  it('is what docs/upstream-sites.md shows', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../../../docs/upstream-sites.md'), 'utf8');
    const access = manualAccess('hospital-a', ['U…'], peer);
    const withoutBlanks = (text: string): string => text.replace(/\s/g, '');
    for (const text of [access?.user, access?.subject]) {
      assert.ok(text !== undefined && withoutBlanks(page).includes(withoutBlanks(text)), text);
    }
  });
});

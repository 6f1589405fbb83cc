import assert from 'node:assert/strict';
import { makeKey } from '../../../../../operator/nats/keys.ts';
import { hashOf, type NatsFiles, natsFiles, withoutRevoked } from '../../../../../operator/plan/nats/files.ts';
import { MAIN_FILE, PEERS_FILE } from '../../../../../operator/plan/observed/names.ts';

const [OWN, ADMINISTRATOR, B, B2, C, PROBE_B, PROBE_C, CANARY] = Array.from(
  { length: 8 },
  () => makeKey().publicKey,
) as [string, ...string[]];

describe('taking access back from files that stand there', () => {
  for (const isolation of ['Accounts', 'Users'] as const) {
    function files(peers: Readonly<Record<string, readonly (string | undefined)[]>>): NatsFiles {
      const probes: Readonly<Record<string, string | undefined>> = { b: PROBE_B, 'c.c': PROBE_C };
      const access = {
        isolation,
        account: 'LFH',
        own: [OWN],
        users: [ADMINISTRATOR ?? ''],
        peers: Object.entries(peers).map(([lfhId, keys]) => ({
          lfhId,
          publicKeys: keys.map((key) => key ?? ''),
          probe: probes[lfhId] ?? '',
        })),
      };
      const standing = { written: undefined, liveHash: undefined, restarts: true };
      return natsFiles(access, 'ca', standing, { canary: () => CANARY }).files;
    }

    /** But for the canary, which is that of the text before. */
    const same = (one: NatsFiles, other: NatsFiles): void => assert.equal(hashOf(one), hashOf(other));

    describe(`with isolation ${isolation}`, () => {
      const both = files({ b: [B, B2], 'c.c': [C] });

      it('leaves everything where everybody is still granted what they have', () => {
        const granted = [
          { lfhId: 'b', publicKeys: [B ?? '', B2 ?? ''] },
          { lfhId: 'c.c', publicKeys: [C ?? ''] },
        ];
        assert.deepEqual(withoutRevoked(both, granted), both);
      });

      it('leaves what would have been written without the others', () => {
        same(withoutRevoked(both, [{ lfhId: 'b', publicKeys: [B ?? '', B2 ?? ''] }]), files({ b: [B, B2] }));
        same(withoutRevoked(both, [{ lfhId: 'b', publicKeys: [B2 ?? '', C ?? ''] }]), files({ b: [B2] }));
        same(withoutRevoked(both, []), files({}));
      });

      it('adds nobody, and keeps the users of the node', () => {
        const none = withoutRevoked(files({}), [{ lfhId: 'b', publicKeys: [B ?? ''] }]);
        assert.deepEqual(none, files({}));
        assert.ok([OWN, ADMINISTRATOR].every((key) => none[MAIN_FILE].includes(key ?? '')));
        assert.ok(!none[PEERS_FILE].includes('{'));
      });
    });
  }
});

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { syncName } from '../../../../../common/contract/names.ts';
import { InvalidInputError } from '../../../../../common/errors.ts';
import {
  type AdmittedPeer,
  type NatsAccess,
  natsIncludes,
  SIDECAR_MARK,
  sidecarUsers,
} from '../../../../../operator/plan/nats/permissions.ts';
import { userKey } from '../fixtures.ts';

/** In alphabetical order, which is their order in the file. */
const KEYS = ['A', 'B', 'C', 'D', 'E', 'F'].map(userKey).sort();
const OWN = key('A');
const ADMINISTRATOR = key('B');
const peers: readonly AdmittedPeer[] = [
  { lfhId: 'hospital-b', publicKeys: [key('D'), key('C')] },
  { lfhId: 'a.b', publicKeys: [key('E')] },
];
const access: NatsAccess = { account: 'LFH', own: [OWN], users: [ADMINISTRATOR], peers };

/** An account may import each only with its own name in the place of its `*` at that position. */
const SHARED_EXPORTS = `    { service: "$JS.API.CONSUMER.MSG.NEXT.EVENTS.*", response_type: stream, response_threshold: "6s", account_token_position: 7 }
    { service: "$JS.API.CONSUMER.RESET.EVENTS.*", response_threshold: "6s", account_token_position: 6 }
    { service: "$JS.ACK.EVENTS.*.>", response_threshold: "6s", account_token_position: 4 }
    { service: "$JS.ACK.*.*.EVENTS.*.*.*.*.*.>", response_threshold: "6s", account_token_position: 6 }
`;

function key(letter: string): string {
  return KEYS['ABCDEF'.indexOf(letter)] ?? '';
}

describe("a node's nats-server configuration", () => {
  it('gives each peer an account with services to pull, reset and acknowledge in both forms, and nothing else', () => {
    const { mainAccount, peerAccounts } = natsIncludes({ ...access, peers: peers.slice(0, 1), users: [] });
    assert.equal(
      mainAccount,
      `  users: [
    { nkey: ${OWN} } # this node's own
  ]
  exports: [
${SHARED_EXPORTS}  ]
`,
    );
    const permissions = '{ publish: [$S1, $S2, $S3, $S4], subscribe: ["_INBOX.lfh-sync-hospital-b.>"] }';
    assert.equal(
      peerAccounts,
      `lfh-sync-hospital-b {
  limits: { max_connections: 32, max_subscriptions: 64, max_payload: 4096 }
  S1: "$JS.API.CONSUMER.MSG.NEXT.EVENTS.lfh-sync-hospital-b"
  S2: "$JS.API.CONSUMER.RESET.EVENTS.lfh-sync-hospital-b"
  S3: "$JS.ACK.EVENTS.lfh-sync-hospital-b.>"
  S4: "$JS.ACK.*.*.EVENTS.lfh-sync-hospital-b.*.*.*.*.>"
  users: [
    { nkey: ${key('C')}, permissions: ${permissions}, allowed_connection_types: ["STANDARD"] }
    { nkey: ${key('D')}, permissions: ${permissions}, allowed_connection_types: ["STANDARD"] }
  ]
  imports: [
    { service: { account: "LFH", subject: $S1 } }
    { service: { account: "LFH", subject: $S2 } }
    { service: { account: "LFH", subject: $S3 } }
    { service: { account: "LFH", subject: $S4 } }
  ]
}
`,
    );
  });

  it('gives connect without lfh-sync an account in which its question for SYNC leads to its own durable', () => {
    const peer: AdmittedPeer = { lfhId: 'hospital-b', publicKeys: [key('C')], probe: key('E'), client: 'Connect' };
    const { mainAccount, peerAccounts } = natsIncludes({ ...access, peers: [peer], users: [] });
    assert.ok(
      mainAccount.endsWith(`  exports: [
${SHARED_EXPORTS}    { service: "$JS.API.CONSUMER.INFO.EVENTS.lfh-connect-hospital-b", response_threshold: "6s", accounts: [lfh-connect-hospital-b] }
    { service: "$JS.ACK.EVENTS.lfh-connect-hospital-b.>", response_threshold: "6s", accounts: [lfh-connect-hospital-b] }
    { service: "$JS.ACK.*.*.EVENTS.lfh-connect-hospital-b.*.*.*.*.>", response_threshold: "6s", accounts: [lfh-connect-hospital-b] }
    { stream: "lfh-sync.deliver.lfh-connect-hospital-b", accounts: [lfh-connect-hospital-b] }
  ]
`),
      mainAccount,
    );
    const acks = '"$JS.ACK.EVENTS.lfh-connect-hospital-b.>", "$JS.ACK.*.*.EVENTS.lfh-connect-hospital-b.*.*.*.*.>"';
    assert.equal(
      peerAccounts,
      `lfh-connect-hospital-b {
  limits: { max_connections: 32, max_subscriptions: 64, max_payload: 4096 }
  mappings: { "$JS.API.CONSUMER.INFO.EVENTS.SYNC": "lfh-sync.info" }
  users: [
    { nkey: ${key('C')}, permissions: { publish: ["lfh-sync.info", ${acks}], subscribe: ["lfh-sync.deliver.lfh-connect-hospital-b", "_INBOX.>"] }, allowed_connection_types: ["STANDARD"] }
    { nkey: ${key('E')}, permissions: { publish: ["lfh-sync.info", "$SYS.REQ.ACCOUNT.PING.CONNZ"], subscribe: ["_INBOX.probe.>"] }, allowed_connection_types: ["STANDARD"] }
  ]
  imports: [
    { service: { account: "LFH", subject: "$JS.API.CONSUMER.INFO.EVENTS.lfh-connect-hospital-b" }, to: "lfh-sync.info" }
    { service: { account: "LFH", subject: "$JS.ACK.EVENTS.lfh-connect-hospital-b.>" } }
    { service: { account: "LFH", subject: "$JS.ACK.*.*.EVENTS.lfh-connect-hospital-b.*.*.*.*.>" } }
    { stream: { account: "LFH", subject: "lfh-sync.deliver.lfh-connect-hospital-b" } }
  ]
}
`,
    );
  });

  it('gives each peer a user with the same permissions with isolation Users', () => {
    const accounts = natsIncludes(access);
    const users = natsIncludes({ ...access, isolation: 'Users' });
    assert.equal(users.peerAccounts, '');
    const withPermissions = (text: string): string[] => {
      const subjects = new Map<string, string>();
      return text.split('\n').flatMap((line) => {
        const [, name, subject = ''] = /^ {2}(S\d): (".*")$/.exec(line) ?? [];
        if (name !== undefined) subjects.set(name, subject);
        const whole = line.replace(/\$(S\d)/g, (_, each: string) => subjects.get(each) ?? '');
        return whole.includes('permissions') ? [whole.replace(/\{ allow: (\[.*?\]) \}/g, '$1')] : [];
      });
    };
    assert.deepEqual(withPermissions(users.mainAccount), withPermissions(accounts.peerAccounts));
    assert.equal(withPermissions(users.mainAccount).length, 3);
    assert.ok(!users.mainAccount.includes('exports'));
    assert.match(users.mainAccount, new RegExp(`\\{ nkey: ${OWN} \\}`));
  });

  it('is the same text in whatever order peers, keys and users are given', () => {
    const shuffled = fc.record({
      own: fc.shuffledSubarray([OWN, key('F')], { minLength: 2 }),
      users: fc.shuffledSubarray([ADMINISTRATOR, userKey('G')], { minLength: 2 }),
      peers: fc.shuffledSubarray(
        peers.map(({ lfhId, publicKeys }) => ({ lfhId, publicKeys: publicKeys.toReversed() })),
        { minLength: 2 },
      ),
      isolation: fc.constantFrom('Accounts' as const, 'Users' as const),
    });
    fc.assert(
      fc.property(shuffled, ({ isolation, ...changed }) => {
        const all = { ...access, own: [OWN, key('F')], users: [ADMINISTRATOR, userKey('G')], isolation };
        assert.deepEqual(natsIncludes({ ...all, ...changed }), natsIncludes(all));
      }),
    );
  });

  it('has a key once that the administrator lists as well, since nats-server does not start with it twice', () => {
    assert.deepEqual(natsIncludes({ ...access, users: [OWN, ADMINISTRATOR, ADMINISTRATOR] }), natsIncludes(access));
  });

  it('gives the sidecars a user that may announce, be asked, and nothing else, also where an administrator lists its key', () => {
    const sidecars = { publicKeys: [key('F')], lfhId: 'a.b', node: 'local' };
    const { mainAccount } = natsIncludes({ ...access, sidecars, users: [ADMINISTRATOR, key('F')] });
    const lines = mainAccount.split('\n').filter((line) => line.includes(key('F')));
    const inbox = `_INBOX.${syncName('a.b')}.own.>`;
    const asked = ['PING', 'INFO', 'STATS'].map((verb) => {
      return `"$SRV.${verb}", "$SRV.${verb}.lfh-sync", "$SRV.${verb}.lfh-sync.>"`;
    });
    assert.deepEqual(lines, [
      `    { nkey: ${key('F')}, permissions: { publish: { allow: ["EVENTS.app_sync"] }, ` +
        `subscribe: { allow: ["${inbox}", "lfh-sync.local.status", ${asked.join(', ')}] }, allow_responses: true }, allowed_connection_types: ["STANDARD"] } ` +
        "# this node's sidecars",
    ]);
  });

  it('has the user of sidecars as docs/sidecar.md says that a person writes it', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../../../docs/sidecar.md'), 'utf8');
    const [user = ''] = sidecarUsers({ publicKeys: ['UA…'], lfhId: 'hospital-b', node: 'local' });
    const withoutBlanks = (text: string): string => text.replace(/\s/g, '');
    assert.ok(withoutBlanks(page).includes(withoutBlanks(user.replace(SIDECAR_MARK, ''))), user);
  });

  it('is valid without any peer', () => {
    const { mainAccount, peerAccounts } = natsIncludes({ ...access, peers: [] });
    assert.ok(mainAccount.endsWith(`  exports: [\n${SHARED_EXPORTS}  ]\n`), mainAccount);
    assert.equal(peerAccounts, '');
  });

  it('gives connect no more than connect does, also where its key is listed among the administrators', () => {
    const { mainAccount } = natsIncludes({ ...access, users: [ADMINISTRATOR, key('F')], connect: key('F'), peers: [] });
    const lines = mainAccount.split('\n').filter((line) => line.includes(key('F')));
    assert.equal(lines.length, 1);
    assert.match(
      lines[0] ?? '',
      /permissions: \{ publish: \{ allow: \["\$JS\.API\.STREAM\.CREATE\.EVENTS", .*# this node's connect$/,
    );
  });

  it('cannot be widened or broken out of by the id of a peer', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (lfhId) => {
        const made = natsIncludes({ ...access, peers: [{ lfhId, publicKeys: [key('C')] }] });
        const plain = natsIncludes({ ...access, peers: [{ lfhId: 'plain', publicKeys: [key('C')] }] });
        const renamed = (text: string): string => text.replaceAll(syncName(lfhId), syncName('plain'));
        assert.match(syncName(lfhId), /^[A-Za-z0-9_-]+$/);
        assert.equal(renamed(made.mainAccount), plain.mainAccount);
        assert.equal(renamed(made.peerAccounts), plain.peerAccounts);
      }),
    );
  });

  const seed = `SU${'A'.repeat(56)}`;
  const refused: readonly [what: string, change: Partial<NatsAccess>, says: RegExp][] = [
    [
      'a seed for a public key',
      { peers: [{ lfhId: 'b', publicKeys: [seed] }] },
      /public key of peer "b".*never a seed/,
    ],
    [
      'a key with a wrong letter',
      { peers: [{ lfhId: 'b', publicKeys: [`U${'A'.repeat(55)}`] }] },
      /public key of peer "b" is not valid, or damaged/,
    ],
    ['configuration for a public key', { users: [`${OWN} } { nkey: x`] }, /public key of the node's own users/],
    [
      'configuration for the key of the node itself',
      { own: [`${OWN} } { nkey: x`] },
      /public key of the node's own users/,
    ],
    ['one key for two peers', { peers: [...peers, { lfhId: 'c', publicKeys: [key('E')] }] }, /"a\.b" and peer "c"/],
    [
      "the node's own key for a peer",
      { peers: [{ lfhId: 'c', publicKeys: [OWN] }] },
      /the node's own users and peer "c"/,
    ],
    [
      "the sidecars' key for a peer",
      { sidecars: { publicKeys: [key('F')], lfhId: 'a', node: 'b' }, peers: [{ lfhId: 'c', publicKeys: [key('F')] }] },
      /the node's sidecars and peer "c"/,
    ],
    [
      "connect's key for a peer",
      { connect: key('F'), peers: [{ lfhId: 'c', publicKeys: [key('F')] }] },
      /the node's connect and peer "c"/,
    ],
    ['one peer twice', { peers: [...peers, { lfhId: 'a.b', publicKeys: [key('F')] }] }, /"a\.b" is given twice/],
    ['a stream with a wildcard', { stream: '*' }, /stream .*"\*"/],
    ['an account that is more than a name', { account: 'LFH" }' }, /account/],
  ];
  for (const [what, change, says] of refused) {
    it(`refuses ${what}, and quotes no key`, () => {
      assert.throws(
        () => natsIncludes({ ...access, ...change }),
        (error: Error) => {
          assert.ok(error instanceof InvalidInputError);
          assert.match(error.message, says);
          assert.doesNotMatch(error.message, /[SU][A-Z2-7]{30}/);
          return true;
        },
      );
    });
  }
});

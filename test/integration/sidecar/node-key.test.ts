import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createAccount, createUser, type KeyPair } from 'nkeys.js';
import type { SidecarStatus } from '../../../common/contract/status.ts';
import { writeMounted } from '../../../operator/directory/mounted-files.ts';
import { sidecarNatsKey } from '../../../operator/nats/keys.ts';
import { until } from '../../kit/processes/process.ts';
import { SidecarProcess } from '../../kit/processes/sidecar.ts';
import { MessageLedger } from '../../kit/sites/message-ledger.ts';
import { Site } from '../../kit/sites/site.ts';
import { KEY_RETRY_MS } from '../quick-key-retry-main.ts';

const QUICK_MAIN = join(import.meta.dirname, '..', 'quick-key-retry-main.ts');
/** This is much longer than the retries of that main, and than the backoff after a few failures. */
const SOON_MS = 60 * KEY_RETRY_MS;

describe("a node's key that is replaced while its sidecar runs", () => {
  let b: Site;
  let sidecar: SidecarProcess;
  let keys: string;
  let startedAt: string;
  let oldKey: KeyPair;
  let newKey: KeyPair;
  const ledger = new MessageLedger();
  const peers: Site[] = [];

  before(async () => {
    b = await Site.start('hospital-b');
    keys = join(b.directory, 'keys');
    await mkdir(keys);
    await useKeys(createUser());
    sidecar = await SidecarProcess.start(b, { peers: [], settings: keySettings(), main: QUICK_MAIN });
    ({ startedAt } = await sidecar.status());
  });

  beforeEach(async () => {
    [oldKey, newKey] = [createUser(), createUser()];
    await b.setSidecarKeys([oldKey, newKey]);
    await useKeys(oldKey);
    await signsInWith(oldKey);
  });

  afterEach(async () => {
    await sidecar.configure([], keySettings());
    await until('no peer is left', async () => (await sidecar.status()).peers.length === 0);
    await Promise.all(peers.splice(0).map((site) => site.stop()));
    assert.equal((await sidecar.status()).startedAt, startedAt, 'the sidecar was restarted');
  });

  after(async () => {
    await sidecar?.stop();
    await b?.stop();
  });

  function keySettings(): Record<string, string> {
    return {
      NATS_NK_FILE: join(keys, 'nats-server.nk'),
      // The operator names this file all the time, whether it is there or not.
      LFH_SYNC_PREVIOUS_NK_FILE: join(keys, 'previous.nk'),
    };
  }

  /** Changes the mounted Secret, both files at once. */
  async function useKeys(current: KeyPair, previous?: KeyPair | string | Uint8Array): Promise<void> {
    const files = new Map([['nats-server.nk', Buffer.from(current.getSeed())]]);
    if (previous !== undefined) {
      const isKey = typeof previous === 'object' && 'getSeed' in previous;
      files.set('previous.nk', Buffer.from(isKey ? previous.getSeed() : previous));
    }
    await writeMounted(keys, files);
  }

  /** Waits until the sidecar has taken these up, the current one first. */
  async function signsInWith(...inOrder: KeyPair[]): Promise<SidecarStatus> {
    const wanted = publicKeysOf(...inOrder).join();
    await until('the keys are taken up', async () => (await sidecar.status()).publicKeys.join() === wanted);
    const status = await sidecar.status();
    assert.deepEqual(status.settings, { state: 'Current', message: '', digest: null });
    return status;
  }

  /** Starts a new peer that knows some of our keys, and waits until the sidecar has it in its settings. */
  async function newPeer(lfhId: string, ...known: KeyPair[]): Promise<Site> {
    const site = await Site.start(lfhId, { kafka: false });
    peers.push(site);
    await teach(site, ...known);
    await sidecar.configure(
      peers.map((peer) => ({ site: peer })),
      keySettings(),
    );
    await until('it is known', async () => (await sidecar.status()).peers.some((peer) => peer.lfhId === lfhId));
    return site;
  }

  function teach(site: Site, ...known: KeyPair[]): Promise<void> {
    return site.grantAccess({ lfhId: b.lfhId, publicKeys: publicKeysOf(...known) });
  }

  async function replaysWith(site: Site, key: KeyPair): Promise<void> {
    const publicKey = key.getPublicKey();
    const wanted = `is replayed with ${publicKey}`;
    await sidecar.waitForPeer(site, wanted, (peer) => peer.reason === 'Replaying' && peer.key === publicKey, SOON_MS);
  }

  it('is used at once where the peer knows it already', async () => {
    const site = await newPeer('prepared', oldKey, newKey);
    await replaysWith(site, oldKey);
    await ledger.send(site, 20);
    await useKeys(newKey, oldKey);
    await signsInWith(newKey, oldKey);
    await replaysWith(site, newKey);
    await ledger.send(site, 20);
    await useKeys(newKey);
    await signsInWith(newKey);
    await replaysWith(site, newKey);
    await ledger.send(site, 20);
    await ledger.arrivedOnce(b);
  });

  it('is used, in the middle of messages, as soon as a peer that knew only the previous one accepts it', async () => {
    const site = await newPeer('late', oldKey);
    await replaysWith(site, oldKey);
    await useKeys(newKey, oldKey);
    await signsInWith(newKey, oldKey);
    await replaysWith(site, oldKey);
    await ledger.send(site, 100);
    await ledger.arrivedOnce(b);
    const { message } = await sidecar.peer(site);
    assert.match(message, /replaying/);
    // The sidecar tries the new key again and again, while the replay with the previous one goes on.
    const refusals = async (): Promise<number> =>
      (await readFile(site.nats.logFile, 'utf8')).match(/authentication error/gi)?.length ?? 0;
    const before = await refusals();
    await until('it was tried twice more', async () => (await refusals()) >= before + 2, SOON_MS);
    assert.equal((await sidecar.peer(site)).key, oldKey.getPublicKey());
    const sent = await sendWhile(site, async () => {
      await teach(site, oldKey, newKey);
      await replaysWith(site, newKey);
    });
    await ledger.arrivedOnce(b);
    await ledger.acknowledged(site, b);
    const { gaps, replayed } = await sidecar.peer(site);
    assert.deepEqual([gaps, replayed], [0, 100 + sent]);
  });

  it('is used when the peer drops the previous one for it, though that ends the connection', async () => {
    const site = await newPeer('abrupt', oldKey);
    await replaysWith(site, oldKey);
    await useKeys(newKey, oldKey);
    await signsInWith(newKey, oldKey);
    await replaysWith(site, oldKey);
    await sendWhile(site, async () => {
      await teach(site, newKey);
      await replaysWith(site, newKey);
    });
    await ledger.arrivedOnce(b);
    assert.equal((await sidecar.peer(site)).gaps, 0);
  });

  it('is reported together with the previous one, and what to do, when a peer knows neither', async () => {
    const site = await newPeer('stranger', createUser());
    await useKeys(newKey, oldKey);
    await signsInWith(newKey, oldKey);
    const isTold = ({ message }: { message: string }): boolean => message.includes('previous');
    const { message, reason, key } = await sidecar.waitForPeer(site, 'refuses both', isTold, SOON_MS);
    assert.deepEqual([reason, key], ['KeyRefused', null]);
    const [current, previous] = publicKeysOf(newKey, oldKey);
    assert.match(message, new RegExp(`refuses our key ${current}, and the previous one ${previous} too`));
    assert.match(message, /ask the administrator of lfh-sync-stranger to give the former access/);
    assert.match(message, /publicKeys of the LfhSyncPeer/);
    assertNoSeed(`${message}${await sidecar.log()}`);
    await teach(site, newKey);
    await replaysWith(site, newKey);
    await ledger.send(site, 10);
    await ledger.arrivedOnce(b);
  });

  it('is used at the local NATS as soon as that accepts it, and no announcement fails', async () => {
    const site = await newPeer('announced', oldKey, newKey);
    await replaysWith(site, oldKey);
    await ownNatsTakes(oldKey);
    await b.setSidecarKeys([oldKey]);
    const announced = await b.streamMessages();
    const sent = await sendWhile(site, async () => {
      await useKeys(newKey, oldKey);
      await signsInWith(newKey, oldKey);
      await ownNatsTakes(oldKey);
      await b.setSidecarKeys([oldKey, newKey]);
      await ownNatsTakes(newKey);
    });
    await ledger.arrivedOnce(b);
    const all = async (): Promise<boolean> => (await b.streamMessages()) - announced >= sent;
    await until('all are announced', all, SOON_MS).catch(() => undefined);
    assert.equal((await b.streamMessages()) - announced, sent);
    assert.doesNotMatch(await sidecar.log(), /the local NATS takes no announcements/);
  });

  const typo = new TextDecoder().decode(createUser().getSeed()).replace(/^(SU.{20})(.)/, (_all, start, letter) => {
    return `${start}${letter === 'A' ? 'B' : 'A'}`;
  });
  const bad: Readonly<Record<string, readonly [content: string | Uint8Array, says: RegExp]>> = {
    'is empty': ['', /expected the seed of an NKey user/],
    'holds something else': ['a password, perhaps', /expected the seed of an NKey user/],
    'holds bytes': [Buffer.from([0, 0xff, 0xfe, 0x0a, 0x53, 0x55]), /expected the seed of an NKey user/],
    'holds a key of another kind': [createAccount().getSeed(), /expected the seed of an NKey user/],
    'holds a public key': [createUser().getPublicKey(), /holds a public key \(U…\); expected the seed/],
    'holds a seed with a letter mistyped': [typo, /checksum is wrong/],
    'holds two seeds': [`${seedOf(createUser())}\n${seedOf(createUser())}\n`, /expected the seed of an NKey user/],
  };

  it('waits, with the last good keys in force, while the file of the previous one is invalid, which is reported and not quoted', async () => {
    const site = await newPeer('patient', oldKey, newKey);
    await replaysWith(site, oldKey);
    for (const [what, [content, says]] of Object.entries(bad)) {
      await useKeys(newKey, content);
      const settings = async (): Promise<SidecarStatus['settings']> => (await sidecar.status()).settings;
      await until(`it is told that it ${what}`, async () => {
        const { state, message } = await settings();
        return state === 'Refused' && says.test(message);
      });
      const { message } = await settings();
      assert.match(message, /^spec\.key \(LFH_SYNC_PREVIOUS_NK_FILE\): /);
      assertNotQuoted(message, content);
      assertNotQuoted(await sidecar.log(), content);
      await replaysWith(site, oldKey);
    }
    await ledger.send(site, 10);
    await ledger.arrivedOnce(b);
    await useKeys(newKey, `${seedOf(oldKey)}\r\n`);
    await signsInWith(newKey, oldKey);
    await replaysWith(site, newKey);
  });

  it('keeps a sidecar from starting while the file of the previous one is invalid', async () => {
    const [content, says] = [createUser().getPublicKey(), /holds a public key/];
    const settings = { LFH_SYNC_PREVIOUS_NK_FILE: await b.file('wrong.nk', content) };
    await assert.rejects(SidecarProcess.start(b, { peers: [], settings }), (error: Error) => {
      assert.match(error.message, says);
      assert.match(error.message, /"problem":"spec\.key \(LFH_SYNC_PREVIOUS_NK_FILE\): /);
      assertNotQuoted(error.message, content);
      return true;
    });
  });

  /** Sends for as long as something takes. @returns how many messages */
  async function sendWhile(site: Site, something: () => Promise<void>): Promise<number> {
    let over = false;
    const sending = ledger.sendUntil(site, () => over);
    try {
      await something();
    } finally {
      over = true;
      await sending;
    }
    return sending;
  }

  async function ownNatsTakes(key: KeyPair): Promise<void> {
    const wanted = JSON.stringify({ key: sidecarNatsKey(seedOf(key)).publicKey, message: '' });
    await until(
      'our local NATS lets it in',
      async () => JSON.stringify((await sidecar.status()).nats) === wanted,
      SOON_MS,
    );
  }
});

function publicKeysOf(...pairs: KeyPair[]): string[] {
  return pairs.map((pair) => pair.getPublicKey());
}

function seedOf(pair: KeyPair): string {
  return new TextDecoder().decode(pair.getSeed());
}

function assertNoSeed(text: string): void {
  assert.doesNotMatch(text, /S[A-Z][A-Z2-7]{56}/);
}

function assertNotQuoted(text: string, content: string | Uint8Array): void {
  assertNoSeed(text);
  const quoted = String(typeof content === 'string' ? content : Buffer.from(content)).trim();
  assert.ok(quoted === '' || !text.includes(quoted), 'it quotes what is in the file');
}

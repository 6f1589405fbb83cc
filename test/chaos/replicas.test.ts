import assert from 'node:assert/strict';
import { until } from '../kit/processes/process.ts';
import { promptly } from '../kit/processes/promptly.ts';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import { MessageLedger } from '../kit/sites/message-ledger.ts';
import { Site } from '../kit/sites/site.ts';

/** docs/operations.md promises these. */
const AFTER_KILL_MS = 7_000;
const AFTER_TERM_MS = 2_000;
const AFTER_START_MS = 3_000;

const SETTINGS = { LFH_SYNC_BATCH_MAX_MESSAGES: '50' };

describe('several sidecars of one node', function () {
  this.timeout(300_000);
  let b: Site;
  let origins: Site[];
  let running: SidecarProcess[] = [];
  const ledger = new MessageLedger();

  before(async () => {
    const names = ['hospital-a', 'hospital.c', 'hospital-d', 'hospital*e'];
    [b, ...origins] = await Promise.all([
      Site.start('hospital-b'),
      ...names.map((name) => Site.start(name, { kafka: false })),
    ]);
    for (const origin of origins) await origin.grantAccess(b);
  });

  afterEach(async () => {
    await Promise.all(running.map((sidecar) => sidecar.stop()));
    running = [];
  });

  after(() => Promise.all([b, ...origins].map((site) => site.stop())));

  async function startSidecars(count: number): Promise<void> {
    const peers = origins.map((site) => ({ site }));
    const options = { peers, settings: SETTINGS };
    running = await Promise.all(Array.from({ length: count }, () => SidecarProcess.start(b, options)));
    await eachReplayedByOne(running);
  }

  /** Waits until every peer is replayed, by exactly one of the sidecars given. */
  async function eachReplayedByOne(sidecars: readonly SidecarProcess[]): Promise<void> {
    const shared = async (): Promise<boolean> => {
      const statuses = await Promise.all(sidecars.map((sidecar) => sidecar.status()));
      const replaying = statuses.map(({ peers }) => peers.filter(({ reason }) => reason === 'Replaying'));
      const names = replaying.flat().map(({ name }) => name);
      return names.length === origins.length && new Set(names).size === origins.length;
    };
    await until('each peer is replayed by one sidecar', shared, 60_000, 100);
  }

  /** One that replays something, and the others. */
  async function pickBusy(): Promise<[busy: SidecarProcess, others: SidecarProcess[]]> {
    let index = -1;
    // Peers are given out again whenever another sidecar joins.
    await until('one of them replays something', async () => {
      const statuses = await Promise.all(running.map((sidecar) => sidecar.status()));
      index = statuses.findIndex(({ peers }) => peers.some(({ reason }) => reason === 'Replaying'));
      return index >= 0;
    });
    return [running[index] as SidecarProcess, running.filter((_, other) => other !== index)];
  }

  const sendEverywhere = (count: number): Promise<unknown> =>
    Promise.all(origins.map((origin) => ledger.send(origin, count)));

  it('share the peers, so that exactly one of them replays each peer', async () => {
    await startSidecars(3);
    await sendEverywhere(200);
    await ledger.arrivedOnce(b);
    // The first of them may have been given all of the peers before the others had joined.
    await until('more than one of them has work', async () => {
      const statuses = await Promise.all(running.map((sidecar) => sidecar.status()));
      return statuses.filter(({ peers }) => peers.some(({ owned }) => owned)).length > 1;
    });
    await eachReplayedByOne(running);
  });

  it('take over the peers of one that is killed', async () => {
    await startSidecars(2);
    const [victim, others] = await pickBusy();
    await until('both are members', async () =>
      (await Promise.all(running.map((one) => one.isReady()))).every(Boolean),
    );
    const sending = sendEverywhere(500);
    await victim.kill();
    await promptly(AFTER_KILL_MS, 'replays the peers of one that was killed', eachReplayedByOne(others));
    await sending;
    await ledger.arrivedOnce(b);
  });

  it('take over the peers of one that is asked to end', async () => {
    await startSidecars(2);
    const [leaver, others] = await pickBusy();
    const sending = sendEverywhere(500);
    const ending = leaver.stop();
    await promptly(AFTER_TERM_MS, 'replays the peers of one that was asked to end', eachReplayedByOne(others));
    await Promise.all([ending, sending]);
    await ledger.arrivedOnce(b);
  });

  it('do not wait for one that was killed when it is started again in its place', async () => {
    await startSidecars(1);
    const [killed] = await pickBusy();
    const sending = sendEverywhere(500);
    await killed.kill();
    await killed.start();
    await promptly(AFTER_START_MS, 'replays in the place of one that was killed', eachReplayedByOne(running));
    await sending;
    await ledger.arrivedOnce(b);
  });

  it('replay each message once while one of them stands still for longer than its session and then goes on', async () => {
    await startSidecars(2);
    const [sleeper, others] = await pickBusy();
    await sendEverywhere(100);
    await sleeper.process.pause();
    await sendEverywhere(100);
    await eachReplayedByOne(others);
    await ledger.arrivedOnce(b);
    sleeper.process.resume();
    await sendEverywhere(100);
    await until('the sleeper is a member again', () => sleeper.isReady(), 60_000);
    await eachReplayedByOne(running);
    await sendEverywhere(100);
    await ledger.arrivedOnce(b);
    for (const origin of origins) await ledger.acknowledged(origin, b);
    assert.doesNotMatch(await sleeper.log(), /"msg":"ended by an error/);
  });
});

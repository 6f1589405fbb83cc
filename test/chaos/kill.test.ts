import { join } from 'node:path';
import { SidecarProcess } from '../kit/processes/sidecar.ts';
import { MessageLedger } from '../kit/sites/message-ledger.ts';
import { Site } from '../kit/sites/site.ts';
import { ANNOUNCE_STEPS, STEPS } from './crashing-main.ts';

const CRASHING = join(import.meta.dirname, 'crashing-main.ts');
const SETTINGS = { LFH_SYNC_BATCH_MAX_MESSAGES: '50' };

describe('a sidecar', function () {
  this.timeout(300_000);
  let a: Site;
  let b: Site;
  const ledger = new MessageLedger();

  before(async () => {
    [a, b] = await Promise.all([Site.start('hospital-a', { kafka: false }), Site.start('hospital-b')]);
    await a.grantAccess(b);
  });

  after(() => Promise.all([a.stop(), b.stop()]));

  for (const step of STEPS) {
    it(`loses, repeats and reorders nothing when it is killed ${step.replace('-', ' ')} of a batch`, async () => {
      await ledger.send(a, 300);
      // The second transaction of a session is one of messages, the third as well, with another one gathered behind it.
      const env = { CRASH_AT: step, CRASH_ON: '3' };
      const peers = [{ site: a }];
      const doomed = await SidecarProcess.start(b, { peers, settings: SETTINGS, main: CRASHING, env });
      await doomed.process.exited();
      await ledger.send(a, 100);
      const heir = await SidecarProcess.start(b, { peers, settings: SETTINGS });
      await ledger.arrivedOnce(b);
      await ledger.acknowledged(a, b);
      await ledger.announcedOnce(b);
      await heir.stop();
    });
  }

  for (const step of ANNOUNCE_STEPS) {
    it(`announces each message once when it is killed ${step.replaceAll('-', ' ')}`, async () => {
      const peers = [{ site: a }];
      const env = { CRASH_AT: step, CRASH_ON: '2' };
      const doomed = await SidecarProcess.start(b, { peers, settings: SETTINGS, main: CRASHING, env });
      await ledger.send(a, 1000);
      await doomed.process.exited();
      const heir = await SidecarProcess.start(b, { peers, settings: SETTINGS });
      await ledger.arrivedOnce(b);
      await ledger.announcedOnce(b);
      await heir.stop();
    });
  }

  it('loses, repeats and reorders nothing when it is killed before its very first message', async () => {
    const c = await Site.start('hospital-c', { kafka: false });
    try {
      await c.grantAccess(b);
      await ledger.send(c, 200);
      for (const [at, on] of [
        ['after-send', '1'],
        ['after-commit', '1'],
        ['after-send', '2'],
      ] as const) {
        const env = { CRASH_AT: at, CRASH_ON: on };
        const doomed = await SidecarProcess.start(b, { peers: [{ site: c }], settings: SETTINGS, main: CRASHING, env });
        await doomed.process.exited();
      }
      const heir = await SidecarProcess.start(b, { peers: [{ site: c }], settings: SETTINGS });
      await ledger.arrivedOnce(b);
      await heir.stop();
    } finally {
      await c.stop();
    }
  });
});

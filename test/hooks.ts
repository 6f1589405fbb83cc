import { runningWithLogs, sharedByTests } from './kit/running.ts';

/** Hooks around every test: `.mocharc.json` names this file. */
export const mochaHooks: Mocha.RootHookObject = {
  afterEach(this: Mocha.Context) {
    if (this.currentTest?.state === 'failed') for (const each of runningWithLogs) each.keepLogs();
  },
  async afterAll() {
    for (const each of sharedByTests) await each.stop();
  },
};

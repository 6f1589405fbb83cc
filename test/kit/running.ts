/**
 * What runs for the tests of this process. `test/hooks.ts`, which mocha loads, looks after it; the demo and the benches have no hooks.
 * Nothing is imported here, so that unit tests load no server's client for it.
 */

/** What has logs in a directory of its own: they are kept where a test fails meanwhile. */
export const runningWithLogs = new Set<{ keepLogs(): void }>();

/** What is started by the first test that asks for it, and stopped after the last one. */
export const sharedByTests = new Set<{ stop(): Promise<void> }>();

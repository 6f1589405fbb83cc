const { reporters } = require('mocha');
const { tellCount } = require('./tell-count.ts');

/** How long the tests may take to let go of what they opened. */
const GRACE_MS = 30_000;

/**
 * mocha's own report, and after everything else a line for each failure and the count: printed, or written to the file that
 * `LFH_SYNC_COUNT_FILE` names, for CI, which has more to print before its last lines. (Whoever sees only the end of CI's
 * output sees what failed.)
 *
 * A test that leaves a server, connection or timer behind would keep the run from ending, for ever: mocha waits. Here the
 * run fails instead, and says what was left. (`--exit` would hide it, and with it what the product does not close.)
 */
module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    let left = false;
    runner.once('end', () => {
      setTimeout(() => {
        left = true;
        const what = leftBehind().join('\n  ');
        process.stdout.write(`The tests are over, but ${GRACE_MS / 1000} s later this is still open:\n  ${what}\n`);
        process.exit();
      }, GRACE_MS).unref();
      // Now, so that it comes after mocha's own handler, which sets the exit code.
      setImmediate(() =>
        process.once('exit', () => {
          const { passes, failures } = this.stats;
          const failed = failures + (left ? 1 : 0);
          if (failed > 0) process.exitCode = 1;
          tellCount(this.failures.map(inOneLine), passes, failed);
        }),
      );
    });
  }
};

function inOneLine(test) {
  const [problem = ''] = String(test.err?.message ?? '').split('\n');
  return `FAILED ${test.fullTitle()}: ${problem.slice(0, 300)}`;
}

/** What keeps the process alive, in words. */
function leftBehind() {
  // oxlint-disable-next-line no-underscore-dangle -- Node has no public call that tells more than the kinds
  const handles = process._getActiveHandles().filter((handle) => !handle.isTTY && handle.fd === undefined);
  const described = handles.map(describe);
  return described.length > 0 ? described : process.getActiveResourcesInfo();
}

function describe(handle) {
  const kind = handle.constructor.name;
  if (handle.spawnargs) return `${kind} ${handle.pid}: ${handle.spawnargs.join(' ')}`;
  if (handle.remoteAddress) return `${kind} to ${handle.remoteAddress}:${handle.remotePort}`;
  if (handle.address) return `${kind} ${JSON.stringify(handle.address())}`;
  return kind;
}

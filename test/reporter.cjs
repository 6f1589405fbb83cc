const { reporters } = require('mocha');
const { tellCount } = require('./tell-count.ts');

/** How long what the tests have opened may stay open after the last test. */
const GRACE_MS = 30_000;

/**
 * mocha's own report, followed by a line for each failure and the count. Where `LFH_SYNC_COUNT_FILE` names a file, these last
 * lines are written to it: CI prints them at its very end, so that a person who sees only the end of its output sees what failed.
 *
 * mocha waits for everything that is open, so that a server, connection or timer that a test leaves behind would keep the run from
 * ending. This reporter fails the run instead, and says what was left. (`--exit` would hide what the product does not close.)
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

/** Describes each thing that keeps the process alive. */
function leftBehind() {
  // oxlint-disable-next-line no-underscore-dangle -- no public call of Node returns more than the kinds
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

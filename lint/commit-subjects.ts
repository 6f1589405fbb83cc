import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Longer ones are cut in lists of commits, such as `git log --oneline` in a terminal of 80 columns. */
const MAX_SUBJECT = 72;
/** Commits up to this one were made before the rule, and cannot be changed any more. */
const BEFORE_THE_RULE = '19537f8';

/** @param log a line for each commit: its short hash, a space, its subject */
export function tooLong(log: string): string[] {
  return log.split('\n').filter((line) => line.length - line.indexOf(' ') - 1 > MAX_SUBJECT);
}

/** The commits since the rule. A shallow clone may lack the last one before it: then every commit in it is newer. */
function commitsSinceTheRule(): string {
  const range = isThere(BEFORE_THE_RULE) ? `${BEFORE_THE_RULE}..HEAD` : 'HEAD';
  return git('log', '--format=%h %s', range);
}

function isThere(commit: string): boolean {
  try {
    git('cat-file', '-e', `${commit}^{commit}`);
    return true;
  } catch {
    return false;
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: join(import.meta.dirname, '..'), encoding: 'utf8', stdio: 'pipe' });
}

if (import.meta.main) {
  // A tree that was unpacked from an archive has no commits.
  const log = isThere('HEAD') ? commitsSinceTheRule() : '';
  for (const commit of tooLong(log)) {
    process.stderr.write(`${commit}\n  the subject of this commit has more than ${MAX_SUBJECT} characters\n`);
    process.exitCode = 1;
  }
}

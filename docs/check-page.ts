import { CHECKS } from '../cli/check/judge/checks.ts';
import { markdownTable, page } from './markdown.ts';

/** docs/check.md: what `lfh-sync check` looks at, from the program's own table. The ids are the anchors that it prints. */
export function checkPage(): string {
  const groups = [...new Set(Object.values(CHECKS).map(({ group }) => group))];
  return page(
    'What `lfh-sync check` looks at',
    '`lfh-sync check --pre -f values.yaml` looks at what an installation needs before there is one; instead of the values of the ' +
      'chart, a manifest with an LfhSyncNode will do. `lfh-sync check` looks at what is installed. Neither changes anything.',
    markdownTable(
      ['mark', 'meaning'],
      [
        ['✓', 'It was looked at, and holds.'],
        ['!', 'All works. A person should think about it.'],
        ['✗', 'It does not hold.'],
        [
          '?',
          'It could not be looked at. You have no right to look, or another check has to pass first. It never counts as ✓.',
        ],
      ],
    ),
    'The exit code is 1 where anything is ✗. Without one it is 3 where anything is ?, and otherwise 0. It is 2 where the command was used ' +
      'wrongly. `-o json` prints the same for a program, and `--wait` looks again until all is well, for 5 minutes at most unless `--timeout` says otherwise.',
    '`--pre` reads Secrets: of the certificate of NATS, the key of connect, the password of Kafka and the environment of connect. It ' +
      'prints nothing of them but names, dates and public keys. Where you may not read a Secret, what depends on it is ?. `check` without ' +
      '`--pre` reads no Secret: it takes the conditions that the operator writes, and looks whether an operator works.',
    ...groups.flatMap((group) => [`## ${group}`, ...Object.entries(CHECKS).flatMap(partsOf(group))]),
  );
}

const WHEN = {
  before: 'Before an installation.',
  after: 'After an installation.',
  both: 'Before and after an installation.',
};

function partsOf(group: string) {
  return ([id, check]: [string, (typeof CHECKS)[keyof typeof CHECKS]]): string[] =>
    check.group === group ? [`### ${id}`, `${WHEN[check.when]} ${check.holds}`, `If not: ${check.hint}`] : [];
}

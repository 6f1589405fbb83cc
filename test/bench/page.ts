import { markdownTable, wrapped } from '../../docs/markdown.ts';
import { FOREIGN_CORES } from './machine.ts';
import type { Bar } from './report.ts';

/** docs/benchmarks.md, from what a run has measured. */

/** One table of the page. */
export interface Section {
  readonly title: string;
  readonly text: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly bars?: readonly Bar[];
}

export const CHART_TITLE = 'Messages a second, from the start of the process';

/** @param run where and when it was measured, as a sentence */
export function benchmarksPage(sections: readonly Section[], run: string): string {
  const parts = [
    '# Benchmarks',
    '<!-- Written by `make bench WRITE=1`; do not edit. -->',
    'This page is what one run of `make bench` printed. Everything ran on one machine, side by side and in turns: ' +
      'the sidecar with its default settings but without announcements, and bridges as a good programmer would write them in an ' +
      'afternoon, in [test/bench/bridges](../test/bench/bridges). The bridges check nothing, and start again from nowhere when they crash.',
    'Beside the bridges, and with many peers, a figure counts only if every message is in Kafka exactly once and in order. In ' +
      'the tables "A backlog", "Growth with the backlog", "Growth with size" and "Latency" it counts only if other programs took at most ' +
      `${FOREIGN_CORES} of a processor meanwhile; for the others the machine was at least quiet when each measurement began.`,
    run,
    `![${CHART_TITLE}](benchmarks.svg)`,
    ...sections.flatMap(({ title, text, head, rows }) => [`## ${title}`, text, markdownTable(head, rows)]),
    ...HOW_TO_RUN_IT,
  ];
  return `${parts.map(wrapped).join('\n\n')}\n`;
}

const HOW_TO_RUN_IT = [
  '## How to run it',
  'On Linux, on a machine that does nothing else. All of it takes about 25 minutes:',
  [
    '```',
    'make bench                          # all parts, printed',
    'make bench PARTS="latency size"     # only these; there are throughput, limits, backlog, size, latency and peers',
    'make bench WRITE=1                  # all parts, written into this page and its picture',
    "BENCH_COMMAND='mine=node mine.js' make bench PARTS=throughput",
    '```',
  ].join('\n'),
  'These variables of the environment change what is measured:',
  markdownTable(
    ['variable', 'default', 'meaning'],
    [
      [
        '`BENCH_COMMAND`',
        '',
        'A program of yours beside the bridges, as `name=program argument …`. Its last argument is the JSON of `BridgeSettings` in ' +
          '[bridge.ts](../test/bench/bridges/bridge.ts). It has to bring each message into the topic `topics.raw` as it is, and ' +
          'to acknowledge it after the commit.',
      ],
      [
        '`BENCH_MESSAGES`',
        '100000',
        'Messages of a backlog. For the peers it is half of that, and beside the quiet peer twice that.',
      ],
      ['`BENCH_ROUNDS`', '5', 'Turns of each contender with a backlog.'],
      ['`BENCH_LATENCY_ROUNDS`', '3', 'Turns of each contender at each rate.'],
      ['`BENCH_PATIENCE_S`', '120', 'How many seconds to wait at most until the machine is quiet.'],
      [
        '`BENCH_ANY_MACHINE`',
        'false',
        'With `true` nobody looks whether the machine is quiet. It is for trying the bench itself: the figures mean nothing, and are not written.',
      ],
    ],
  ),
];

import { InvalidInputError, messageOf } from '../../common/errors.ts';
import { CLUSTER, WAIT } from '../args/command.ts';
import type { Outcome } from '../args/exit-codes.ts';
import { UsageError } from '../args/parse.ts';
import { exitCodeOf, type Finding, worstOf } from '../check/judge/finding.ts';
import { jsonText, shortText } from '../check/judge/render.ts';
import { check as runCheck } from '../check/run.ts';
import { type Call, clusterOf, defineCommand, timeoutOf } from './command.ts';

const OPTIONS = {
  pre: { type: 'boolean', meaning: 'Looks at what an installation needs, before there is one.' },
  file: {
    type: 'string',
    short: 'f',
    value: 'FILE',
    meaning:
      'With --pre: the values of the chart, or a manifest with an LfhSyncNode; - is what is piped in. Absent: the LfhSyncNode that is there.',
  },
  output: {
    type: 'string',
    short: 'o',
    value: 'FORMAT',
    choices: ['short', 'json'],
    meaning: 'How it is written. Absent: short.',
  },
  wait: { type: 'boolean', meaning: 'Looks again and again until all is well.' },
  timeout: WAIT.timeout,
  'operator-namespace': {
    type: 'string',
    value: 'NAMESPACE',
    meaning: 'The namespace of the operator. Absent: that of the node, or any in which there is one.',
  },
  node: {
    type: 'string',
    value: 'NAME',
    meaning: 'Only this LfhSyncNode, and its peers. Absent: all of the namespace.',
  },
  ...CLUSTER,
} as const;

export const check = defineCommand({
  name: 'check',
  summary: 'Looks for everything that people get wrong, and says what to do.',
  description: [
    'It changes nothing. docs/check.md says what each check looks at; each hint names its part of that page.',
    'What you may not look at is marked ?. It is never counted as well. With --pre it reads the Secrets that the node and the workloads ' +
      'of connect and NATS name, and prints nothing of them but names, dates and public keys.',
  ],
  arguments: [],
  options: OPTIONS,
  examples: [
    { line: 'check --pre -f values.yaml -n lfh', meaning: 'before helm install' },
    { line: 'check -n lfh --wait', meaning: 'after it' },
    { line: 'check -n lfh -o json', meaning: 'for a program' },
  ],
  notWell: 'something does not hold. It is 3 where nothing is known to be wrong, and not all could be looked at.',
  async run(call) {
    const findings = await findingsOf(call);
    call.terminal.print(call.options.output === 'json' ? jsonText(findings) : shortText(findings));
    return OUTCOMES[exitCodeOf(findings)];
  },
});

const OUTCOMES: Readonly<Record<ReturnType<typeof exitCodeOf>, Outcome>> = { 0: 'well', 1: 'notWell', 3: 'cannotAsk' };

async function findingsOf(call: Call<typeof OPTIONS>): Promise<Finding[]> {
  const { options, terminal, signal } = call;
  if (options.file !== undefined && !options.pre) throw new UsageError('-f belongs to --pre: check -f FILE --pre');
  const waitMs = options.wait ? timeoutOf(options) : 0;
  const { api, namespace } = await clusterOf(call);
  const { pre, file, node } = options;
  const asked = { namespace, pre, file, node, operatorNamespace: options['operator-namespace'], waitMs, signal };
  const tell = (findings: readonly Finding[]): void => {
    const left = findings.filter(({ outcome }) => outcome === 'Failed' || outcome === 'Unknown');
    terminal.progress(`${worstOf(findings)}: ${[...new Set(left.map((each) => each.check))].join(', ')}`);
  };
  try {
    return await runCheck(api, asked, () => terminal.input(), tell);
  } catch (error) {
    if (error instanceof InvalidInputError) throw new UsageError(messageOf(error));
    throw error;
  }
}

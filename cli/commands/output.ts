import { dump } from 'js-yaml';
import { printableJson } from '../../common/clean.ts';
import type { Option } from '../args/command.ts';

/** How a value is written, as kubectl's `-o` has it. */
export const OUTPUT = {
  type: 'string',
  short: 'o',
  value: 'FORMAT',
  choices: ['table', 'wide', 'json', 'yaml'],
  meaning: 'How it is written. Absent: as a table.',
} as const satisfies Option;

/** @returns the value as JSON or YAML; undefined where another format is asked for */
export function machineText(format: string | undefined, value: unknown): string | undefined {
  if (format === 'json') return printableJson(value);
  // Without what is undefined, which YAML does not have.
  return format === 'yaml' ? dump(JSON.parse(JSON.stringify(value)), { lineWidth: -1 }) : undefined;
}

import { CHECK_IDS, CHECKS, type CheckId } from './checks.ts';
import { exitCodeOf, type Finding, type Outcome } from './finding.ts';

/** What `lfh-sync check` prints. */

const MARKS: Readonly<Record<Outcome, string>> = { Fine: '✓', Warning: '!', Failed: '✗', Unknown: '?' };

/** Where a check is explained. */
export function anchorOf(check: CheckId): string {
  return `docs/check.md#${check}`;
}

/** In the order of the table, and under its headings. */
function inOrder(findings: readonly Finding[]): Finding[] {
  const groups = [...new Set(CHECK_IDS.map((id) => CHECKS[id].group))];
  const place = ({ check }: Finding): number =>
    groups.indexOf(CHECKS[check].group) * CHECK_IDS.length + CHECK_IDS.indexOf(check);
  return [...findings].sort((a, b) => place(a) - place(b));
}

/** For a person: a line for each finding, and below one that is not fine what to do. */
export function shortText(findings: readonly Finding[]): string {
  const lines: string[] = [];
  let group = '';
  for (const finding of inOrder(findings)) {
    const { check, outcome, message, about } = finding;
    if (CHECKS[check].group !== group) lines.push(...(group === '' ? [] : ['']), (group = CHECKS[check].group));
    lines.push(`${MARKS[outcome]} ${check}${about === undefined ? '' : ` (${about})`}: ${message}`);
    if (outcome !== 'Fine') lines.push(`    ${hintOf(finding)}`, `    see ${anchorOf(check)}`);
  }
  return [...lines, '', counts(findings)].join('\n');
}

function counts(findings: readonly Finding[]): string {
  const count = (outcome: Outcome): number => findings.filter((each) => each.outcome === outcome).length;
  return `${count('Failed')} failed, ${count('Unknown')} could not be looked at, ${count('Warning')} to think about, ${count('Fine')} fine`;
}

function hintOf({ check, hint }: Finding): string {
  return hint ?? CHECKS[check].hint;
}

/** For a program. */
export function jsonText(findings: readonly Finding[]): string {
  const checks = inOrder(findings).map((finding) => ({
    check: finding.check,
    ...(finding.about !== undefined && { about: finding.about }),
    outcome: finding.outcome,
    message: finding.message,
    ...(finding.outcome !== 'Fine' && { hint: hintOf(finding), see: anchorOf(finding.check) }),
  }));
  return JSON.stringify({ exitCode: exitCodeOf(findings), checks }, undefined, 2);
}

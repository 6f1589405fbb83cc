import type { Lease } from '../../operator/api/objects.ts';
import { durationText } from '../text/duration.ts';
import type { OperatorReport } from './report.ts';

/** An operator renews its Lease every 2 s, and another one takes it over after 15 s: this is more than both. */
const LATE_MS = 60_000;

/**
 * Whether an operator works. Where none does, all conditions are as it left them.
 *
 * @param lease undefined where there is none in this namespace: the operator may have it in another
 */
export function operatorReport(lease: Lease | undefined, now: number): OperatorReport {
  if (lease === undefined) {
    const message = 'whether an operator works was not seen: its Lease is not in this namespace, or may not be read';
    return { state: 'unseen', message };
  }
  const { holderIdentity = '', renewTime = '' } = lease.spec ?? {};
  const age = now - Date.parse(renewTime);
  if (holderIdentity !== '' && age < LATE_MS) return { state: 'working', message: `${holderIdentity} works` };
  const since = Number.isNaN(age) ? '' : ` for ${durationText(Math.max(0, age))}`;
  const message = `no operator has worked${since}: messages still flow, but what is shown here may be out of date`;
  return { state: 'not working', message };
}

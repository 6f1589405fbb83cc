import { canonicalFhirUrl } from '../../../common/contract/fhir-servers.ts';
import type { SidecarStatus } from '../../../common/contract/status.ts';
import type { TransmitStatus } from '../../../common/contract/transmit-status.ts';
import type { ConditionDraft } from '../../api/conditions.ts';
import type { FhirServerStatus } from '../../api/types.ts';
import type { NodeObject } from '../observed/observed.ts';
import type { Plan } from '../plan.ts';

/** Nothing but these is well. */
type NotWell = Exclude<TransmitStatus['reason'], 'Transmitting' | 'Starting' | 'NotOwned'>;

/**
 * Whether what was replayed is transmitted to every FHIR server. What a sidecar reports counts only where it is the one that
 * transmits; the worst server is told, and how many others there are.
 */
export function transmitReady(
  { spec }: NodeObject,
  { fhirProblems }: Pick<Plan, 'fhirProblems'>,
  sidecars: readonly SidecarStatus[] | undefined,
): ConditionDraft<'TransmitReady'> {
  const type = 'TransmitReady';
  const urls = urlsOf(spec);
  if ((spec.fhirServers ?? []).length === 0) {
    return { type, status: 'True', reason: 'NotRequested', message: 'spec.fhirServers is absent' };
  }
  const [problem] = fhirProblems;
  if (problem) {
    const message = fhirProblems.map((each) => each.message).join('; ');
    return { type, status: 'False', reason: problem.reason, message };
  }
  const reports = urls.map((url) => ({ url, report: reportOf(url, sidecars) }));
  const failing = reports.filter(({ report }) => report && isBad(report.reason));
  const [worst] = failing;
  if (worst?.report) {
    const { reason, message } = worst.report;
    const others = failing.length > 1 ? `; ${failing.length - 1} more of ${urls.length} fail` : '';
    return { type, status: 'False', reason: reason as NotWell, message: `${worst.url}: ${message}${others}` };
  }
  const missing = reports.find(({ report }) => report === undefined);
  if (missing) {
    const message = `no sidecar reports that it transmits to ${missing.url}`;
    return { type, status: 'Unknown', reason: 'NoReport', message };
  }
  const starting = reports.find(({ report }) => report?.reason !== 'Transmitting');
  if (starting) return { type, status: 'Unknown', reason: 'Starting', message: `${starting.url}: being taken over` };
  return { type, status: 'True', reason: 'Transmitting', message: `transmitting to ${urls.length} FHIR server(s)` };
}

function isBad(reason: TransmitStatus['reason']): boolean {
  return reason !== 'Transmitting' && reason !== 'Starting' && reason !== 'NotOwned';
}

/** What was last seen of each server; one that is not in the spec any more is left out. */
export function transmitStatus(
  { spec, status }: NodeObject,
  sidecars: readonly SidecarStatus[] | undefined,
): { readonly transmit?: readonly FhirServerStatus[] } {
  const transmit = urlsOf(spec).flatMap((url) => {
    const report = reportOf(url, sidecars);
    return report ? [seen(report)] : (status?.transmit?.filter((before) => before.url === url) ?? []);
  });
  return transmit.length > 0 ? { transmit } : {};
}

function seen(report: TransmitStatus): FhirServerStatus {
  const { url, reason, lag, pending, oldestPending, lastSuccess, delivered, refused, givenUp, lastError } = report;
  return {
    url,
    reason,
    ...(lag !== null && { lag }),
    ...(pending !== null && { pending }),
    ...(oldestPending !== null && { oldestPending }),
    ...(lastSuccess !== null && { lastSuccess }),
    delivered,
    refused,
    givenUp,
    ...(lastError !== null && { lastError: lastError.message }),
  };
}

/** What the sidecar reports that transmits to the server; undefined where none does. */
function reportOf(url: string, sidecars: readonly SidecarStatus[] = []): TransmitStatus | undefined {
  const reports = sidecars.flatMap(({ transmit = [] }) => transmit.filter((each) => each.url === url));
  return reports.find(({ owned }) => owned) ?? reports.find(({ reason }) => reason === 'InvalidSettings');
}

function urlsOf({ fhirServers = [] }: NodeObject['spec']): string[] {
  return [...new Set(fhirServers.flatMap(({ url }) => canonicalFhirUrl(url) ?? []))];
}

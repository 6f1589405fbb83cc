import type { TransmitReason } from '../../common/contract/transmit-reasons.ts';
import { retryAfterMs } from './schedule.ts';

/** What came of a request: an answer, or none. */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfter: string | undefined;
      /** Its beginning. */
      readonly body: Buffer;
    }
  | {
      readonly kind: 'failed';
      readonly reason: TransmitReason;
      /** For a person; it has no credentials in it. */
      readonly detail: string;
    };

export type Verdict =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'refused';
      /** null where nothing was sent. */
      readonly status: number | null;
      /** Of the server; it may quote the resource, and so goes to LFH_EXCEPTION and not into a log. */
      readonly outcome: string;
    }
  | Failure;

export interface Failure {
  readonly kind: 'failed';
  /**
   * Whose fault it is. `server`: no other resource would fare better, so all wait. `resource`: it concerns this one. `unclear`:
   * the server, unless it answers others in the same round.
   */
  readonly scope: 'server' | 'resource' | 'unclear';
  readonly reason: TransmitReason;
  readonly status: number | null;
  readonly detail: string;
  /** What the server asks for. */
  readonly retryAfterMs?: number;
}

/**
 * What an answer means.
 *
 * What is wrong with us or with our settings refuses no resource (401, 407, a redirect): it waits, as in the replay. All other
 * 4xx are the server's word about the resource, except those that say that it may come again (408, 425, 429).
 *
 * @param now milliseconds since 1970
 */
export function judge(answer: Answer, now: number): Verdict {
  if (answer.kind === 'failed') {
    const { reason, detail } = answer;
    return { kind: 'failed', scope: 'unclear', reason, status: null, detail };
  }
  const { status, body, retryAfter } = answer;
  if (status >= 200 && status < 300) return { kind: 'done' };
  const asked = retryAfterMs(retryAfter, now);
  const row = FAILURES.find(([statuses]) => statuses.test(String(status)));
  if (row === undefined) return { kind: 'refused', status, outcome: outcomeOf(body) };
  const [, scope, reason] = row;
  return {
    kind: 'failed',
    // A server that names a time speaks of itself.
    scope: status === 503 && asked !== undefined ? 'server' : scope,
    reason,
    status,
    detail: `it answers ${status}`,
    ...(asked !== undefined && { retryAfterMs: asked }),
  };
}

/** The statuses after which a resource is sent again. Any other is a refusal. */
const FAILURES: readonly (readonly [statuses: RegExp, scope: Failure['scope'], reason: TransmitReason])[] = [
  [/^[013]/, 'server', 'Redirected'],
  [/^40[17]$/, 'server', 'Unauthorized'],
  [/^408$/, 'unclear', 'Unreachable'],
  [/^425$/, 'resource', 'Busy'],
  [/^429$/, 'server', 'Busy'],
  [/^503$/, 'unclear', 'Busy'],
  [/^50[24]$/, 'unclear', 'ServerError'],
  [/^[5-9]/, 'resource', 'ServerError'],
];

const MAX_OUTCOME = 4_096;

/** What an answer says in an OperationOutcome, one issue a line; else how its text begins. */
function outcomeOf(body: Buffer): string {
  const text = body.toString('utf8');
  const issues = issuesOf(text).flatMap((issue) => {
    const { severity, code, details, diagnostics } = issue;
    const said = (details as { readonly text?: unknown } | undefined)?.text;
    const parts = [severity, code, said, diagnostics].filter((part) => typeof part === 'string' && part !== '');
    return parts.length > 0 ? [parts.join(' ')] : [];
  });
  return (issues.length > 0 ? issues.join('\n') : text).slice(0, MAX_OUTCOME);
}

function issuesOf(text: string): Readonly<Record<string, unknown>>[] {
  try {
    const { resourceType, issue } = JSON.parse(text) as { readonly resourceType?: unknown; readonly issue?: unknown };
    if (resourceType !== 'OperationOutcome' || !Array.isArray(issue)) return [];
    return issue.filter((each): each is Record<string, unknown> => typeof each === 'object' && each !== null);
  } catch {
    return [];
  }
}

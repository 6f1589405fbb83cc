import type { TransmitReason, TransmitSkipReason } from './transmit-reasons.ts';

/** What `/status` says about the transmission to one FHIR server. */
export interface TransmitStatus {
  /** Without user and password. */
  readonly url: string;
  /** Whether this sidecar is the one that transmits to it. */
  readonly owned: boolean;
  readonly reason: TransmitReason;
  /** For a person: what is wrong, where, and what to do. */
  readonly message: string;
  /** When the reason last changed. */
  readonly since: string;
  /** What LFH_SYNC has that was not looked at yet; it counts Kafka's own markers too. null while not known. */
  readonly lag: number | null;
  /** Resources that wait in RETRANSMIT for another attempt; null while not known. */
  readonly pending: number | null;
  /** When the one that waits longest was replayed; null where none waits. */
  readonly oldestPending: string | null;
  readonly lastSuccess: string | null;
  readonly delivered: number;
  /** Attempts that failed. */
  readonly failed: number;
  readonly skipped: Readonly<Record<TransmitSkipReason, number>>;
  /** Resources that the server refused, or that cannot be sent. They are in LFH_EXCEPTION. */
  readonly refused: number;
  /** Resources that were given up. They are in LFH_EXCEPTION. */
  readonly givenUp: number;
  /** Records that LFH_SYNC did not have any more when it was their turn. */
  readonly expired: number;
  /** The last failure or refusal. */
  readonly lastError: { readonly time: string; readonly message: string } | null;
}

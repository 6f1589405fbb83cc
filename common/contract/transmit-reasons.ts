/** Every reason of the transmission to a FHIR server, with its text. Status, metrics, docs and tests all take them from here. */

/** Every state of the transmission to a server, with what it means and what to do about it. */
export const TRANSMIT_REASON_TEXTS = {
  Starting: 'The transmission to the server is being taken over. Passes by itself within seconds.',
  Transmitting: 'All is well. What waits for another attempt is in `pending`.',
  NotOwned: "Another sidecar of this node transmits to this server. Look at that one's status.",
  Unreachable:
    'No connection to the server, or it does not answer in time. Tried again with a growing delay; nothing is lost.',
  Busy: 'The server says that it is busy (429, 503). Tried again when it says, or with a growing delay.',
  ServerError:
    'The server fails (5xx). Tried again with a growing delay. Where it fails for single resources, and so many of them wait that nothing more is sent, the message says of whom they are: the log of the server should say why.',
  Unauthorized:
    'The server does not accept our user and password, or our token (401, 407). Correct them; what waits is then transmitted.',
  Redirected:
    'The server answers with a redirect (3xx), which is not followed, since our credentials are for this URL only. Correct the URL.',
  NotTrusted: "The server's certificate is not from a CA that is trusted for it. Compare its CA.",
  CertificateExpired: "The server's certificate has expired. Its administrator must renew it.",
  CertificateNotYetValid: "The server's certificate is not valid yet. Compare the clocks.",
  HostNameMismatch: "The server's certificate is for another name. Correct the URL.",
  TlsRequired: 'The server does not speak TLS. Correct the URL, or have TLS turned on there.',
  ClientCertificateRequired: 'The server demands a client certificate, and lfh-sync has none.',
  InvalidSettings: 'The settings of the server name something that is missing or wrong; the message says what.',
  KafkaUnavailable:
    "This node's Kafka cannot be reached or does not answer, or somebody's open transaction keeps LFH_SYNC from being read; the message says which. Tried again.",
  KafkaRefused:
    "This node's Kafka or its settings keep us from writing; the message names the topic and what to change. Nothing is lost.",
  TopicNotCompacted: 'The position topic of the server is not compacted. Set cleanup.policy=compact.',
  PositionLost: 'The position topic of the server holds something else. A person decides; the message says how.',
  Fenced: 'Another sidecar of this node took the transmission over in between. Passes by itself.',
  UncertainCommit: 'A transaction failed in the middle. What became of it is being found out.',
  InternalError:
    'An error that nobody foresaw stopped the transmission to this server, and to no other. Tried again after 30 s, and later after up to 10 min. The log of the container lfh-sync has its stack: please report it.',
} as const satisfies Readonly<Record<string, string>>;

export type TransmitReason = keyof typeof TRANSMIT_REASON_TEXTS;

/** Why a record of LFH_SYNC is not transmitted although nothing is wrong, each with its meaning. */
export const TRANSMIT_SKIP_REASONS = {
  NotFhir: 'Its format is not FHIR-R4. connect transmits no other either.',
  OwnMessage: "Its lfh_id is our own: this node's connect has transmitted it when it took it in.",
  Unreadable: 'It is not a message of connect: something else has written to LFH_SYNC.',
} as const;
export type TransmitSkipReason = keyof typeof TRANSMIT_SKIP_REASONS;

/** Why a resource ends in LFH_EXCEPTION instead of being delivered, each with what to do about it. */
export const TRANSMIT_FAILURE_REASONS = {
  TransmitRefused: 'The server refused it (4xx); error_msg has the status and its OperationOutcome.',
  TransmitGivenUp:
    'It could not be delivered before its time or its attempts were used up, or while too many others of its sender, or newer versions of it, waited as well; error_msg says which, and has the last answer.',
  NotAResource: 'data is not a FHIR resource whose type and id can be in a URL. Nothing was sent.',
} as const;
export type TransmitFailureReason = keyof typeof TRANSMIT_FAILURE_REASONS;

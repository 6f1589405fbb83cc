import { STREAM } from '../../../common/contract/names.ts';
import type { SidecarStatus } from '../../../common/contract/status.ts';
import type { ConditionDraft } from '../../api/conditions.ts';
import type { ReasonOf } from '../../api/reasons.ts';
import type { Phase } from '../nats/files.ts';
import type { ObservedNats, ServerReport } from '../observed/observed.ts';
import { statusTime } from '../observed/times.ts';
import type { KeyStep } from '../trust/node-key.ts';
import { MOUNTED_AFTER_MS } from './verdict.ts';

/**
 * @param publishedUser what is wrong with a user of the node's local NATS whose seed is published
 * @param cutOff names of the peers that accept only a key of ours which has ended
 */
export function keyReady(
  step: KeyStep,
  publishedUser: string | undefined,
  cutOff: readonly string[] = [],
): ConditionDraft<'KeyReady'> {
  const type = 'KeyReady';
  if (step.step === 'stop') return { type, status: 'False', reason: step.reason, message: step.message };
  if (publishedUser !== undefined) return { type, status: 'False', reason: 'PublishedKey', message: publishedUser };
  if (step.step === 'use') {
    const told = `; these peers were last seen to accept only a key that has ended, and need the invitation: ${cutOff.join(', ')}`;
    return { type, status: 'True', reason: step.reason, message: step.message + (cutOff.length > 0 ? told : '') };
  }
  return { type, status: 'Unknown', reason: 'Reconciling', message: 'the key is being made' };
}

/**
 * Whether every nats-server runs the configuration that was written last. Only signing in shows that; having written it does not.
 * A server that is not ready and does not answer may only be starting, and makes it false for none of the others. One that is not
 * ready and answers counts: access that was taken back may not have ended there.
 *
 * @param phase of the configuration that was written last
 * @param waitedMs how long ago that was written, in milliseconds
 */
export function natsConfigLive(
  nats: ObservedNats | undefined,
  phase: Phase,
  waitedMs = 0,
): ConditionDraft<'NatsConfigLive'> {
  const type = 'NatsConfigLive';
  if (!nats) return { type, status: 'Unknown', reason: 'Reconciling', message: 'no nats-server was asked yet' };
  const worst = worstOf(nats.servers);
  if (!worst) {
    const why = nats.problem === undefined ? '' : `: ${nats.problem}`;
    const message = `no nats-server is found at spec.nats.servers${why}`;
    return { type, status: 'False', reason: 'NatsUnreachable', message };
  }
  if (worst.outcome !== 'Live') return { type, status: 'False', ...fault(worst, worst.outcome, waitedMs) };
  if (phase === 'first') {
    const message = 'the first of two reloads is live; the second was not written yet';
    return { type, status: 'False', reason: 'ConfigNotLive', message };
  }
  const count = nats.servers.length;
  const message = `${count} of ${count} nats-servers run the configuration${silentRemark(nats.silent)}`;
  return { type, status: 'True', reason: 'Live', message };
}

/** What is wrong with a server that does not run the configuration. */
function fault(
  { message, notReady }: ServerReport,
  outcome: NotLive,
  waitedMs: number,
): Pick<ConditionDraft<'NatsConfigLive'>, 'reason' | 'message'> {
  const refused = outcome === 'ConfigNotLive' && waitedMs > MOUNTED_AFTER_MS;
  const lasts = refused ? `. This has lasted for ${Math.floor(waitedMs / 60_000)} minutes` : '';
  const remark = notReady ? NOT_READY : '';
  return { reason: refused ? 'NatsRefusedConfig' : NATS_REASONS[outcome], message: message + lasts + remark };
}

const NOT_READY =
  '. Its pod is not ready: where another one is, peers are led there and do not wait for this one. But whoever had access when it last ' +
  'reloaded may still have it there';

function silentRemark(silent: ObservedNats['silent']): string {
  if (silent.length === 0) return '';
  const which = silent.map(({ server }) => server).join(', ');
  return (
    `; not among them is what is not ready and does not answer: ${which}. If its process still runs, it lets in whoever had access ` +
    'when it last reloaded. So no event tells of access that begins or ends before it answers, or its pod is gone'
  );
}

/**
 * Whether there is a stream for the peers to fetch from.
 *
 * @param wanted whether a peer may fetch
 */
export function streamReady(nats: ObservedNats | undefined, wanted: boolean): ConditionDraft<'StreamReady'> {
  const type = 'StreamReady';
  if (!wanted) return { type, status: 'True', reason: 'NotRequested', message: 'no peer may receive from this node' };
  if (!nats?.durables) {
    const message = nats?.problem ?? "this node's JetStream was not asked yet";
    return { type, status: 'Unknown', reason: 'NatsUnreachable', message };
  }
  if (nats.streamFirst !== undefined) {
    return { type, status: 'True', reason: 'StreamFound', message: `the stream ${STREAM} is there` };
  }
  const message = `there is no stream ${STREAM}; connect makes it when it starts: is it running, and in the account of spec.nats.account?`;
  return { type, status: 'False', reason: 'StreamMissing', message };
}

/**
 * Whether the node's sidecars are there and take up their settings.
 *
 * @param requested whether the operator is to inject them
 * @param late since when the first of those was seen with earlier settings that should have taken up the newest by now, in
 *   milliseconds since 1970; undefined where there is none
 */
export function sidecarReady(
  sidecars: readonly SidecarStatus[] | undefined,
  requested: boolean,
  late?: number,
): ConditionDraft<'SidecarReady'> {
  const type = 'SidecarReady';
  if (sidecars?.length === 0 && !requested) {
    return { type, status: 'True', reason: 'NotRequested', message: 'spec.connect is absent, and no sidecar reports' };
  }
  if (!sidecars || sidecars.length === 0) {
    const why = sidecars ? 'no sidecar answers there' : "the node's NATS could not be asked";
    return { type, status: 'Unknown', reason: 'NoReport', message: `sidecars report over the node's NATS, and ${why}` };
  }
  const refusing = sidecars.find(({ settings }) => settings.state !== 'Current');
  if (refusing) {
    return { type, status: 'False', reason: 'SettingsNotLive', message: refusing.settings.message };
  }
  if (late !== undefined) {
    const message = `a sidecar was first seen with earlier settings at ${statusTime(late)}, and still runs with them: ${STAYS}`;
    return { type, status: 'False', reason: 'SettingsNotLive', message };
  }
  const apart = sidecars.find(({ kafka }) => !kafka.joined);
  if (apart) {
    const message = "a sidecar is not in contact with this node's Kafka; its log says why";
    return { type, status: 'False', reason: 'KafkaUnavailable', message };
  }
  const remarks = new Set(sidecars.flatMap(({ kafka }) => kafka.remark ?? []));
  const message = [`${sidecars.length} sidecar(s) report`, ...[...remarks].map((remark) => `Remark: ${remark}`)];
  return { type, status: 'True', reason: 'Reporting', message: message.join('. ') };
}

const STAYS =
  "is the kubelet of its pod's machine running? A kubelet does not look again at a ConfigMap that was immutable. Restart connect's " +
  'pods, which then mount the newest settings';

type NotLive = Exclude<ServerReport['outcome'], 'Live'>;

/**
 * The reason for each answer of a server, and for each problem with asking it. Complete, so that a new reason is placed here
 * by a person and does not count as unreachable by default.
 */
const NATS_REASONS: Readonly<Record<NotLive, ReasonOf<'NatsConfigLive'>>> = {
  NoAuthorization: 'NoAuthorization',
  ConfigNotLive: 'ConfigNotLive',
  IncludeMissing: 'IncludeMissing',

  // A connection to a server can fail for these.
  NotTrusted: 'NatsNotTrusted',
  HostNameMismatch: 'NatsNotTrusted',
  TlsRequired: 'NatsNotTrusted',
  CertificateExpired: 'CertificateExpired',
  CertificateNotYetValid: 'CertificateNotYetValid',
  ClientCertificateRequired: 'ClientCertificateRequired',
  ServerTooOld: 'ServerTooOld',
  KeyRefused: 'NatsUnreachable',
  PermissionDenied: 'NatsUnreachable',
  Unreachable: 'NatsUnreachable',

  // Only a sidecar reports these, and only about a peer.
  Starting: 'NatsUnreachable',
  Replaying: 'NatsUnreachable',
  Paused: 'NatsUnreachable',
  NotOwned: 'NatsUnreachable',
  ConsumerMissing: 'NatsUnreachable',
  Throttled: 'NatsUnreachable',
  PositionLost: 'NatsUnreachable',
  InternalError: 'NatsUnreachable',
  StreamRecreated: 'NatsUnreachable',
  StreamDiverged: 'NatsUnreachable',
  ChainBroken: 'NatsUnreachable',
  KafkaUnavailable: 'NatsUnreachable',
  KafkaRefused: 'NatsUnreachable',
  TopicNotCompacted: 'NatsUnreachable',
  Fenced: 'NatsUnreachable',
  UncertainCommit: 'NatsUnreachable',
  InvalidSettings: 'NatsUnreachable',
};

/** The outcomes that a person should mend first. A server that cannot be asked comes later, since it may only be starting. */
const WORST_FIRST: readonly string[] = ['NoAuthorization', 'IncludeMissing', 'ConfigNotLive'];

/** One that is ready comes before one that is not: peers wait for it. */
function worstOf(reports: readonly ServerReport[]): ServerReport | undefined {
  const servers = [...reports].sort((a, b) => Number(a.notReady ?? false) - Number(b.notReady ?? false));
  for (const outcome of WORST_FIRST) {
    const found = servers.find((server) => server.outcome === outcome);
    if (found) return found;
  }
  return servers.find(({ outcome }) => outcome !== 'Live') ?? servers[0];
}

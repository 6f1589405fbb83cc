import type { Condition, LfhSyncNode, LfhSyncPeer } from '../../../operator/api/types.ts';
import type { PeerObject, StoredNode } from '../../../operator/plan/observed/observed.ts';
import { parseTime } from '../../../operator/plan/observed/times.ts';
import { expiresSoon } from '../../../operator/plan/status/fetched.ts';
import { conditionFindings, expiryFinding } from './conditions.ts';
import { type Finding, failed, fine, unknown } from './finding.ts';
import { type OperatorSeen, operatorFindings, operatorWorks, timeText } from './operator.ts';

/** All that is looked at after an installation. */
export interface AfterSeen {
  readonly operator: OperatorSeen;
  readonly namespace: string;
  /** undefined where the API server serves no LfhSyncNodes. */
  readonly nodes: readonly StoredNode[] | undefined;
  readonly peers: readonly PeerObject[];
  /** The API server's clock, in milliseconds since 1970. */
  readonly now: number;
}

export function afterFindings(seen: AfterSeen): Finding[] {
  const { nodes, peers, operator, namespace } = seen;
  if (!nodes) return [failed('crds-served', 'the API server does not serve sync.linuxforhealth.io/v1alpha1')];
  const served = fine('crds-served', 'the API server serves LfhSyncNodes and LfhSyncPeers');
  const noNode = failed('node', `there is no LfhSyncNode in the namespace ${namespace}`);
  return [
    served,
    ...operatorFindings(operator),
    ...(nodes.length === 0 ? [noNode] : nodes.flatMap((node) => ofNode(node, seen))),
    ...peers.flatMap((peer) => ofPeer(peer, seen)),
  ];
}

function ofNode(node: StoredNode, { operator, now }: AfterSeen): Finding[] {
  const about = `lfhnode/${node.metadata.name}`;
  const { conditions = [], certificateExpiry = {} }: NonNullable<LfhSyncNode['status']> = node.status ?? {};
  const works = operatorWorks(operator);
  const found = conditionFindings({
    about,
    kind: 'LfhSyncNode',
    generation: node.metadata.generation,
    conditions,
    operatorWorks: works,
  });
  const { nats, natsCa, kafkaCa } = certificateExpiry;
  const expiries = {
    'the certificate of NATS': nats,
    'the CA in spec.nats.ca': natsCa,
    'the CA in spec.kafka.ca': kafkaCa,
  };
  return [
    looked(node, about, works),
    ...found,
    ...settings(conditions, about),
    ...replicas(found, about),
    ...expiryFinding('certificates', about, expiries, now),
  ];
}

function looked({ metadata, status }: StoredNode, about: string, works: boolean | undefined): Finding {
  const isNewest = status?.observedGeneration === metadata.generation;
  if (isNewest) return { ...fine('node', 'the operator has looked at its newest spec'), about };
  const message =
    works === false
      ? 'no operator works that could look at its newest spec'
      : 'the operator has not looked at its newest spec yet';
  return { ...unknown('node', message), about };
}

/** SidecarReady looks at the settings of every sidecar that reports. */
function settings(conditions: readonly Condition[], about: string): Finding[] {
  const isLive = conditions.some(({ type, reason }) => type === 'SidecarReady' && reason === 'Reporting');
  return isLive ? [{ ...fine('settings-live', 'every sidecar runs with its newest settings'), about }] : [];
}

/** What the sidecars remark on topics with one replica stands in the message of SidecarReady. */
function replicas(found: readonly Finding[], about: string): Finding[] {
  const [, remark] =
    /Remark: (.*replica.*)$/s.exec(found.find(({ check }) => check === 'sidecar')?.message ?? '') ?? [];
  return remark === undefined ? [] : [{ check: 'kafka-replication', about, outcome: 'Warning', message: remark }];
}

function ofPeer(peer: PeerObject, { operator, now }: AfterSeen): Finding[] {
  const about = `lfhpeer/${peer.metadata.name}`;
  const { conditions = [], certificateExpiry = {} }: NonNullable<LfhSyncPeer['status']> = peer.status ?? {};
  const { server, serverCa } = certificateExpiry;
  return [
    ...conditionFindings({
      about,
      kind: 'LfhSyncPeer',
      generation: peer.metadata.generation,
      conditions,
      operatorWorks: operatorWorks(operator),
    }),
    ...rejected(peer, about),
    ...retention(peer, about, now),
    ...expiryFinding(
      'peer-certificates',
      about,
      { "the certificate of the peer's server": server, 'the CA in spec.ca': serverCa },
      now,
    ),
  ];
}

function rejected({ status }: PeerObject, about: string): Finding[] {
  const count = status?.receive?.rejected ?? 0;
  // Where all of the newest are rejected, the condition says so and why.
  if (count === 0 || status?.conditions?.some(({ reason }) => reason === 'MessagesRejected')) return [];
  const message = `${count} messages of the peer were rejected since the sidecar started, and are in LFH_EXCEPTION`;
  return [{ check: 'peer-rejected', about, outcome: 'Warning', message }];
}

const HOUR_MS = 60 * 60 * 1000;

/** How the peer's lag compares with what our stream keeps. */
function retention({ status }: PeerObject, about: string, now: number): Finding[] {
  const { pending = 0, behindSince, expiresAt } = status?.send ?? {};
  const [upTo, expires] = [parseTime(behindSince), parseTime(expiresAt)];
  if (upTo === undefined || expires === undefined) return [];
  const hours = Math.max(0, Math.floor((expires - now) / HOUR_MS));
  const left = hours >= 48 ? `${Math.floor(hours / 24)} days` : `${hours} hours`;
  const waiting = pending > 0 ? `${pending} messages wait for the peer, and it may lack` : 'the peer may lack';
  const message =
    `${waiting} what came since ${timeText(upTo)}; at this rate the stream drops messages in ${left}, from ` +
    `${timeText(expires)} on`;
  const isSoon = expiresSoon({ upTo, all: false, mark: undefined }, expires - upTo, now);
  return [{ check: 'peer-retention', about, outcome: isSoon ? 'Failed' : 'Fine', message }];
}

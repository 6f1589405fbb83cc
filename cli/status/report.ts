import { nodeNameOf, type PeerObject, type StoredNode } from '../../operator/plan/observed/observed.ts';
import { type ConditionView, conditionView } from './condition.ts';
import { detailsOf } from './details.ts';
import { type Looks, needsLook, type Rate, rateOf, receiveLook, sendLook, withLook } from './rate.ts';

/** What `lfh-sync status` knows. `-o json` prints it as it is. */

export interface StatusReport {
  /** Whether every node and peer is as it was asked for, and an operator works. */
  readonly well: boolean;
  readonly operator: OperatorReport;
  readonly nodes: readonly NodeReport[];
  readonly peers: readonly PeerReport[];
}

/** `unseen`: its Lease is not in this namespace, or may not be read. */
export interface OperatorReport {
  readonly state: 'working' | 'not working' | 'unseen';
  readonly message: string;
}

export interface NodeReport extends ConditionView {
  readonly namespace: string;
  readonly name: string;
  readonly lfhId: string;
  readonly peers: number;
  readonly peersReady: number;
}

export interface PeerReport {
  readonly namespace: string;
  readonly name: string;
  readonly lfhId: string;
  readonly node: string;
  readonly directions: readonly DirectionReport[];
  /** What else is known of it, as a name and a text. */
  readonly details: Readonly<Record<string, string>>;
}

export interface DirectionReport extends ConditionView, Rate {
  readonly direction: 'receive' | 'send';
  /** Messages that wait. */
  readonly lag: number | undefined;
  /** Messages in LFH_EXCEPTION since the sidecar took the peer over. */
  readonly rejected: number | undefined;
  /** When a message was last replayed, or fetched. */
  readonly lastSync: string | undefined;
}

/** The looks at the peers, by namespace and name. */
export type PeerLooks = ReadonlyMap<string, { readonly receive: Looks; readonly send: Looks }>;

export interface Found {
  readonly nodes: readonly StoredNode[];
  readonly peers: readonly PeerObject[];
  readonly operator: OperatorReport;
}

export function statusReport({ nodes, peers, operator }: Found, looks: PeerLooks): StatusReport {
  const nodeReports = nodes.map(nodeReport);
  const peerReports = peers.map((peer) => peerReport(peer, looks));
  const views = [...nodeReports, ...peerReports.flatMap(({ directions }) => directions)];
  const well =
    views.every(({ state }) => state !== 'not ok' && state !== 'unknown') && operator.state !== 'not working';
  return { well: well && nodes.length > 0, operator, nodes: nodeReports, peers: peerReports };
}

/**
 * Adds a look at each of the peers to those before.
 *
 * @param now in milliseconds since 1970
 */
export function withLooks(known: PeerLooks, peers: readonly PeerObject[], now: number): PeerLooks {
  return new Map(
    peers.map((peer) => {
      const before = known.get(peerKey(peer));
      return [
        peerKey(peer),
        {
          receive: withLook(before?.receive, receiveLook(peer, now)),
          send: withLook(before?.send, sendLook(peer, now)),
        },
      ];
    }),
  );
}

/** Whether something waits of which another look would tell how fast it goes. */
export function needsLooks(looks: PeerLooks): boolean {
  return [...looks.values()].some(({ receive, send }) => needsLook(receive) || needsLook(send));
}

function peerKey({ metadata: { namespace = '', name } }: PeerObject): string {
  return `${namespace}/${name}`;
}

function nodeReport(node: StoredNode): NodeReport {
  const { metadata, status } = node;
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    lfhId: status?.lfhId ?? node.spec.lfhId ?? '',
    peers: status?.peers?.total ?? 0,
    peersReady: status?.peers?.ready ?? 0,
    ...withGeneration(conditionView(status?.conditions, 'Ready'), node),
  };
}

const NO_LOOK = { at: 0, waiting: undefined, done: undefined };
const NO_LOOKS = { before: NO_LOOK, after: NO_LOOK };
const NEVER = { receive: NO_LOOKS, send: NO_LOOKS };

function peerReport(peer: PeerObject, known: PeerLooks): PeerReport {
  const { metadata, spec, status } = peer;
  const looks = known.get(peerKey(peer)) ?? NEVER;
  const { receive, send } = status ?? {};
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    lfhId: spec.lfhId,
    node: nodeNameOf(peer),
    details: detailsOf(peer),
    directions: [
      {
        direction: 'receive',
        ...withGeneration(conditionView(status?.conditions, 'ReceiveReady'), peer),
        lag: receive?.lag,
        ...rateOf(looks.receive),
        rejected: receive?.rejected,
        lastSync: receive?.lastReplayTime,
      },
      {
        direction: 'send',
        ...withGeneration(conditionView(status?.conditions, 'SendReady'), peer),
        lag: send?.pending,
        ...rateOf(looks.send),
        rejected: undefined,
        lastSync: send?.lastPullTime,
      },
    ],
  };
}

/** A status that is about an older spec says nothing of this one. */
function withGeneration(view: ConditionView, { metadata, status }: StoredNode | PeerObject): ConditionView {
  const isOld = (status?.observedGeneration ?? 0) < (metadata.generation ?? 0);
  if (!isOld || view.reason === '') return view;
  const message = `the operator has not looked at the newest spec yet; before, it said: ${view.message}`;
  return { ...view, state: 'unknown', message, whoActs: 'wait', whatToDo: '' };
}

import { columns } from '../text/columns.ts';
import { ageText, durationText } from '../text/duration.ts';
import { wrap } from '../text/wrap.ts';
import type { ConditionView } from './condition.ts';
import type { DirectionReport, NodeReport, PeerReport, StatusReport } from './report.ts';

/** A status for a terminal. */

export interface Shown {
  /** With the namespaces, as for `-A`. */
  readonly namespaces: boolean;
  /** With ids, nodes and messages, as for `-o wide`. */
  readonly wide: boolean;
  /** With everything that is known of each peer. */
  readonly details: boolean;
  readonly width: number;
  /** In milliseconds since 1970. */
  readonly now: number;
}

export function statusText(report: StatusReport, shown: Shown): string {
  const blocks = [
    columns(nodeRows(report.nodes, shown)).join('\n'),
    report.peers.length === 0 ? 'There are no peers.' : columns(peerRows(report.peers, shown)).join('\n'),
    ...(shown.details ? report.peers.map(({ details }) => columns(Object.entries(details)).join('\n')) : []),
    ...problems(report).map(([what, view]) => problemText(what, view, shown.width)),
    ...(report.operator.state === 'working' ? [] : [wrap(`Note: ${report.operator.message}.`, shown.width)]),
  ];
  return blocks.join('\n\n');
}

function nodeRows(nodes: readonly NodeReport[], { namespaces, wide, now }: Shown): string[][] {
  const head = ['NODE', 'STATE', 'REASON', 'SINCE', 'PEERS READY', 'WHO ACTS'];
  const rows = nodes.map((node) => [
    node.name,
    node.state,
    node.reason || '-',
    ageText(node.since, now),
    `${node.peersReady}/${node.peers}`,
    node.whoActs ?? '-',
    ...(wide ? [node.lfhId || '-', node.message] : []),
  ]);
  return withNamespaces([[...head, ...(wide ? ['LFH-ID', 'MESSAGE'] : [])], ...rows], nodes, namespaces);
}

function peerRows(peers: readonly PeerReport[], { namespaces, wide, now }: Shown): string[][] {
  const head = [
    'PEER',
    'DIRECTION',
    'STATE',
    'REASON',
    'SINCE',
    'LAG',
    'RATE',
    'ETA',
    'REJECTED',
    'LAST SYNC',
    'WHO ACTS',
  ];
  const lines = peers.flatMap((peer) => peer.directions.map((direction) => ({ peer, direction })));
  const rows = lines.map(({ peer, direction }) => [
    peer.name,
    direction.direction,
    direction.state,
    direction.reason || '-',
    ageText(direction.since, now),
    numberText(direction.lag),
    rateText(direction),
    etaText(direction),
    numberText(direction.rejected),
    ageText(direction.lastSync, now),
    direction.whoActs ?? '-',
    ...(wide ? [peer.node, peer.lfhId, direction.message] : []),
  ]);
  const wideHead = wide ? ['NODE', 'LFH-ID', 'MESSAGE'] : [];
  return withNamespaces(
    [[...head, ...wideHead], ...rows],
    lines.map(({ peer }) => peer),
    namespaces,
  );
}

function withNamespaces(
  [head = [], ...rows]: string[][],
  objects: readonly { readonly namespace: string }[],
  namespaces: boolean,
): string[][] {
  if (!namespaces) return [head, ...rows];
  return [['NAMESPACE', ...head], ...rows.map((row, index) => [objects[index]?.namespace ?? '', ...row])];
}

function numberText(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

function rateText({ perSecond }: DirectionReport): string {
  if (perSecond === undefined) return '-';
  return `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s`;
}

function etaText({ etaSeconds, state }: DirectionReport): string {
  if (etaSeconds === undefined) return '-';
  if (etaSeconds !== null) return durationText(etaSeconds * 1000);
  return state === 'ok' ? 'grows' : '-';
}

/** What is wrong, each with its name; a node first, since peers cannot be ready before it is. */
function problems({ nodes, peers }: StatusReport): (readonly [what: string, view: ConditionView])[] {
  const isWrong = ([, { state }]: readonly [string, ConditionView]): boolean =>
    state === 'not ok' || state === 'unknown';
  return [
    ...nodes.map((node) => [`node ${node.name}`, node] as const),
    ...peers.flatMap(({ name, directions }) => directions.map((each) => [`${name}, ${each.direction}`, each] as const)),
  ].filter(isWrong);
}

const ACTS = {
  us: 'You have to act.',
  them: "The peer's administrator has to act.",
  wait: 'It passes by itself; wait.',
} as const;

function problemText(what: string, { reason, message, whoActs, whatToDo }: ConditionView, width: number): string {
  const lines = [message, whatToDo].filter((line, index, all) => line !== '' && all.indexOf(line) === index);
  return [
    `${what}: ${reason || 'not looked at'}. ${whoActs === null ? '' : ACTS[whoActs]}`.trimEnd(),
    ...lines.map((line) => wrap(line, width, '  ')),
  ].join('\n');
}

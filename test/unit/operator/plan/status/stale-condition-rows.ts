import { aPeer, certificate, NOW, observedOf, peerReport, planOf, sidecarOf } from '../fixtures.ts';
import type { ConditionRow } from './condition-rows.ts';
import { JUST_NOW, rows, type Situation } from './peer-condition-rows.ts';

/** What is said of receiving while a sidecar replays the peer by other settings than those that are written. */

const B = aPeer('b');
const PAUSED = aPeer('b', { spec: { receive: { paused: true } } });
const NARROWED = aPeer('b', { spec: { receive: { allowOrigins: [] } } });
const WIDE = aPeer('b', { spec: { receive: { allowOrigins: ['c'] } } });
const OTHER_CA = aPeer('b', { spec: { ca: { inline: certificate('ca-c') } } });
const SEND_ONLY = aPeer('b', { spec: { servers: undefined } });

/** What a sidecar reports that runs with this spec. */
function digestOf(peer: typeof B): string {
  const [planned] = planOf(observedOf([peer])).peers;
  return planned?.digest ?? 'none';
}

const runs = (settings: typeof B, changes: Parameters<typeof peerReport>[1] = {}): Pick<Situation, 'dataPlane'> => ({
  dataPlane: { sidecars: [sidecarOf([peerReport('b', { digest: digestOf(settings), ...changes })])] },
});
const since = (ms: number): Pick<Situation, 'known'> => ({
  known: { progress: new Map([['b', { received: JUST_NOW, sent: JUST_NOW, staleSince: NOW - ms }]]) },
});

export const STALE_ROWS: readonly ConditionRow[] = rows('ReceiveReady', [
  ['it is replayed by its newest settings', 'True', 'Replaying', runs(B)],
  ['it is replayed, and it was just paused', 'Unknown', 'SettingsNotLive', { peer: PAUSED, ...runs(B) }],
  ['it is paused in the sidecar too', 'True', 'Paused', { peer: PAUSED, ...runs(PAUSED, { reason: 'Paused' }) }],
  [
    'fewer origins are allowed than the sidecar knows of',
    'Unknown',
    'SettingsNotLive',
    { peer: NARROWED, ...runs(WIDE), ...since(5_000) },
    /does not run with the newest settings of this peer yet, as was first seen at 2026-11-25T11:59:55.000Z,.*minute$/,
  ],
  ['its CA was replaced', 'Unknown', 'SettingsNotLive', { peer: OTHER_CA, ...runs(B) }],
  [
    'its CA was replaced, and what the sidecar reports is about the one before',
    'Unknown',
    'SettingsNotLive',
    { peer: OTHER_CA, ...runs(B, { reason: 'NotTrusted', message: 'why' }) },
  ],
  ['it is replayed, and nothing is to be received', 'Unknown', 'SettingsNotLive', { peer: SEND_ONLY, ...runs(B) }],
  [
    'it is not paused any more',
    'Unknown',
    'SettingsNotLive',
    { peer: B, ...runs(PAUSED, { reason: 'Paused' }) },
    /^the sidecar does not run with the newest/,
  ],
  [
    'it has the newest settings, and another peer has changed',
    'True',
    'Replaying',
    { observed: { peers: [B, aPeer('c', { spec: { receive: { paused: true } } })] }, ...runs(B) },
  ],
  [
    'a sidecar that does not replay it has earlier settings',
    'True',
    'Replaying',
    {
      dataPlane: {
        sidecars: [
          sidecarOf([peerReport('b', { owned: false, reason: 'NotOwned', digest: digestOf(PAUSED) })]),
          sidecarOf([peerReport('b', { digest: digestOf(B) })]),
        ],
      },
    },
  ],
  [
    'a sidecar has no settings of it in force, since its CA cannot be read',
    'False',
    'InvalidSettings',
    { ...runs(B, { digest: null, reason: 'InvalidSettings', message: 'why' }) },
  ],
  ['an older sidecar replays it, and it was just paused', 'True', 'Paused', { peer: PAUSED }],
  [
    'the newest settings have not arrived for long',
    'Unknown',
    'SettingsNotLive',
    { peer: PAUSED, ...runs(B), ...since(121_000) },
    /These have not: SidecarReady or NatsConfigLive of the node says why$/,
  ],
]);

export const STALE_RECONCILING_ROWS = rows('Reconciling', [
  ['the newest settings are on their way', 'True', 'SettingsNotLive', { peer: PAUSED, ...runs(B), ...since(119_000) }],
]);

export const STALE_STALLED_ROWS = rows('Stalled', [
  ['the newest settings stay away', 'True', 'SettingsNotLive', { peer: PAUSED, ...runs(B), ...since(121_000) }],
]);

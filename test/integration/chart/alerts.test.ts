import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Firing, firingAlerts, rulesProgram } from '../../kit/build/prometheus-rules.ts';
import { Helm } from '../../kit/servers/helm.ts';

const DAY = 86_400;

/** The value of a series from the first minute to the last of a case. */
const always = (value: number): string => `${value}x200`;
const expiry = (days: number): string =>
  `lfh_sync_certificate_expiry_timestamp_seconds{kind="LfhSyncNode", namespace="site", name="local", certificate="nats"} ${always(days * DAY)}`;
const condition = (kind: string, name: string, type: string, reason: string): string =>
  `lfh_sync_condition{kind="${kind}", namespace="site", name="${name}", type="${type}", status="False", reason="${reason}"} ${always(1)}`;
/** A peer that has fetched nothing since 1970, of a stream that keeps messages for so many minutes. */
const behind = (minutes: number): readonly string[] => [
  `lfh_sync_send_behind_since_timestamp_seconds{namespace="site", name="b", pod="operator"} ${always(0)}`,
  `lfh_sync_send_expiry_timestamp_seconds{namespace="site", name="b", pod="operator"} ${always(minutes * 60)}`,
];
const counter = (name: string, values: string, labels = ''): string =>
  `${name}{namespace="site", peer="b"${labels}} ${values}`;

interface Case {
  /** Series with which it fires after so many minutes, once. */
  readonly fires: readonly string[];
  readonly after: number;
  /** In the summary or the description, so that a person knows whom it is about. */
  readonly says: RegExp;
  /** Series with which it does not, though they are close. */
  readonly silent: readonly string[];
}

const transmit = (name: string, values: string, labels = ''): string =>
  `${name}{namespace="site", server="https://fhir"${labels}} ${values}`;

const CASES: Readonly<Record<string, Case>> = {
  LfhSyncNoOperatorWorks: {
    fires: [`lfh_sync_operator_leading{namespace="ours", pod="waits"} ${always(0)}`],
    after: 6,
    says: /No lfh-sync operator/,
    silent: [`lfh_sync_operator_leading{namespace="ours", pod="leads"} ${always(1)}`],
  },
  LfhSyncReconcileFailing: {
    fires: ['lfh_sync_operator_reconcile_failures_total{namespace="ours"} 0+1x60'],
    after: 30,
    says: /keeps failing/,
    silent: ['lfh_sync_operator_reconcile_failures_total{namespace="ours"} 0+0.4x60'],
  },
  LfhSyncPeerNotReplayed: {
    fires: [counter('lfh_sync_peer_connected', always(0), ', pod="x"')],
    after: 11,
    says: /b/,
    silent: [
      counter('lfh_sync_peer_connected', always(0), ', pod="x"'),
      counter('lfh_sync_peer_connected', always(1), ', pod="y"'),
    ],
  },
  LfhSyncNoSidecarReports: {
    fires: [counter('lfh_sync_peer_connected', '1x10 stale')],
    after: 30,
    says: /No sidecar in site/,
    silent: [counter('lfh_sync_peer_connected', '1x10 stale'), `lfh_sync_build_info{namespace="site"} ${always(1)}`],
  },
  LfhSyncLagging: {
    fires: [counter('lfh_sync_lag', always(1001))],
    after: 16,
    says: /b is 1001 messages ahead/,
    silent: [counter('lfh_sync_lag', always(1000))],
  },
  LfhSyncMessagesRejected: {
    fires: [counter('lfh_sync_rejected_total', '0x5 1x200', ', reason="NotJson"')],
    after: 10,
    says: /b were rejected \(NotJson\)/,
    silent: [counter('lfh_sync_rejected_total', always(0), ', reason="NotJson"')],
  },
  LfhSyncStreamRecreated: {
    fires: [counter('lfh_sync_stream_recreated_total', '0x5 1x200')],
    after: 10,
    says: /stream of b/,
    silent: [counter('lfh_sync_stream_recreated_total', always(1))],
  },
  LfhSyncInternalError: {
    fires: [counter('lfh_sync_internal_errors_total', '0x5 1x200')],
    after: 10,
    says: /replay of b/,
    silent: [counter('lfh_sync_internal_errors_total', always(1))],
  },
  LfhSyncTakeOversRepeat: {
    fires: [counter('lfh_sync_take_overs_total', '0+1x60')],
    after: 40,
    says: /taking b over/,
    silent: [counter('lfh_sync_take_overs_total', '0x5 3x60')],
  },
  LfhSyncAnnouncementsLost: {
    fires: ['lfh_sync_announcements_lost_total{namespace="site", reason="TooLarge"} 0x5 1x200'],
    after: 10,
    says: /TooLarge.*site|site.*TooLarge/s,
    silent: [`lfh_sync_announcements_lost_total{namespace="site", reason="TooLarge"} ${always(1)}`],
  },
  LfhSyncAnnouncementsWait: {
    fires: [`lfh_sync_announce_up{namespace="site"} ${always(0)}`],
    after: 6,
    says: /in site/,
    silent: [
      `lfh_sync_announce_up{namespace="site", pod="x"} ${always(0)}`,
      `lfh_sync_announce_up{namespace="site", pod="y"} ${always(1)}`,
    ],
  },
  LfhSyncMessagesExpired: {
    fires: [condition('LfhSyncPeer', 'b', 'SendReady', 'MessagesExpired')],
    after: 1,
    says: /Messages for b have expired/,
    silent: [condition('LfhSyncPeer', 'b', 'SendReady', 'NoPull')],
  },
  LfhSyncEverythingRejected: {
    fires: [condition('LfhSyncPeer', 'b', 'ReceiveReady', 'MessagesRejected')],
    after: 6,
    says: /from b is rejected/,
    silent: [condition('LfhSyncPeer', 'b', 'ReceiveReady', 'Lagging')],
  },
  LfhSyncKeyLost: {
    fires: [condition('LfhSyncNode', 'local', 'KeyReady', 'KeyLost')],
    after: 1,
    says: /key of local in site/,
    silent: [condition('LfhSyncNode', 'local', 'KeyReady', 'InvalidKey')],
  },
  LfhSyncMessagesExpireSoon: {
    fires: behind(100),
    after: 95,
    says: /peer b has not fetched messages in site for 95%/,
    silent: behind(140),
  },
  LfhSyncCertificateExpiresSoon: {
    fires: [expiry(29)],
    after: 65,
    says: /certificate nats of local expires in 29 days/,
    silent: [expiry(31)],
  },
  LfhSyncCertificateExpires: {
    fires: [expiry(6)],
    after: 65,
    says: /certificate nats of local expires in 6\.0 days/,
    silent: [expiry(8)],
  },
  LfhSyncKeyRotationPending: {
    fires: [`lfh_sync_key_rotation_since_timestamp_seconds{namespace="site", name="local"} ${always(-8 * DAY)}`],
    after: 16,
    says: /key of local has been in force for 8 days/,
    silent: [`lfh_sync_key_rotation_since_timestamp_seconds{namespace="site", name="local"} ${always(-6 * DAY)}`],
  },
  LfhSyncPeerNotPlanned: {
    fires: [condition('LfhSyncPeer', 'b', 'SendReady', 'InternalError')],
    after: 6,
    says: /plan the peer b/,
    // A sidecar's, which the counter has.
    silent: [condition('LfhSyncPeer', 'b', 'ReceiveReady', 'InternalError')],
  },
  LfhSyncFhirServerFails: {
    fires: [transmit('lfh_sync_transmit_up', always(0))],
    after: 16,
    says: /https:\/\/fhir/,
    silent: [transmit('lfh_sync_transmit_up', always(1))],
  },
  LfhSyncResourcesWait: {
    // The cases begin in 1970.
    fires: [transmit('lfh_sync_transmit_oldest_pending_timestamp_seconds', always(-43_200))],
    after: 17,
    says: /https:\/\/fhir for 12h/,
    silent: [transmit('lfh_sync_transmit_oldest_pending_timestamp_seconds', always(-3_600))],
  },
  LfhSyncResourcesUndelivered: {
    fires: [transmit('lfh_sync_transmit_undelivered_total', '0x5 1x200', ', reason="TransmitRefused"')],
    after: 10,
    says: /https:\/\/fhir were not delivered \(TransmitRefused\)/,
    silent: [transmit('lfh_sync_transmit_undelivered_total', always(1), ', reason="TransmitRefused"')],
  },
  LfhSyncResourcesExpired: {
    fires: [transmit('lfh_sync_transmit_expired_total', '0x5 1x200')],
    after: 10,
    says: /https:\/\/fhir/,
    silent: [transmit('lfh_sync_transmit_expired_total', always(1))],
  },
};

type Rule = Readonly<Record<string, unknown>>;

describe("the chart's alerts", function () {
  this.timeout(60_000);
  let rules: readonly Rule[];

  before(async function () {
    this.timeout(1_200_000);
    await rulesProgram();
    const directory = await mkdtemp(join(tmpdir(), 'lfh-sync-alerts-'));
    try {
      const helm = await Helm.in(directory);
      const rendered = await helm.template('sync', 'ours', { metrics: { prometheusRule: { enabled: true } } });
      const made = rendered.find(({ kind }) => kind === 'PrometheusRule');
      assert.ok(made);
      rules = (made.spec as { groups: { rules: Rule[] }[] }).groups[0]?.rules ?? [];
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  async function firing(alert: string, series: readonly string[], minutes: number): Promise<readonly Firing[]> {
    return firingAlerts(
      rules.filter((rule) => rule.alert === alert),
      series,
      minutes,
    );
  }

  it('each have a case here', () => {
    assert.deepEqual(
      Object.keys(CASES),
      rules.map(({ alert }) => alert),
    );
  });

  for (const [alert, { fires, after, says, silent }] of Object.entries(CASES)) {
    it(`have ${alert}, which fires when it should, says of whom, and does not fire otherwise`, async () => {
      const found = await firing(alert, fires, after);
      assert.equal(found.length, 1, JSON.stringify(found));
      assert.match(Object.values(found[0]?.annotations ?? {}).join(' '), says);
      assert.deepEqual(await firing(alert, silent, after), []);
    });
  }

  it('have nothing to say about certificates, retention and rotations of which nothing is known', async () => {
    const silent = rules.filter(({ alert }) => !/NoOperator/.test(String(alert)));
    assert.deepEqual(await firingAlerts(silent, ['up{namespace="site"} 1x100'], 90), []);
  });

  it('have one alert at a time for a certificate', async () => {
    const names = (await firingAlerts(rules, [expiry(3), 'lfh_sync_operator_leading{namespace="ours"} 1x200'], 65)).map(
      (each) => each.alert,
    );
    assert.deepEqual(names, ['LfhSyncCertificateExpires']);
  });
});

import type { CheckId } from '../../../cli/check/judge/checks.ts';
import type { Outcome } from '../../../cli/check/judge/finding.ts';
import type { KubeObject } from '../../../operator/api/objects.ts';
import { createCertificateAuthority } from '../../kit/servers/certificates.ts';
import {
  configMap,
  connectPod,
  INCLUDES_BOTH,
  type InstallableSite,
  NATS_NAMES,
  natsPod,
  type SiteObject,
  secret,
  workloadOf,
} from '../../kit/sites/installable-site.ts';

/** A key whose seed LinuxForHealth publishes. */
const PUBLISHED = 'UAOG3WGHPVLI3OQQVVTAP33Q3VOJKHYRZWA7A3REHZ3AD4U7YJJUYXO4';

/** What is otherwise than in the site; undefined for what is not there. */
export type Objects = { readonly [Name in SiteObject]?: KubeObject | undefined };

/** Something that a person has done wrong, and what is said of it. */
export interface Mistake {
  readonly what: string;
  readonly check: CheckId;
  readonly outcome?: Outcome;
  readonly says: RegExp;
  readonly hint: RegExp;
  /** What else is not known or not well for that. */
  readonly besides?: readonly string[];
  readonly objects?: () => Objects | Promise<Objects>;
  readonly values?: () => object;
}

/** What people get wrong before an installation, one mistake at a time. */
export function mistakesBefore(site: InstallableSite): readonly Mistake[] {
  const withNode = (fields: object): object => ({ ...site.values, node: { ...site.values.node, ...fields } });
  const withNats = (fields: object): object => withNode({ nats: { ...site.values.node.nats, ...fields } });
  const natsTls = (texts: Readonly<Record<string, string>>): Objects => ({ natsTls: secret('nats-tls', texts) });
  const natsConf = (text: string): Objects => ({ natsConf: configMap('nats-config', { 'nats.conf': text }) });
  const nats = (...how: Parameters<typeof natsPod>): Objects => ({
    nats: workloadOf('StatefulSet', 'nats', natsPod(...how)),
  });
  const connect = (...how: Parameters<typeof connectPod>): Objects => ({
    connect: workloadOf('Deployment', 'connect', connectPod(...how)),
  });

  return [
    {
      what: 'a connect with another id',
      check: 'lfh-id',
      says: /sets CONNECT_LFH_ID to hospital-x, and this node is hospital-a/,
      hint: /Remove CONNECT_LFH_ID from the workload/,
      objects: () => connect([{ name: 'CONNECT_LFH_ID', value: 'hospital-x' }]),
    },
    {
      what: 'a connect that subscribes to peers itself, as a Secret tells it',
      check: 'connect-subscribers',
      says: /NATS_SYNC_SUBSCRIBERS/,
      hint: /make an LfhSyncPeer of each server/,
      besides: ['lfh-id Unknown'],
      objects: () => {
        const connectEnv = secret('connect-env', { NATS_SYNC_SUBSCRIBERS: '["tls://a:4222"]' });
        return { connectEnv, ...connect([], [{ secretRef: { name: 'connect-env' } }]) };
      },
    },
    {
      what: 'two containers, none of which is named connect',
      check: 'connect-container',
      says: /has no container connect, but app, proxy/,
      hint: /spec\.connect\.container/,
      besides: ['connect-subscribers Unknown', 'lfh-id Unknown', 'connect-key Unknown'],
      objects: () => {
        const containers = ['app', 'proxy'].map((name) => ({ name, image: `${name}:1` }));
        return { connect: workloadOf('Deployment', 'connect', { containers }) };
      },
    },
    {
      what: 'no workload of connect',
      check: 'connect-workload',
      says: /there is no Deployment\/connect in this namespace/,
      hint: /correct kind and name in `spec\.connect\.workloadRef`/,
      besides: ['connect-sidecar', 'connect-container', 'connect-subscribers', 'lfh-id', 'connect-key'].map(
        (id) => `${id} Unknown`,
      ),
      objects: () => ({ connect: undefined }),
    },
    {
      what: 'a sidecar that somebody runs by hand',
      check: 'connect-sidecar',
      says: /has a container or volume lfh-sync of its own/,
      hint: /go on running the sidecar yourself/,
      besides: ['connect-container', 'connect-subscribers', 'lfh-id'].map((id) => `${id} Unknown`),
      objects: () => connect([], [], [{ name: 'lfh-sync', image: 'lfh-sync:0.1.0' }]),
    },
    {
      what: 'the published key for connect, in the spec',
      check: 'connect-key',
      says: /spec\.nats\.connect\.publicKey is a key that LinuxForHealth publishes/,
      hint: /nk -gen user -pubout/,
      values: () => withNats({ connect: { publicKey: PUBLISHED } }),
    },
    {
      what: 'a connect that keeps the key of its image, which everybody has',
      check: 'connect-key',
      says: /mounts no Secret at .*nats-server\.nk/,
      hint: /give connect the seed as its `nats-server\.nk`/,
      objects: () => {
        const containers = [{ name: 'connect', image: 'connect:0.42.0' }];
        return { connect: workloadOf('Deployment', 'connect', { containers }) };
      },
    },
    {
      what: 'a key of connect that nobody lets in',
      check: 'connect-key',
      says: /connect's public key is U\w+, which is neither/,
      hint: /put the public key into `spec\.nats\.connect\.publicKey`/,
      values: () => withNats({ connect: { publicKey: 'UAB45DS3XMDNBUWEHT22IWLAYFPKGPAA4E4WOAATCAZTVYCGMIL7UHB4' } }),
    },
    {
      what: 'a line end behind the seed of connect',
      check: 'connect-key',
      says: /this is not the seed of a user; is there a line end behind it\?/,
      hint: /without a line end/,
      objects: () => {
        const { data } = site.objects.connectKey as unknown as { data: Record<string, string> };
        const seed = Buffer.from(data['nats-server.nk'] ?? '', 'base64').toString();
        return { connectKey: secret('connect-nkey', { 'nats-server.nk': `${seed}\n` }) };
      },
    },
    {
      what: 'a missing include',
      check: 'nats-includes',
      says: /lfh-sync-peers\.conf is not included; it belongs inside accounts/,
      hint: /docs\/operator\.md/,
      objects: () => natsConf(INCLUDES_BOTH.replace(/.*peers.*/, '')),
    },
    {
      what: 'an include inside the wrong account',
      check: 'nats-includes',
      says: /lfh-sync\.conf is included inside accounts \/ APP, and belongs inside accounts \/ LFH/,
      hint: /docs\/operator\.md/,
      objects: () => natsConf(INCLUDES_BOTH.replace('LFH', 'APP')),
    },
    {
      what: 'no reloader',
      check: 'nats-reload',
      says: /StatefulSet\/nats has no reloader, and spec\.nats\.reload is Reloader/,
      hint: /spec\.nats\.reload: Restart/,
      objects: () => nats({ reloader: false }),
    },
    {
      what: 'files that are mounted one by one',
      check: 'nats-mount',
      says: /mounts local-nats in parts/,
      hint: /without `subPath`/,
      objects: () => nats({ mount: { subPath: 'lfh-sync.conf' } }),
    },
    {
      what: 'an old nats-server',
      check: 'nats-version',
      says: /runs nats-server 2\.6\.6, and 2\.10 is the oldest/,
      hint: /Update nats-server/,
      objects: () => nats({ image: 'nats:2.6.6-alpine' }),
    },
    {
      what: 'no workload of NATS',
      check: 'nats-workload',
      says: /there is no StatefulSet\/nats in this namespace/,
      hint: /correct kind and name in `spec\.nats\.workloadRef`/,
      besides: ['nats-mount', 'nats-reload', 'nats-includes', 'nats-version'].map((id) => `${id} Unknown`),
      objects: () => ({ nats: undefined }),
    },
    {
      what: 'a missing Secret',
      check: 'nats-secret',
      says: /there is no Secret nats-tls in this namespace/,
      hint: /`tls\.crt`, `tls\.key` and `ca\.crt`/,
      besides: ['nats-certificate-names Unknown', 'nats-certificate-expiry Unknown', 'nats-ca Failed'],
      objects: () => ({ natsTls: undefined }),
    },
    {
      what: 'a Secret without ca.crt, as an ACME issuer makes it',
      check: 'nats-secret',
      says: /the Secret nats-tls has no ca\.crt/,
      hint: /A certificate of an ACME issuer has no `ca\.crt`/,
      besides: ['nats-ca Failed'],
      objects: async () => {
        const { cert, key } = await site.ca.issue({ names: NATS_NAMES });
        return natsTls({ 'tls.crt': cert, 'tls.key': key });
      },
    },
    {
      what: 'a CA that has expired',
      check: 'nats-ca',
      says: /has expired on/,
      hint: /after a change they need the new invitation/,
      objects: async () => {
        const old = await createCertificateAuthority('old', { notBefore: -400, notAfter: -1 });
        const { cert, key } = await old.issue({ names: NATS_NAMES });
        return natsTls({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': old.ca });
      },
    },
    {
      what: "the server's certificate in the place of its CA",
      check: 'nats-ca',
      says: /is not a certificate authority/,
      hint: /and not that certificate itself/,
      objects: async () => {
        const { cert, key } = await site.ca.issue({ names: NATS_NAMES });
        return natsTls({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': cert });
      },
    },
    {
      what: 'a CA that has not issued the certificate',
      check: 'nats-ca',
      says: /none of its CAs has issued the certificate of NATS/,
      hint: /Put the CA there that has issued/,
      objects: async () => {
        const other = await createCertificateAuthority('hospital-a');
        const { cert, key } = await site.ca.issue({ names: NATS_NAMES });
        return natsTls({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': other.ca });
      },
    },
    {
      what: 'a certificate without the name by which peers reach NATS',
      check: 'nats-certificate-names',
      says: /is not for nats\.hospital-a\.example; it is for DNS:nats/,
      hint: /in its SAN/,
      objects: async () => {
        const { cert, key } = await site.ca.issue({ names: NATS_NAMES.slice(0, 1) });
        return natsTls({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': site.ca.ca });
      },
    },
    {
      what: 'a certificate that a machine with a fast clock has issued',
      check: 'nats-certificate-expiry',
      says: /is not valid before .*; are the clocks right\?/,
      hint: /compare the clocks/,
      objects: async () => {
        const { cert, key } = await site.ca.issue({ names: NATS_NAMES, notBefore: 1 });
        return natsTls({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': site.ca.ca });
      },
    },
    {
      what: 'a certificate with two weeks left',
      check: 'nats-certificate-expiry',
      outcome: 'Warning',
      says: /expires on .*: have it replaced before that/,
      hint: /Renew the certificate/,
      objects: async () => {
        const { cert, key } = await site.ca.issue({ names: NATS_NAMES, notAfter: 14 });
        return natsTls({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': site.ca.ca });
      },
    },
    {
      what: 'no address for the peers',
      check: 'advertise',
      outcome: 'Warning',
      says: /spec\.nats\.advertise is empty/,
      hint: /load balancer or node port/,
      values: () => withNats({ advertise: [] }),
    },
    {
      what: 'an address from a Service, at a name that is not in the certificate',
      check: 'nats-certificate-names',
      says: /is not for nats\.elsewhere\.example; it is for/,
      besides: ['advertise Failed'],
      hint: /in its SAN/,
      values: () =>
        withNats({
          advertise: undefined,
          advertiseFrom: { serviceRef: { name: 'nats-peers' }, host: 'nats.elsewhere.example' },
        }),
    },
    {
      what: 'a Service for the peers that is not there',
      check: 'advertise',
      says: /spec\.nats\.advertiseFrom: .*nats-peers/,
      hint: /name its Service in `spec\.nats\.advertiseFrom`/,
      values: () => withNats({ advertise: undefined, advertiseFrom: { serviceRef: { name: 'nats-peers' } } }),
    },
    {
      what: 'one replica on two brokers',
      check: 'kafka-replication',
      outcome: 'Warning',
      says: /replicationFactor is 1, and spec\.kafka\.brokers names 2/,
      hint: /Leave `spec\.kafka\.topics\.replicationFactor` out/,
      values: () => withNode({ kafka: { ...(site.values.node.kafka as object), topics: { replicationFactor: 1 } } }),
    },
    {
      what: 'a password of Kafka under another key',
      check: 'kafka-secret',
      says: /the Secret kafka-user has no entry password/,
      hint: /in the entry `password`/,
      objects: () => ({ kafkaUser: secret('kafka-user', { 'sasl.password': 'correct-horse' }) }),
    },
    {
      what: 'the image of the chart, which no registry has',
      check: 'image',
      says: /image\.repository is lfh-sync, the placeholder/,
      hint: /make image/,
      values: () => ({ node: site.values.node }),
    },
  ];
}

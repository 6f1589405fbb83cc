import { APP_SYNC_SUBJECT, inboxPrefix, syncName } from '../../common/contract/names.ts';
import { localNatsSeed, sidecarNatsSeed } from '../../common/contract/nkeys.ts';
import type { LoadedPeer } from '../../common/contract/peers.ts';
import type { Settings } from '../../common/contract/settings.ts';
import { sidecarInbox } from '../../common/contract/sidecar-user.ts';
import type { Logger } from '../../common/log.ts';
import type { LocalNatsOptions } from './local-nats.ts';
import type { PeerStreamOptions } from './peer-stream.ts';
import { publicKeyOf } from './public-key.ts';

/** The settings, with the content of the files that they name. */
interface NatsSettings extends Settings {
  /** The NKey seed of this node, and the one before it while it is being replaced. */
  readonly seed: Uint8Array;
  readonly previousSeed?: Uint8Array;
  readonly localCa?: string;
}

/** Room for the headers of a message that is as large as may be. connect's have none. */
const HEADER_BYTES = 64 * 1024;

/**
 * How much of a peer's message is kept: a message that is larger than may be, but not by far, still goes to LFH_EXCEPTION with
 * the hash of the whole.
 */
function peerKeptBytes({ maxMessageBytes }: Pick<Settings, 'maxMessageBytes'>): number {
  return 2 * maxMessageBytes + HEADER_BYTES;
}

/**
 * How the settings say that the node's local NATS is reached.
 *
 * Peers' servers get signatures of the node's own key, so the local NATS must not accept that one. It knows the sidecars by a key
 * of their own (ADR 18). A server that was configured before there was one knows only the operator's, so that is tried last.
 */
export function localNatsOptions(settings: NatsSettings, log: Logger): LocalNatsOptions {
  const { seed, previousSeed } = settings;
  const previous = previousSeed ? [previousSeed] : [];
  const older = [...previous.map(sidecarNatsSeed), ...[seed, ...previous].map(localNatsSeed)];
  return {
    servers: settings.natsServers,
    subject: APP_SYNC_SUBJECT,
    seed: encoded(sidecarNatsSeed(seed)),
    olderSeeds: older.map(encoded),
    ca: settings.localCa,
    inboxPrefix: sidecarInbox(settings.lfhId),
    name: 'lfh-sync-sidecar',
    allowPlaintext: true,
    log,
  };
}

/** The public key that the sidecar signs in with at the local NATS. Where no operator does it, a person has to add it there. */
export function localNatsPublicKey({ seed }: NatsSettings): string {
  return publicKeyOf(encoded(sidecarNatsSeed(seed)));
}

function encoded(seed: string): Uint8Array {
  return new TextEncoder().encode(seed);
}

/**
 * How the settings say that a peer's stream is reached at one of its servers.
 *
 * @param log the logger of that peer
 */
export function peerStreamOptions(
  settings: NatsSettings,
  peer: LoadedPeer,
  server: string,
  log: Logger,
): PeerStreamOptions {
  const own = syncName(settings.lfhId);
  return {
    server,
    owner: peer.name,
    manual: peer.manual,
    seed: settings.seed,
    olderSeeds: settings.previousSeed && [settings.previousSeed],
    ca: peer.ca,
    tlsServerName: peer.tlsServerName,
    stream: peer.stream,
    durable: peer.consumer ?? own,
    inboxPrefix: inboxPrefix(own),
    name: own,
    keptBytes: peerKeptBytes(settings),
    log,
  };
}

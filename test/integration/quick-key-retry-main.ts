import { openLocalNats } from '../../sidecar/nats/local-nats.ts';
import { localNatsOptions, peerStreamOptions } from '../../sidecar/nats/options.ts';
import { openPeerStream } from '../../sidecar/nats/peer-stream.ts';
import { makeParts } from '../../sidecar/parts.ts';
import { run } from '../../sidecar/run.ts';

/** The product's sidecar, but where only the previous key is accepted it tries the current one every second. */
export const KEY_RETRY_MS = 1_000;

if (import.meta.main) {
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  const parts = await makeParts(process.env);
  const localNats = openLocalNats({ ...localNatsOptions(parts.settings, parts.log), keyRetryMs: KEY_RETRY_MS });
  await run(
    {
      ...parts,
      localNats,
      openStream: (...request) => openPeerStream({ ...peerStreamOptions(...request), keyRetryMs: KEY_RETRY_MS }),
    },
    stop.signal,
  );
}

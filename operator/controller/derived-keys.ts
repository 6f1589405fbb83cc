import { canaryKey, probeKey } from '../nats/keys.ts';
import type { DerivedKeys } from '../plan/nats-files.ts';

/** Keeps what was derived, since that takes milliseconds, and a node may have hundreds of peers. */
export function derivedKeys(seed: string): DerivedKeys {
  const probes = new Map<string, string>();
  return {
    canary: (configHash) => canaryKey(seed, configHash).publicKey,
    probe: (peerLfhId) => {
      const known = probes.get(peerLfhId) ?? probeKey(seed, peerLfhId).publicKey;
      probes.set(peerLfhId, known);
      return known;
    },
  };
}

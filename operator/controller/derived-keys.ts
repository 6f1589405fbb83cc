import { canaryKey, ownNatsKey, probeKey } from '../nats/keys.ts';
import type { DerivedKeys } from '../plan/nats-files.ts';

/**
 * Keeps what was derived, since that takes milliseconds, and a node may have hundreds of peers.
 *
 * @param previousSeed during a rotation: who signs in with the key derived from it is let in as well
 */
export function derivedKeys(seed: string, previousSeed: string | undefined): DerivedKeys {
  const probes = new Map<string, string>();
  const own = [seed, previousSeed].flatMap((each) => (each === undefined ? [] : [ownNatsKey(each).publicKey]));
  return {
    own: () => own,
    canary: (configHash) => canaryKey(seed, configHash).publicKey,
    probe: (peerLfhId) => {
      const known = probes.get(peerLfhId) ?? probeKey(seed, peerLfhId).publicKey;
      probes.set(peerLfhId, known);
      return known;
    },
  };
}

import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import { KINDS, type Secret } from '../api/objects.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeError } from '../kube/errors.ts';
import { NAMES } from '../plan/observed/names.ts';
import { nodeSpec } from '../plan/observed/spec.ts';
import { previousKeyUsers } from '../plan/status/status.ts';
import { type KeyStep, keyRefused, keyStep } from '../plan/trust/node-key.ts';
import type { Snapshot } from './cluster.ts';
import { createKey, dropPreviousKey, readKey, rotateKey, type StoredKey } from './key-store.ts';

export interface ReconciledKey {
  readonly stored: StoredKey | undefined;
  /** `use` or `stop`. */
  readonly step: KeyStep;
}

/**
 * Makes, rotates or drops a node's key, as {@link keyStep} decides, until there is nothing left to do.
 *
 * @throws KubeError where the API does not answer; what it refuses becomes a step that says so
 */
export async function reconcileKey(
  api: KubeClient,
  { node, peers, keySecret }: Snapshot,
  log: Logger,
): Promise<ReconciledKey> {
  const { name, namespace = '' } = node.metadata;
  const read = (): Promise<Secret | undefined> =>
    api.get<Secret>(KINDS.secret, namespace, node.spec.key?.secretRef?.name ?? NAMES.key(name));
  // A key must not be taken for lost because it was not seen yet.
  let secret = keySecret ?? (await read());
  for (;;) {
    const stored = secret && readKey(secret);
    const inUse = previousKeyUsers({ key: stored, peers });
    const step = keyStep(node, stored, inUse, Date.now());
    if (step.step === 'use' || step.step === 'stop') return { stored, step };
    log.info({ node: name, namespace, step: step.step }, "the node's key");
    try {
      if (step.step === 'create') secret = await createKey(api, node);
      else if (!secret) return { stored, step };
      else if (step.step === 'rotate') secret = await rotateKey(api, secret, nodeSpec(node).rotation, Date.now());
      else secret = await dropPreviousKey(api, secret);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== undefined) return { stored, step: keyRefused(stored, refusal) };
      // It was changed since it was seen.
      secret = await read();
    }
  }
}

/** undefined for a conflict. */
function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof KubeError)) throw error;
  if (error.isConflict) return undefined;
  if (error.isRefusal) return messageOf(error);
  throw error;
}

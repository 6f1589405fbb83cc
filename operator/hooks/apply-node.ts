import { readFile } from 'node:fs/promises';
import { InvalidInputError } from '../../common/errors.ts';
import { KINDS, type KubeObject } from '../api/objects.ts';
import { KubeClient } from '../kube/client.ts';
import { loadKubeConfig } from '../kube/config.ts';
import { type ApplyNodeConfig, readApplyNodeConfig } from './config.ts';
import { retryUntil, runHook } from './hook.ts';

/**
 * The chart runs this Job after an install, upgrade or rollback, to give the release its LfhSyncNode. Helm cannot do it
 * itself: it refuses to install an object whose CRD comes with the same release, and a node that is a hook would be
 * deleted at each upgrade.
 */

/** Another one than the operator's, whose applies would remove these fields again. */
const FIELD_MANAGER = 'lfh-sync-chart';

await runHook('lfh-sync-apply-node', async (log) => {
  const config = readApplyNodeConfig(process.env);
  const node = await readNode(config);
  const api = new KubeClient(loadKubeConfig(process.env));
  const deadline = Date.now() + config.timeoutMs;
  await retryUntil(deadline, '', () => api.applyAs(FIELD_MANAGER, node).then(() => true));
  log.info({ node: node.metadata.name, namespace: config.namespace }, 'applied');
});

/** @throws InvalidInputError where the file holds anything but an LfhSyncNode */
async function readNode({ nodeFile, namespace }: ApplyNodeConfig): Promise<KubeObject> {
  const node = parse(await readFile(nodeFile, 'utf8'), nodeFile);
  const { apiVersion, kind } = KINDS.node;
  if (node?.apiVersion !== apiVersion || node.kind !== kind || typeof node.metadata?.name !== 'string') {
    throw new InvalidInputError(`${nodeFile}: expected an object of ${apiVersion}, kind ${kind}, with a name`);
  }
  return { ...node, metadata: { ...node.metadata, namespace } };
}

function parse(text: string, file: string): KubeObject | undefined {
  try {
    return (JSON.parse(text) ?? undefined) as KubeObject | undefined;
  } catch {
    // Without the parser's own message, which quotes the text: a password may be in it.
    throw new InvalidInputError(`${file}: is not JSON`);
  }
}

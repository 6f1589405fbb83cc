import { required, setting } from '../../common/contract/setting.ts';
import { boolean, matching, text, wholeNumber } from '../../common/contract/shapes.ts';
import { decode, OPERATOR_SETTINGS } from '../config.ts';

/** The settings of the chart's Jobs. The chart alone writes them, into the Jobs' environment. */
const HOOK_SETTINGS = {
  nodeFile: setting(
    'LFH_SYNC_NODE_FILE',
    text,
    '/etc/lfh-sync/node.json',
    'The file with the LfhSyncNode that the release is to have.',
  ),
  release: required(
    'LFH_SYNC_RELEASE',
    matching(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, 'the name of a release'),
    'The release that is uninstalled. Only what it made is deleted.',
  ),
  deletePeers: setting('LFH_SYNC_DELETE_PEERS', boolean, false, "Whether to delete the node's peers too."),
  timeoutSeconds: setting(
    'LFH_SYNC_TIMEOUT_SECONDS',
    wholeNumber(1, 3600),
    120,
    'How long to wait for the API server, and for the operator to let go.',
  ),
} as const;

export interface ApplyNodeConfig {
  readonly namespace: string;
  readonly nodeFile: string;
  readonly timeoutMs: number;
}

export interface UninstallConfig {
  readonly namespace: string;
  /** The name of the release, as the label `app.kubernetes.io/instance` has it. */
  readonly release: string;
  readonly deletePeers: boolean;
  readonly timeoutMs: number;
}

/** @throws InvalidInputError naming the setting and what is expected */
export function readApplyNodeConfig(env: NodeJS.ProcessEnv): ApplyNodeConfig {
  return {
    namespace: decode(OPERATOR_SETTINGS.namespace, env),
    nodeFile: decode(HOOK_SETTINGS.nodeFile, env),
    timeoutMs: timeoutOf(env),
  };
}

/** @throws InvalidInputError naming the setting and what is expected */
export function readUninstallConfig(env: NodeJS.ProcessEnv): UninstallConfig {
  return {
    namespace: decode(OPERATOR_SETTINGS.namespace, env),
    release: decode(HOOK_SETTINGS.release, env),
    deletePeers: decode(HOOK_SETTINGS.deletePeers, env),
    timeoutMs: timeoutOf(env),
  };
}

function timeoutOf(env: NodeJS.ProcessEnv): number {
  return decode(HOOK_SETTINGS.timeoutSeconds, env) * 1000;
}

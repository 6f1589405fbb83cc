import { boolean, matching, text, wholeNumber } from '../../common/contract/shapes.ts';
import { decode, OPERATOR_SETTINGS, type Setting } from '../config.ts';

/** What the chart's Jobs are told in their environment, by the chart alone. */
const HOOK_SETTINGS = {
  nodeFile: {
    name: 'LFH_SYNC_NODE_FILE',
    shape: text,
    meaning: 'The file with the LfhSyncNode that the release is to have.',
    fallback: '/etc/lfh-sync/node.json',
  },
  release: {
    name: 'LFH_SYNC_RELEASE',
    shape: matching(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, 'the name of a release'),
    meaning: 'The release that goes. Only what it made is deleted.',
    fallback: undefined,
  },
  deletePeers: {
    name: 'LFH_SYNC_DELETE_PEERS',
    shape: boolean,
    meaning: "Whether to delete the node's peers too.",
    fallback: 'false',
  },
  timeoutSeconds: {
    name: 'LFH_SYNC_TIMEOUT_SECONDS',
    shape: wholeNumber(1, 3600),
    meaning: 'How long to wait for the API server, and for the operator to let go.',
    fallback: '120',
  },
} as const satisfies Record<string, Setting<unknown>>;

export interface ApplyNodeConfig {
  readonly namespace: string;
  readonly nodeFile: string;
  readonly timeoutMs: number;
}

export interface UninstallConfig {
  readonly namespace: string;
  /** As the label `app.kubernetes.io/instance` has it. */
  readonly release: string;
  readonly deletePeers: boolean;
  readonly timeoutMs: number;
}

/** @throws InvalidInputError naming the setting and what is expected */
export function readApplyNodeConfig(env: NodeJS.ProcessEnv): ApplyNodeConfig {
  return {
    namespace: decode(OPERATOR_SETTINGS.namespace, env) ?? '',
    nodeFile: decode(HOOK_SETTINGS.nodeFile, env) ?? '',
    timeoutMs: timeoutOf(env),
  };
}

/** @throws InvalidInputError naming the setting and what is expected */
export function readUninstallConfig(env: NodeJS.ProcessEnv): UninstallConfig {
  return {
    namespace: decode(OPERATOR_SETTINGS.namespace, env) ?? '',
    // Else the label would be asked for with no value, which is another question.
    release: decode({ ...HOOK_SETTINGS.release, fallback: '' }, env) ?? '',
    deletePeers: decode(HOOK_SETTINGS.deletePeers, env) ?? false,
    timeoutMs: timeoutOf(env),
  };
}

function timeoutOf(env: NodeJS.ProcessEnv): number {
  return (decode(HOOK_SETTINGS.timeoutSeconds, env) ?? 0) * 1000;
}

import { hostname } from 'node:os';
import { decodeSetting, optional, type Setting, setting } from '../common/contract/setting.ts';
import {
  boolean,
  everyAddress,
  hostPort,
  LOG_LEVELS,
  listOf,
  matching,
  oneOf,
  text,
} from '../common/contract/shapes.ts';

/** Every setting of the operator. They are read once from its environment, at its start. */

const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const OPERATOR_SETTINGS = {
  namespace: setting(
    'POD_NAMESPACE',
    matching(NAMESPACE, 'the name of a namespace'),
    'default',
    "The operator's own namespace, where its Lease is. Given by the downward API.",
  ),
  identity: optional(
    'POD_NAME',
    text,
    'What this operator calls itself in the Lease and in events. Given by the downward API.',
  ),
  namespaces: optional(
    'LFH_SYNC_NAMESPACES',
    listOf(NAMESPACE, 'namespaces'),
    'The namespaces to look after. Absent: its own.',
  ),
  allNamespaces: setting(
    'LFH_SYNC_ALL_NAMESPACES',
    boolean,
    false,
    'Whether to look after every namespace. Needs cluster-wide rights.',
  ),
  image: optional(
    'LFH_SYNC_IMAGE',
    matching(/^[^\s@]+(@[^\s@]+)?$/, 'the name of an image'),
    'The image of the sidecars. Absent: no sidecar is injected, also where `spec.connect` asks for it.',
  ),
  httpAddress: setting(
    'LFH_SYNC_HTTP_ADDRESS',
    hostPort,
    everyAddress(9878),
    'Where /healthz, /readyz, /status and /metrics are served. [::] is every address, of IPv4 and of IPv6; port 0 takes any free one.',
  ),
  logLevel: setting('LFH_SYNC_LOG_LEVEL', oneOf(LOG_LEVELS), 'info', 'How much is logged.'),
} as const;

export interface OperatorConfig {
  readonly namespace: string;
  readonly identity: string;
  /** The namespaces to watch; undefined: all of them. */
  readonly namespaces: readonly string[] | undefined;
  /** The image of the sidecars; undefined: none is injected. */
  readonly image: string | undefined;
  readonly httpAddress: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

/** @throws InvalidInputError naming the setting and what is expected, without its value */
export function readConfig(env: NodeJS.ProcessEnv): OperatorConfig {
  const { namespace, identity, namespaces, allNamespaces, image, httpAddress, logLevel } = OPERATOR_SETTINGS;
  const own = decode(namespace, env);
  return {
    namespace: own,
    identity: decode(identity, env) ?? `${hostname()}-${process.pid}`,
    namespaces: decode(allNamespaces, env) ? undefined : (decode(namespaces, env) ?? [own]),
    image: decode(image, env),
    httpAddress: decode(httpAddress, env),
    logLevel: decode(logLevel, env),
  };
}

/** Decodes a setting from the environment. @throws InvalidInputError as {@link decodeSetting} does */
export function decode<Value>(setting: Setting<Value>, env: NodeJS.ProcessEnv): Value {
  return decodeSetting(setting, env[setting.name]);
}

import { hostname } from 'node:os';
import {
  boolean,
  LOG_LEVELS,
  listOf,
  matching,
  oneOf,
  type Shape,
  ShapeError,
  text,
} from '../common/contract/shapes.ts';
import { InvalidInputError } from '../common/errors.ts';

/** Every setting of the operator: read once from its environment, at start. */

export interface Setting<Value> {
  readonly name: string;
  readonly shape: Shape<Value>;
  readonly meaning: string;
  /** As it would be written; undefined: optional. */
  readonly fallback: string | undefined;
}

const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const OPERATOR_SETTINGS = {
  namespace: {
    name: 'POD_NAMESPACE',
    shape: matching(NAMESPACE, 'the name of a namespace'),
    meaning: "The operator's own namespace, where its Lease is. Given by the downward API.",
    fallback: 'default',
  },
  identity: {
    name: 'POD_NAME',
    shape: text,
    meaning: 'What this operator calls itself in the Lease and in events. Given by the downward API.',
    fallback: undefined,
  },
  namespaces: {
    name: 'LFH_SYNC_NAMESPACES',
    shape: listOf(NAMESPACE, 'namespaces'),
    meaning: 'The namespaces to look after. Absent: its own.',
    fallback: undefined,
  },
  allNamespaces: {
    name: 'LFH_SYNC_ALL_NAMESPACES',
    shape: boolean,
    meaning: 'Whether to look after every namespace. Needs cluster-wide rights.',
    fallback: 'false',
  },
  image: {
    name: 'LFH_SYNC_IMAGE',
    shape: matching(/^[^\s@]+(@[^\s@]+)?$/, 'the name of an image'),
    meaning: 'The image of the sidecars. Absent: none is injected, also where `spec.connect` asks for it.',
    fallback: undefined,
  },
  httpAddress: {
    name: 'LFH_SYNC_HTTP_ADDRESS',
    shape: matching(/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/, 'host:port'),
    meaning: 'Where /healthz, /readyz, /status and /metrics are served; port 0 takes any free one.',
    fallback: '0.0.0.0:9878',
  },
  logLevel: { name: 'LFH_SYNC_LOG_LEVEL', shape: oneOf(LOG_LEVELS), meaning: 'How much is logged.', fallback: 'info' },
} as const satisfies Record<string, Setting<unknown>>;

export interface OperatorConfig {
  readonly namespace: string;
  readonly identity: string;
  /** undefined: all of them. */
  readonly namespaces: readonly string[] | undefined;
  /** Of the sidecars; undefined: none is injected. */
  readonly image: string | undefined;
  readonly httpAddress: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

/** @throws InvalidInputError naming the setting and what is expected, without its value */
export function readConfig(env: NodeJS.ProcessEnv): OperatorConfig {
  const { namespace, identity, namespaces, allNamespaces, image, httpAddress, logLevel } = OPERATOR_SETTINGS;
  const own = decode(namespace, env) ?? '';
  return {
    namespace: own,
    identity: decode(identity, env) ?? `${hostname()}-${process.pid}`,
    namespaces: decode(allNamespaces, env) ? undefined : (decode(namespaces, env) ?? [own]),
    image: decode(image, env),
    httpAddress: decode(httpAddress, env) ?? '',
    logLevel: decode(logLevel, env) ?? 'info',
  };
}

/** @throws InvalidInputError naming the setting and what is expected, without its value */
export function decode<Value>({ name, shape, fallback }: Setting<Value>, env: NodeJS.ProcessEnv): Value | undefined {
  const found = env[name] ?? fallback;
  if (found === undefined) return undefined;
  try {
    return shape.decode(found);
  } catch (error) {
    if (error instanceof ShapeError) throw new InvalidInputError(`${name}${error.path}: ${error.message}`);
    throw error;
  }
}

/** What a FHIR server says of itself, as far as it decides what is sent. */
export interface Capabilities {
  /** Whether a POST of this type may be conditional, so that a repeat makes nothing twice. */
  conditionalCreate(type: string): boolean;
}

export const NO_CAPABILITIES: Capabilities = { conditionalCreate: () => false };

interface Named {
  readonly name?: unknown;
}

/**
 * Reads a CapabilityStatement.
 *
 * A server may ignore a search parameter that it does not know. It would then take any resource for the one that was looked for,
 * and create nothing. So a server that lists its parameters must list `_tag`, for all types or for this one.
 *
 * @param body the answer of `[base]/metadata`
 * @returns {@link NO_CAPABILITIES} where it is no CapabilityStatement
 */
export function readCapabilities(body: Buffer): Capabilities {
  let statement: unknown;
  try {
    statement = JSON.parse(body.toString('utf8'));
  } catch {
    return NO_CAPABILITIES;
  }
  const allowed = new Set<string>();
  for (const rest of listIn(statement, 'rest')) {
    if (fieldOf(rest, 'mode') !== 'server') continue;
    const common = listIn(rest, 'searchParam');
    // Looked at once: a server chooses how many types and how many parameters there are, and all peers share one thread.
    const isCommon = common.some(isTag);
    for (const resource of listIn(rest, 'resource')) {
      const type = fieldOf(resource, 'type');
      const own = listIn(resource, 'searchParam');
      const canSearch = isCommon || own.some(isTag) || (common.length === 0 && own.length === 0);
      if (typeof type === 'string' && fieldOf(resource, 'conditionalCreate') === true && canSearch) allowed.add(type);
    }
  }
  return { conditionalCreate: (type) => allowed.has(type) };
}

function isTag(parameter: object): boolean {
  return (parameter as Named).name === '_tag';
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function listIn(value: unknown, name: string): readonly object[] {
  const list = fieldOf(value, name);
  return Array.isArray(list) ? list.filter((each): each is object => typeof each === 'object' && each !== null) : [];
}

import { freePort, until } from '../processes/process.ts';
import type { ControlPlane } from '../servers/control-plane.ts';

/** What a cluster's administrator, or what they have installed, may have the API server do with what is written. */

const GROUP = 'admissionregistration.k8s.io/v1';

/** The writes of one namespace that are meant. */
export interface Writes {
  readonly apiGroup?: string;
  /** As rules of admission name it: `configmaps`, `lfhsyncpeers/status`. */
  readonly resource: string;
  readonly operations?: readonly ('CREATE' | 'UPDATE')[];
  /** Only objects with this name. */
  readonly name?: string;
}

/** Ends it. */
type Undo = () => Promise<void>;

/**
 * Refuses writes by a policy, for good.
 *
 * @param expression CEL, which is true for what is let through
 * @param probe writes something that is refused; such as with `--dry-run=server`
 */
export async function refuseWrites(
  plane: ControlPlane,
  namespace: string,
  writes: Writes,
  { expression, message }: { readonly expression: string; readonly message: string },
  probe: () => Promise<unknown>,
): Promise<Undo> {
  const named = (kind: string, spec: object): object => ({
    apiVersion: GROUP,
    kind,
    metadata: { name: namespace },
    spec,
  });
  const policy = named('ValidatingAdmissionPolicy', {
    failurePolicy: 'Fail',
    matchConstraints: { resourceRules: [ruleOf(writes)] },
    ...conditionsOf(writes),
    validations: [{ expression, message }],
  });
  const binding = named('ValidatingAdmissionPolicyBinding', {
    policyName: namespace,
    validationActions: ['Deny'],
    matchResources: { namespaceSelector: selecting(namespace) },
  });
  for (const each of [policy, binding]) await plane.kubectl(['apply', '-f', '-'], JSON.stringify(each));
  await counts(probe, new RegExp(message));
  return async () => {
    const kinds = 'validatingadmissionpolicybinding,validatingadmissionpolicy';
    await plane.kubectl(['delete', kinds, namespace, '--ignore-not-found']);
  };
}

/**
 * Has writes answered with 500, as where a webhook cannot be called, or a service that encrypts fails.
 *
 * @param probe see {@link refuseWrites}
 */
export async function failWrites(
  plane: ControlPlane,
  namespace: string,
  writes: Writes,
  probe: () => Promise<unknown>,
): Promise<Undo> {
  const webhook = {
    name: 'nobody.example.org',
    clientConfig: { url: `https://127.0.0.1:${await freePort()}/` },
    rules: [ruleOf(writes)],
    ...conditionsOf(writes),
    namespaceSelector: selecting(namespace),
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  const kind = 'ValidatingWebhookConfiguration';
  await plane.apply([{ apiVersion: GROUP, kind, metadata: { name: namespace }, webhooks: [webhook] }], namespace);
  await counts(probe, /failed calling webhook/);
  return async () => {
    await plane.kubectl(['delete', 'validatingwebhookconfiguration', namespace, '--ignore-not-found']);
  };
}

function ruleOf({ apiGroup = '', resource, operations = ['CREATE', 'UPDATE'] }: Writes): object {
  return { apiGroups: [apiGroup], apiVersions: ['*'], operations, resources: [resource] };
}

function conditionsOf({ name }: Writes): object {
  return name === undefined
    ? {}
    : { matchConditions: [{ name: 'named', expression: `object.metadata.name == '${name}'` }] };
}

function selecting(namespace: string): object {
  return { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
}

/** The API server takes up what was applied a moment later. */
async function counts(probe: () => Promise<unknown>, message: RegExp): Promise<void> {
  const isSo = (): Promise<boolean> =>
    probe().then(
      () => false,
      (error: Error) => message.test(error.message),
    );
  await until('what was applied counts', isSo);
}

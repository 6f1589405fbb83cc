import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { ControlPlane } from './control-plane.ts';

const RULES = join(import.meta.dirname, '..', '..', 'charts', 'lfh-sync', 'files', 'rules.yaml');
const ACCOUNT = 'lfh-sync-operator';

interface Rules {
  readonly own: readonly object[];
  readonly watched: readonly object[];
}

/** The names that the rules leave open. */
export interface KnownNames {
  readonly node?: string;
  readonly connect?: string;
  readonly nats?: string;
}

/**
 * Gives a service account the rights that the chart gives the operator, from the same file, in its own namespace and in those
 * that it looks after.
 *
 * @returns a kubeconfig file of that account
 */
export async function grantOperatorRights(
  plane: ControlPlane,
  own: string,
  watched: readonly string[],
  { node = 'local', connect = 'connect', nats = 'nats' }: KnownNames = {},
): Promise<string> {
  const text = (await readFile(RULES, 'utf8'))
    .replaceAll('<node>', node)
    .replaceAll('<connect>', connect)
    .replaceAll('<nats>', nats);
  const rules = load(text) as Rules;
  const roles = [
    { namespace: own, name: ACCOUNT, rules: rules.own },
    ...watched.map((namespace) => ({ namespace, name: `${ACCOUNT}-watched`, rules: rules.watched })),
  ];
  await plane.apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: ACCOUNT, namespace: own } }]);
  await plane.apply(roles.flatMap((role) => granted(own, role)));
  return plane.kubeconfigFileOf(own, ACCOUNT);
}

function granted(
  own: string,
  { namespace, name, rules }: { readonly namespace: string; readonly name: string; readonly rules: readonly object[] },
): object[] {
  const metadata = { name, namespace };
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
  const subjects = [{ kind: 'ServiceAccount', name: ACCOUNT, namespace: own }];
  return [
    { apiVersion, kind: 'Role', metadata, rules },
    { apiVersion, kind: 'RoleBinding', metadata, roleRef, subjects },
  ];
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { ControlPlane } from './control-plane.ts';

const RULES = join(import.meta.dirname, '..', '..', 'charts', 'lfh-sync', 'files', 'rules.yaml');
const ACCOUNT = 'lfh-sync-operator';

/** Rules of Roles. */
export interface Rules {
  /** In the operator's own namespace. */
  readonly own: readonly object[];
  /** In each that it looks after. */
  readonly watched: readonly object[];
}

/** The names that the rules leave open. */
export interface KnownNames {
  readonly node?: string;
  readonly connect?: string;
  readonly nats?: string;
}

/** The operator's rights, with the names filled in. */
export async function operatorRules({ node, connect, nats }: Required<KnownNames>): Promise<Rules> {
  const text = (await readFile(RULES, 'utf8'))
    .replaceAll('<node>', node)
    .replaceAll('<connect>', connect)
    .replaceAll('<nats>', nats);
  return load(text) as Rules;
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
  const rules = await operatorRules({ node, connect, nats });
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

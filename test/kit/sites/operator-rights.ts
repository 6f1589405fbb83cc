import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { ControlPlane } from '../servers/control-plane.ts';

const RULES = join(import.meta.dirname, '..', '..', '..', 'charts', 'lfh-sync', 'files', 'rules.yaml');
const ACCOUNT = 'lfh-sync-operator';

interface Rule {
  readonly resourceNames?: readonly string[];
}

/** The rules of its Roles in the operator's own namespace, and in each namespace that it watches. */
export interface Rules {
  readonly own: readonly Rule[];
  readonly watched: readonly Rule[];
}

/** The names that the rules leave open. */
export interface KnownNames {
  readonly node?: readonly string[];
  readonly connect?: readonly string[];
  readonly nats?: readonly string[];
}

/** The operator's rights with the chart's defaults, with the names filled in. */
export async function operatorRules({
  node = ['local'],
  connect = ['connect'],
  nats = ['nats'],
}: KnownNames = {}): Promise<Rules> {
  const { own, watched, nudgePods } = load(await readFile(RULES, 'utf8')) as Rules & { nudgePods: readonly Rule[] };
  const known = Object.entries({ '<node>': node, '<connect>': connect, '<nats>': nats });
  return { own, watched: [...watched, ...nudgePods].map((rule) => withNames(rule, known)) };
}

/**
 * Gives a service account the rights that the chart gives the operator, from the same file, in its own namespace and in those
 * that it looks after. There it makes the empty Secrets for the nodes' keys, as the chart does.
 *
 * @returns a kubeconfig file of that account
 */
export async function grantOperatorRights(
  plane: ControlPlane,
  own: string,
  watched: readonly string[],
  names: KnownNames = {},
): Promise<string> {
  const rules = await operatorRules(names);
  const roles = [
    { namespace: own, name: ACCOUNT, rules: rules.own },
    ...watched.map((namespace) => ({ namespace, name: `${ACCOUNT}-watched`, rules: rules.watched })),
  ];
  await plane.apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: ACCOUNT, namespace: own } }]);
  await plane.apply(roles.flatMap((role) => granted(own, role)));
  await plane.apply(
    watched.flatMap((namespace) => (names.node ?? ['local']).map((node) => emptySecret(namespace, node))),
  );
  return plane.kubeconfigFileOf(own, ACCOUNT);
}

function emptySecret(namespace: string, node: string): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: `${node}-nkey`, namespace }, type: 'Opaque' };
}

function withNames(rule: Rule, known: readonly (readonly [string, readonly string[]])[]): Rule {
  if (!rule.resourceNames) return rule;
  const resourceNames = known.reduce<readonly string[]>(
    (names, [placeholder, found]) =>
      names.flatMap((name) =>
        name.includes(placeholder) ? found.map((each) => name.replace(placeholder, each)) : name,
      ),
    rule.resourceNames,
  );
  return { ...rule, resourceNames };
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

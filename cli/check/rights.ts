import { KINDS, type KubeObject } from '../../operator/api/objects.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { Looked } from './judge/looked.ts';
import { lookAt } from './looking.ts';
import type { ChartValues } from './values.ts';

/** A kind of object that the chart creates. */
interface Created {
  readonly group: string;
  readonly resource: string;
  readonly kind: string;
  readonly ofCluster?: true;
  /** Absent: always. */
  readonly when?: (values: ChartValues) => boolean | undefined;
}

const RBAC = 'rbac.authorization.k8s.io';
const MONITORING = 'monitoring.coreos.com';
const makesRoles = ({ rbac }: ChartValues): boolean => rbac?.create !== false;
const seesAll = (values: ChartValues): boolean => makesRoles(values) && values.watch?.allNamespaces === true;

/** Everything that the chart creates; a test compares it with the templates. */
export const CREATED: readonly Created[] = [
  { group: 'apps', resource: 'deployments', kind: 'Deployment' },
  { group: '', resource: 'services', kind: 'Service' },
  { group: '', resource: 'serviceaccounts', kind: 'ServiceAccount' },
  { group: '', resource: 'secrets', kind: 'Secret' },
  { group: '', resource: 'configmaps', kind: 'ConfigMap' },
  { group: '', resource: 'pods', kind: 'Pod' },
  { group: 'batch', resource: 'jobs', kind: 'Job' },
  { group: RBAC, resource: 'roles', kind: 'Role', when: makesRoles },
  { group: RBAC, resource: 'rolebindings', kind: 'RoleBinding', when: makesRoles },
  { group: RBAC, resource: 'clusterroles', kind: 'ClusterRole', ofCluster: true, when: seesAll },
  { group: RBAC, resource: 'clusterrolebindings', kind: 'ClusterRoleBinding', ofCluster: true, when: seesAll },
  {
    group: 'apiextensions.k8s.io',
    resource: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    ofCluster: true,
    when: ({ crds }) => crds?.enabled !== false,
  },
  {
    group: 'networking.k8s.io',
    resource: 'networkpolicies',
    kind: 'NetworkPolicy',
    when: ({ networkPolicy }) => networkPolicy?.enabled !== false,
  },
  {
    group: 'policy',
    resource: 'poddisruptionbudgets',
    kind: 'PodDisruptionBudget',
    when: ({ podDisruptionBudget }) => podDisruptionBudget?.enabled !== false,
  },
  {
    group: MONITORING,
    resource: 'servicemonitors',
    kind: 'ServiceMonitor',
    when: ({ metrics }) => metrics?.serviceMonitor?.enabled,
  },
  {
    group: MONITORING,
    resource: 'podmonitors',
    kind: 'PodMonitor',
    when: ({ metrics }) => metrics?.podMonitor?.enabled,
  },
  {
    group: MONITORING,
    resource: 'prometheusrules',
    kind: 'PrometheusRule',
    when: ({ metrics }) => metrics?.prometheusRule?.enabled,
  },
];

interface AccessReview extends KubeObject {
  readonly spec: { readonly resourceAttributes: object };
  readonly status?: { readonly allowed?: boolean };
}

/** What one may not create of that which the chart creates with these values, such as `deployments.apps`. */
export function mayNotCreate(
  api: KubeClient,
  namespace: string,
  values: ChartValues,
): Promise<Looked<readonly string[]>> {
  const needed = CREATED.filter(({ when }) => when === undefined || when(values) === true);
  const asking = needed.map(async ({ group, resource, ofCluster }) => {
    const { apiVersion, kind } = KINDS.accessReview;
    const resourceAttributes = { verb: 'create', group, resource, ...(!ofCluster && { namespace }) };
    const answer = await api.create<AccessReview>({
      apiVersion,
      kind,
      metadata: { name: '' },
      spec: { resourceAttributes },
    });
    return answer.status?.allowed === true ? [] : [group === '' ? resource : `${resource}.${group}`];
  });
  return lookAt(Promise.all(asking).then((found) => found.flat()));
}

import type { Workload } from '../../../operator/api/objects.ts';
import { kafkaPasswordProblem, nodeProblem } from '../../../operator/plan/node/problem.ts';
import type { Advertised } from '../../../operator/plan/observed/advertised.ts';
import type { NodeObject, StoredNode } from '../../../operator/plan/observed/observed.ts';
import { nodeSpec } from '../../../operator/plan/observed/spec.ts';
import { type TrustSeen, trustFindings } from './certificates.ts';
import { connectFindings } from './connect.ts';
import { type Finding, failed, fine, unknown, warning } from './finding.ts';
import { type Looked, referencesTo } from './looked.ts';
import { natsFindings } from './nats.ts';

/** All that is looked at before an installation. */
export interface BeforeSeen extends Omit<TrustSeen, 'workload' | 'advertised'> {
  readonly node: NodeObject;
  /** The nodes that there are already. */
  readonly otherNodes: Looked<readonly StoredNode[]>;
  /** `gitVersion` of the API server. */
  readonly kubernetes: string;
  /** What one may not create, such as `deployments.apps`; absent where nothing is to be installed. */
  readonly mayNotCreate: Looked<readonly string[]> | undefined;
  /** The image of the values, without its tag; absent where there are no values. */
  readonly repository: string | undefined;
  /** Where peers reach NATS. */
  readonly advertised: Looked<Advertised>;
  readonly connect: Looked<Workload>;
  readonly nats: Looked<Workload>;
}

export function beforeFindings(seen: BeforeSeen): Finding[] {
  const { node, contents, now, connect, nats, advertised } = seen;
  return [
    kubernetesVersion(seen.kubernetes),
    ...(seen.mayNotCreate ? [rights(seen.mayNotCreate)] : []),
    ...(seen.repository === undefined ? [] : [image(seen.repository)]),
    spec(seen),
    advertise(seen),
    ...connectFindings({ node, contents, workload: connect }),
    ...natsFindings({ node, contents, workload: nats }),
    ...trustFindings({
      node,
      contents,
      now,
      workload: nats,
      advertised: advertised.why === undefined ? (advertised.value?.servers ?? []) : [],
    }),
    ...kafka(seen),
  ];
}

/** The first with native sidecars turned on. */
const OLDEST_MINOR = 29;

function kubernetesVersion(version: string): Finding {
  const check = 'kubernetes-version';
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (minor === undefined) return unknown(check, `the API server calls its version ${version}`);
  if (Number(major) === 1 && Number(minor) < OLDEST_MINOR)
    return failed(check, `the API server is of Kubernetes ${version}`);
  return fine(check, `the API server is of Kubernetes ${version}`);
}

function rights(mayNotCreate: Looked<readonly string[]>): Finding {
  const check = 'install-rights';
  if (mayNotCreate.why !== undefined) return unknown(check, `cannot ask what you may create: ${mayNotCreate.why}`);
  const missing = mayNotCreate.value ?? [];
  if (missing.length > 0) return failed(check, `you may not create ${missing.join(', ')}`);
  return fine(check, 'you may create everything that the chart creates');
}

/** The default of the chart, which no registry has. */
export const PLACEHOLDER_IMAGE = 'lfh-sync';

function image(repository: string): Finding {
  const isPlaceholder = repository.replace(/^(docker\.io\/)?(library\/)?/, '') === PLACEHOLDER_IMAGE;
  if (isPlaceholder)
    return failed('image', `image.repository is ${repository}, the placeholder of the chart, which no registry has`);
  return fine('image', `image.repository is ${repository}`);
}

/** The CA has a check of its own. */
function spec({ node, otherNodes }: BeforeSeen): Finding {
  const check = 'node-spec';
  const others = (otherNodes.why === undefined ? otherNodes.value : undefined) ?? [];
  const differing = others.filter(({ metadata }) => metadata.name !== node.metadata.name);
  const problem = nodeProblem({ node, otherNodes: differing }, undefined);
  if (problem) return failed(check, problem.message);
  if (otherNodes.why !== undefined) return unknown(check, `cannot look at other LfhSyncNodes: ${otherNodes.why}`);
  return fine(check, `LfhSyncNode ${node.metadata.name} is ${node.spec.lfhId}`);
}

function advertise({ advertised, node }: BeforeSeen): Finding {
  const check = 'advertise';
  if (advertised.why !== undefined)
    return unknown(check, `cannot look at the Service in spec.nats.advertiseFrom: ${advertised.why}`);
  const { servers = [], problem } = advertised.value ?? {};
  if (problem) return failed(check, problem.message);
  if (servers.length > 0) return fine(check, `peers reach the NATS of ${node.spec.lfhId} at ${servers.join(', ')}`);
  return warning(
    check,
    'spec.nats.advertise is empty: the invitation names no server, so peers cannot receive from this node',
  );
}

function kafka({ node, contents }: BeforeSeen): Finding[] {
  const unread = new Set<string>();
  const problem = kafkaPasswordProblem({ node, references: referencesTo(contents, unread) });
  const check = 'kafka-secret';
  const password = (): Finding => {
    if (unread.size > 0)
      return unknown(check, `spec.kafka.sasl.passwordSecretRef: cannot look into ${[...unread].join(', ')}`);
    return problem ? failed(check, problem.message) : fine(check, 'the password of Kafka is there');
  };
  return [...(node.spec.kafka.sasl ? [password()] : []), replication(node)];
}

function replication(node: NodeObject): Finding {
  const check = 'kafka-replication';
  const { replicationFactor } = nodeSpec(node).kafka;
  const { brokers } = node.spec.kafka;
  if (replicationFactor !== 1) {
    const how = replicationFactor === -1 ? 'as the brokers make them' : `with ${replicationFactor} replicas`;
    return fine(check, `topics are made ${how}`);
  }
  const says = 'spec.kafka.topics.replicationFactor is 1';
  if (brokers.length > 1) {
    return warning(
      check,
      `${says}, and spec.kafka.brokers names ${brokers.length}: while one of them is down nothing is replayed, and with its disk positions are lost`,
    );
  }
  return unknown(check, `${says}; how many brokers there are behind ${brokers.join()} cannot be seen from here`);
}

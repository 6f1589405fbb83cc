import type { CaSource, Condition } from '../../../../../operator/api/types.ts';
import type { AddressProblem } from '../../../../../operator/plan/observed/advertised.ts';
import type {
  DataPlane,
  KeyReading,
  NodeObject,
  Observed,
  PeerObject,
  ServerReport,
} from '../../../../../operator/plan/observed/observed.ts';
import { failedNodeStatus } from '../../../../../operator/plan/status/failed.ts';
import { nodeStatus } from '../../../../../operator/plan/status/status.ts';
import { type KeyStep, keyRefused, keyStep } from '../../../../../operator/plan/trust/node-key.ts';
import {
  aKey,
  aNode,
  aPeer,
  HOUR_MS,
  type Known,
  knownOf,
  NOW,
  natsOf,
  observedOf,
  PUBLISHED_KEY,
  planOf,
  settledPlanOf,
  sidecarOf,
  USE,
  userKey,
} from '../fixtures.ts';
import { type ConditionRow, rowsIn } from './condition-rows.ts';

/** Every situation in which a reconcile can find a node, with the condition that it must lead to. */

export interface Situation {
  readonly node?: NodeObject;
  readonly observed?: Partial<Observed>;
  readonly dataPlane?: Partial<DataPlane>;
  readonly known?: Partial<Known>;
  readonly step?: KeyStep;
  /** The first of two reloads is awaited. */
  readonly first?: boolean;
}

export const B = aPeer('b');
export const refusedKey = (hasSecret: boolean) => ({
  step: keyRefused(aNode(), undefined, { step: 'create', hasSecret, problem: 'no rights' }),
});
export const { nats, kafka } = aNode().spec;

/** The conditions of a node where everything is well but for what the situation says. */
function conditionsIn({
  node = aNode(),
  observed,
  dataPlane,
  known,
  step = USE,
  first,
}: Situation): readonly Condition[] {
  const all = observedOf([B], { node, ...observed });
  const plan = first ? planOf(all) : settledPlanOf(all);
  const well: DataPlane = { nats: natsOf(), sidecars: [sidecarOf([])] };
  const status = nodeStatus(all, [], {
    plan,
    keyStep: step,
    dataPlane: { ...well, ...dataPlane },
    ...knownOf(known),
    now: NOW,
  });
  return status.conditions ?? [];
}

export const rows = rowsIn(conditionsIn);

export const withCa = (ca: CaSource): Situation => ({ node: aNode({ spec: { nats: { ...nats, ca } } }) });
export const withKafkaCa = (ca: CaSource): Situation => ({
  node: aNode({ spec: { kafka: { ...kafka, tls: true, ca } } }),
});
export const withNats = (changes: Partial<NodeObject['spec']['nats']>): Situation => ({
  node: aNode({ spec: { nats: { ...nats, ...changes } } }),
});
export const advertising = (problem: AddressProblem): Situation => ({
  observed: { advertised: { servers: [], problem } },
});
export const servers = (...outcomes: readonly ServerReport['outcome'][]): Situation => ({
  dataPlane: {
    nats: natsOf([], {
      servers: outcomes.map((outcome, index) => ({ server: `n${index}`, outcome, message: `n${index}: ${outcome}` })),
    }),
  },
});
/** All run it, and their certificates expire in so many days. */
export const certificates = (...days: readonly number[]): Situation => {
  const expiry = days.map((each) => NOW + each * 24 * 3_600_000);
  const live = { server: 'n', outcome: 'Live', message: 'n: Live' } as const;
  const servers = expiry.map((certificateExpires) => ({ ...live, certificateExpires }));
  return { dataPlane: { nats: natsOf([], { servers }) } };
};
export const waited = (minutes: number): Pick<Situation, 'known'> => ({ known: { writtenAt: NOW - minutes * 60_000 } });
export const absent = {
  ...withNats({ workloadRef: { name: 'nats' } }),
  known: { missing: new Set(['StatefulSet/nats']) },
};

export const withKey = (node: NodeObject, key: Observed['key'], inUse: readonly string[] = []): Situation => ({
  node,
  observed: { key },
  step: keyStep(node, key, { inUse, unseen: [] }, NOW),
});
export const accepting = (name: string, key: string): PeerObject => aPeer(name, { status: { receive: { key } } });
export const reading = (publicKey: string): KeyReading => ({ publicKey, published: publicKey === PUBLISHED_KEY });
export const brings = aNode({ spec: { key: { secretRef: { name: 'mine' } } } });
export const rotated = aKey({
  previous: reading(userKey('before')),
  rotation: 1,
  rotatedAt: new Date(NOW - HOUR_MS).toJSON(),
});

/** A condition of a node whose reconciles fail again and again, though all was well before. */
export const failing = (type: Condition['type']): ConditionRow => ({
  what: 'its reconciles fail',
  type,
  status: 'Unknown',
  reason: 'ReconcileFailed',
  conditions: () =>
    failedNodeStatus(aNode({ status: { conditions: conditionsIn({}) } }), 'no answer', NOW).conditions ?? [],
  says: /^the last reconciles failed: no answer$/,
});

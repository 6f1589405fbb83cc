import assert from 'node:assert/strict';
import type { Container } from '../../../../../operator/api/objects.ts';
import { injectionOf } from '../../../../../operator/plan/injection/injection.ts';
import { NO_REFERENCES, type NodeObject } from '../../../../../operator/plan/observed/observed.ts';
import { workload } from './fixtures.ts';

interface AppliedPod {
  readonly initContainers: readonly {
    readonly restartPolicy: string;
    readonly env: readonly { readonly name: string; readonly value: string }[];
    readonly ports: readonly { readonly containerPort: number }[];
    readonly livenessProbe: { readonly httpGet: { readonly port: number } };
    readonly resources: object;
    readonly securityContext: { readonly runAsUser?: number };
    readonly volumeMounts: readonly { readonly mountPath: string }[];
  }[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly projected: { readonly sources: readonly object[] } }[];
}

/** The pod template that is applied, as far as it has something to say. */
export function appliedPod(of: NodeObject, into = workload()): AppliedPod {
  const found = injectionOf({ node: of, image: 'i', workload: into, references: NO_REFERENCES });
  assert.ok(!found.refusal);
  return (found.spec as { template: { spec: AppliedPod } }).template.spec;
}

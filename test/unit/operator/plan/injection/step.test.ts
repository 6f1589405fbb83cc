import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ConfigMap, Workload } from '../../../../../operator/api/objects.ts';
import {
  awaitedRollout,
  injectionStep,
  refusedRollout,
  type StepInput,
  withRecordedWorkload,
} from '../../../../../operator/plan/injection/step.ts';
import { NODE_LABEL, WORKLOAD_NOTE } from '../../../../../operator/plan/observed/names.ts';
import { NO_REFERENCES, type NodeObject } from '../../../../../operator/plan/observed/observed.ts';
import { LFH_ID, node, SUBSCRIBERS, workload } from './fixtures.ts';

describe('injectionStep', () => {
  const CONNECT = 'Deployment/connect';
  const step = (input: Partial<StepInput>): string => {
    const full = {
      node: node(),
      otherNodes: [],
      references: NO_REFERENCES,
      image: 'i',
      workload: workload(),
      prerequisitesMet: true,
    };
    const next = injectionStep({ ...full, ...input });
    if (next.step === 'inject') return 'inject';
    const { workload: of = '-', refusal, awaited } = next.outcome;
    const removed = next.step === 'remove' ? `remove from ${next.workload}, ` : '';
    return `${removed}${of} ${refusal?.reason ?? (awaited === undefined ? '' : 'awaited')}`.trim();
  };
  const elsewhere = node({ workloadRef: { kind: 'StatefulSet', name: 'connect' } }, CONNECT);
  const subscribing = workload({ containers: [{ name: 'connect', env: [{ name: SUBSCRIBERS, value: 'x' }] }] });
  const valueFrom = { configMapKeyRef: { name: 'settings-new', key: 'id' } };
  const referring = workload({ containers: [{ name: 'connect', env: [{ name: LFH_ID, valueFrom }] }] });
  const younger = node(undefined, undefined, { name: 'other', age: 2 });
  const older = node(undefined, undefined, { name: 'other', age: 0 });
  const holder = node(null, CONNECT, { name: 'other', age: 2 });
  const far = { ...older, metadata: { ...older.metadata, namespace: 'far' } };

  const table: [when: string, wanted: string, input: Partial<StepInput>][] = [
    ['no injection is asked for', '-', { node: node(null) }],
    ['the workload is not in the status yet', `${CONNECT} awaited`, {}],
    ['the workload is in the status', 'inject', { node: node(undefined, CONNECT) }],
    ['the prerequisites are missing at first', '-', { prerequisitesMet: false }],
    ['the prerequisites are missing again', CONNECT, { node: node(undefined, CONNECT), prerequisitesMet: false }],
    ['the operator has no image', '- NoImage', { image: undefined }],
    ['the operator has no image any more', `${CONNECT} NoImage`, { node: node(undefined, CONNECT), image: undefined }],
    ['the workload does not exist', '- WorkloadMissing', { workload: undefined }],
    ['connect subscribes itself', '- ConnectAlsoSubscribes', { workload: subscribing }],
    [
      'connect subscribes itself after the injection',
      `remove from ${CONNECT}, - ConnectAlsoSubscribes`,
      { node: node(undefined, CONNECT), workload: subscribing },
    ],
    ['connect has its id from what is not there', '- LfhIdMismatch', { workload: referring }],
    [
      'connect has its id from what is not there, or not any more, after the injection',
      `${CONNECT} LfhIdMismatch`,
      { node: node(undefined, CONNECT), workload: referring },
    ],
    ['the spec names another workload', `remove from ${CONNECT}, -`, { node: elsewhere }],
    ['the spec asks for no injection any more', `remove from ${CONNECT}, -`, { node: node(null, CONNECT) }],
    [
      'the spec asks for no injection any more and the operator has no image',
      `remove from ${CONNECT}, -`,
      { node: node(null, CONNECT), image: undefined },
    ],
    ['a younger node asks for the same workload', 'inject', { node: node(undefined, CONNECT), otherNodes: [younger] }],
    ['an older node asks for the same workload', '- Conflict', { otherNodes: [older] }],
    [
      'an older node asks for the same workload after the injection',
      `remove from ${CONNECT}, - Conflict`,
      { node: node(undefined, CONNECT), otherNodes: [older] },
    ],
    ['another node still has its sidecar in it', '- Conflict', { otherNodes: [holder] }],
    ['a node in another namespace asks for a workload of the same name', `${CONNECT} awaited`, { otherNodes: [far] }],
  ];
  for (const [when, wanted, input] of table)
    it(`gives "${wanted}" when ${when}`, () => assert.equal(step(input), wanted));

  it('never lets two nodes inject into one workload, and lets one of them in the end', () => {
    const specs = fc.array(
      fc.record({ asked: fc.constantFrom('a', 'b', undefined), current: fc.constantFrom('a', 'b', undefined) }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(specs, (all) => {
        // No run of the operator leads to two nodes with one workload in their status.
        const seen = new Set<string>();
        let nodes = all.map(({ asked, current }, index) => {
          const has = current !== undefined && !seen.has(current) ? current : undefined;
          if (has !== undefined) seen.add(has);
          const connect = asked === undefined ? null : { workloadRef: { name: asked } };
          return node(connect, has && `Deployment/${has}`, { name: `n${index}`, age: index });
        });
        for (let round = 0; round < 6; round += 1) {
          for (const [index, one] of nodes.entries()) {
            const otherNodes = nodes.filter((other) => other !== one);
            const given = { references: NO_REFERENCES, image: 'i', workload: workload(), prerequisitesMet: true };
            const next = injectionStep({ ...given, node: one, otherNodes });
            const has = next.step === 'inject' ? one.status?.workload : next.outcome.workload;
            const status = has === undefined ? {} : { workload: has };
            nodes = nodes.with(index, { ...one, status });
            const injected = nodes.flatMap(({ status }) => status?.workload ?? []);
            assert.equal(new Set(injected).size, injected.length);
          }
        }
        const injected = new Set(nodes.flatMap(({ status }) => status?.workload ?? []));
        const wanted = new Set(all.flatMap(({ asked }) => (asked === undefined ? [] : [`Deployment/${asked}`])));
        assert.deepEqual(injected, wanted);
      }),
    );
  });
});

describe('withRecordedWorkload', () => {
  const noted = (workloadNote: string, of = 'local'): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'local-nats', labels: { [NODE_LABEL]: of }, annotations: { [WORKLOAD_NOTE]: workloadNote } },
  });
  const note = noted('Deployment/before');
  const reconciled: NodeObject = { ...node(), status: { observedGeneration: 1 } };

  it('takes the workload from the note of an earlier node before the first reconcile, and from the status after it', () => {
    assert.equal(withRecordedWorkload(node(), note).status?.workload, 'Deployment/before');
    const asItIs: readonly [NodeObject, ConfigMap | undefined][] = [
      [node(), undefined],
      [reconciled, note],
      [node(), noted('Deployment/before', 'second')],
      ...['', 'before', 'Pod/before', 'Deployment/', 'Deployment/a/b', 'Deployment/../x'].map(
        (text): [NodeObject, ConfigMap] => [node(), noted(text)],
      ),
    ];
    for (const [one, found] of asItIs) assert.equal(withRecordedWorkload(one, found), one);
  });

  it('makes the next step remove the sidecar that an earlier node left in another workload, and keep it in the same one', () => {
    const step = (of: NodeObject): string => {
      const input = {
        otherNodes: [],
        references: NO_REFERENCES,
        image: 'i',
        workload: workload(),
        prerequisitesMet: true,
      };
      const next = injectionStep({ ...input, node: withRecordedWorkload(of, note) });
      return next.step === 'remove' ? `remove from ${next.workload}` : next.step;
    };
    assert.equal(step(node()), 'remove from Deployment/before');
    assert.equal(step(node(null)), 'remove from Deployment/before');
    assert.equal(step(node({ workloadRef: { name: 'before' } })), 'inject');
    assert.equal(step({ ...reconciled, spec: node(null).spec }), 'none');
  });
});

describe('awaitedRollout', () => {
  const of = (spec: object, status: object): string | undefined =>
    awaitedRollout(workload({}, { spec: { ...workload().spec, ...spec }, status }));

  it('says what is missing until every pod is a new one and is available', () => {
    const seen = { observedGeneration: 3 };
    assert.match(of({}, {}) ?? '', /awaited/);
    assert.match(of({ replicas: 0 }, seen) ?? '', /scaled to 0/);
    assert.match(of({ replicas: 3 }, { ...seen, updatedReplicas: 1 }) ?? '', /^1 of 3 pods/);
    assert.match(
      of({ replicas: 2 }, { ...seen, updatedReplicas: 2, availableReplicas: 1 }) ?? '',
      /^1 of 2 .*available/,
    );
    assert.equal(of({}, { ...seen, updatedReplicas: 1, availableReplicas: 1 }), undefined);
  });
});

describe('refusedRollout', () => {
  const says = (conditions: readonly object[], observedGeneration = 3): string | undefined =>
    refusedRollout(workload({}, { status: { observedGeneration, conditions } as NonNullable<Workload['status']> }));
  const message = 'minimum memory usage per Container is 200Mi, but request is 128Mi';
  const failed = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message };
  const late = { type: 'Progressing', status: 'False', message: 'ReplicaSet "connect-1" has timed out progressing.' };

  it('has the words of the ReplicaSet, the refusal before the time-out', () => {
    assert.equal(says([late, failed]), `Deployment/connect: ${message}`);
    assert.match(says([late]) ?? '', /timed out progressing/);
  });

  it('is absent while nothing is refused, and while what is said is about an older template', () => {
    const fine = [
      { type: 'Progressing', status: 'True', message: 'is progressing' },
      { type: 'ReplicaFailure', status: 'False' },
    ];
    assert.equal(says(fine), undefined);
    assert.equal(says([]), undefined);
    assert.equal(says([failed], 2), undefined);
  });
});

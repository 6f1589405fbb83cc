import assert from 'node:assert/strict';
import { keyOf, microTime, objectKey, splitKey } from '../../../../operator/cluster/formats.ts';

describe('texts as Kubernetes writes them', () => {
  it('are namespace/name for the key of an object, which can be split again', () => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'nats', namespace: 'lfh' } };
    assert.equal(objectKey(object), 'lfh/nats');
    assert.equal(keyOf('lfh', 'nats'), 'lfh/nats');
    assert.deepEqual(splitKey('lfh/nats'), { namespace: 'lfh', name: 'nats' });
  });

  it('have six digits after the second in a MicroTime', () => {
    assert.equal(microTime(new Date('2026-11-25T12:00:00.123Z')), '2026-11-25T12:00:00.123000Z');
  });
});

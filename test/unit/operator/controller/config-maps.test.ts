import assert from 'node:assert/strict';
import type { ConfigMap } from '../../../../operator/api/objects.ts';
import { inOrder } from '../../../../operator/controller/config-maps.ts';

describe('the order in which ConfigMaps are written', () => {
  const [NATS, FIRST, SECOND, THIRD] = ['local-nats', 'local-sidecar', 'local-sidecar-2', 'local-sidecar-3'] as const;
  const INVITATION = 'local-invitation';
  const together = [FIRST, SECOND, THIRD];
  const configMap = (name: string): ConfigMap => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
  const objects = [NATS, ...together, INVITATION].map(configMap);
  const ordered = (there: readonly string[], refusedLast?: string): string[] => {
    const seen = new Map(there.map((name) => [name, configMap(name)]));
    return inOrder(objects, together, seen, refusedLast).map(({ metadata }) => metadata.name);
  };

  it('is the one in which they are planned, where all of them are there', () => {
    assert.deepEqual(ordered([NATS, ...together]), [NATS, FIRST, SECOND, THIRD, INVITATION]);
  });

  it('has what takes access back before what has to be made, whose failure would only hold it up', () => {
    assert.deepEqual(ordered([FIRST, SECOND]), [NATS, THIRD, FIRST, SECOND, INVITATION]);
  });

  it('begins with what has to be made of those that count together, since a quota may refuse it', () => {
    assert.deepEqual(ordered([NATS, FIRST, SECOND]), [NATS, THIRD, FIRST, SECOND, INVITATION]);
  });

  it('begins among these with the one that was refused last, so that no other is written and put back', () => {
    assert.deepEqual(ordered([NATS, ...together], SECOND), [NATS, SECOND, FIRST, THIRD, INVITATION]);
    assert.deepEqual(ordered([NATS, FIRST, SECOND], SECOND), [NATS, SECOND, THIRD, FIRST, INVITATION]);
  });
});

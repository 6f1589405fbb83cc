import { randomUUID } from 'node:crypto';
import { messageOf } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { KubeApi } from '../kube/api.ts';
import { KINDS, type KubeObject } from '../kube/objects.ts';
import type { Notice } from './events.ts';

/**
 * Makes Kubernetes events, which `kubectl describe` shows. An event that cannot be made is logged: no turn fails for it.
 *
 * @param reporter what this operator calls itself
 */
export function notifier(api: KubeApi, reporter: string, log: Logger) {
  return async (about: KubeObject, notices: readonly Notice[]): Promise<void> => {
    const { apiVersion, kind, metadata } = about;
    const { name, namespace = '', uid } = metadata;
    for (const notice of notices) {
      const event = {
        ...KINDS.event,
        metadata: { name: `${name}.${randomUUID()}`.slice(-253), namespace },
        eventTime: new Date().toISOString().replace('Z', '000Z'),
        reportingController: 'lfh-sync.linuxforhealth.io/operator',
        reportingInstance: reporter.slice(0, 128),
        regarding: { apiVersion, kind, name, namespace, uid },
        ...notice,
      };
      await api
        .create(event)
        .catch((error: unknown) => log.warn({ problem: messageOf(error) }, 'cannot make an event'));
    }
  };
}

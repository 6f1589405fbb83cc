import { OperatorProcess } from '../test/kit/processes/operator.ts';
import { ControlPlane } from '../test/kit/servers/control-plane.ts';
import { OperatedSite } from '../test/kit/sites/operated-site.ts';
import { grantOperatorRights } from '../test/kit/sites/operator-rights.ts';
import { type Place, SPEC } from './place.ts';
import { begin, say } from './story.ts';

/** Each hospital is in a namespace of a real Kubernetes API, and one operator looks after both. */
export async function inKubernetes(): Promise<Place> {
  begin('A Kubernetes API, the operator, and two hospitals, each with its own CA, nats-server (TLS, NKeys) and Kafka');
  const plane = await ControlPlane.start();
  const started: { stop(): Promise<void> }[] = [plane];
  const stop = async (): Promise<void> => {
    for (const each of started.toReversed()) await each.stop();
  };
  try {
    await plane.installCrds();
    const own = await plane.createNamespace('lfh-sync');
    const [spaceA, spaceB] = [await plane.createNamespace('hospital-a'), await plane.createNamespace('hospital-b')];
    const namespaces = [spaceA, spaceB];
    const kubeconfig = await grantOperatorRights(plane, own, namespaces);
    started.push(await OperatorProcess.start(plane, { kubeconfig, namespace: own, namespaces }));
    const [a, b] = await Promise.all([
      OperatedSite.start(plane, spaceA, 'hospital-a', { spec: SPEC }),
      OperatedSite.start(plane, spaceB, 'hospital-b', { spec: SPEC }),
    ]);
    started.push(a, b);
    say('No kubelet runs here: a stand-in mounts ConfigMaps and Secrets as files, and makes nats-server reload them.');
    return {
      a,
      b,
      takesInvitation: 'kubectl apply -f syncpeer.yaml',
      deletesPeer: 'kubectl delete lfhpeer hospital-b',
      showNodes: async () => {
        say('The operator made a key for each, and wrote what its nats-server includes and its sidecar reads:');
        say(await a.kubectl('get', 'configmap,secret', '-o', 'name', '-l', 'app.kubernetes.io/managed-by=lfh-sync'));
        say('');
        say(await a.kubectl('get', 'lfhnode', '-A', '-o', 'wide'));
      },
      showPeers: async () => say(await a.kubectl('get', 'lfhpeer', '-A', '-o', 'wide')),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

import { type DurableConfig, durableConfig, pushDurableConfig } from '../../common/contract/durable.ts';
import { InvalidInputError } from '../../common/errors.ts';
import type { ConfigMap } from '../api/objects.ts';
import { type ConfigRollout, plannedRollouts } from './nats/config-rollout.ts';
import {
  natsFiles,
  ownUsersIn,
  type PlannedNatsFiles,
  roomForCas,
  type ServersState,
  sidecarUsersIn,
} from './nats/files.ts';
import { invitationConfigMap, natsConfigMap, sidecarConfigMaps } from './node/config-maps.ts';
import { caProblem, kafkaPasswordProblem, type NodeProblem, nodeProblem, remarksOn } from './node/problem.ts';
import { revocationsOf } from './node/revocations.ts';
import type { AddressProblem } from './observed/advertised.ts';
import { CA_FILE } from './observed/names.ts';
import type { DerivedKeys, Observed, PeerObject } from './observed/observed.ts';
import { nodeSpec, peerSpec } from './observed/spec.ts';
import { type FhirServerProblem, plannedFhirServers } from './peers/fhir-servers.ts';
import { invitation } from './peers/invitation.ts';
import { type ManualAccess, manualAccess } from './peers/manual-access.ts';
import { natsAccess } from './peers/nats-access.ts';
import { isGranted, keptDurables, needsDurable, type PlannedPeer, plannedPeers } from './peers/peers.ts';
import { type ReceivingPeer, sidecarFiles } from './peers/sidecar-settings.ts';
import { caRemarks, type ResolvedCa, resolveCa } from './trust/ca-source.ts';
import { bundle, bundleWithin, MAX_OWN_CA } from './trust/certificates.ts';

export interface Plan {
  /** Each ConfigMap as it should be. A missing one is made, and a changed one is put back. */
  readonly objects: readonly ConfigMap[];
  /**
   * What is written where the API server refuses one of {@link objects}: the ConfigMap as it is in the cluster, without the
   * access of peers that may not receive any more.
   */
  readonly revocations: readonly ConfigMap[];
  readonly peers: readonly PlannedPeer[];
  /** What the administrators of peers without lfh-sync need, by the peer's name. */
  readonly manual: ReadonlyMap<string, ManualAccess>;
  /** Peers that are let in. */
  readonly granted: readonly PeerObject[];
  /** Durables that peers need. Any other one whose name begins with `lfh-sync-` is left over. */
  readonly durables: readonly DurableConfig[];
  /** Names of durables that stay where they are there: of peers that are not let in because of a conflict. */
  readonly keptDurables: readonly string[];
  /** undefined while there is a {@link problem}. */
  readonly files: PlannedNatsFiles | undefined;
  /** The CA that clients of the node's local NATS trust; undefined where the system's roots count. */
  readonly ownCa: string | undefined;
  /** Why no invitation is written: the address at which peers reach the node is not known. Everything else is planned. */
  readonly addressProblem: AddressProblem | undefined;
  /** What a person should mend in the node's spec although the node works. */
  readonly remarks: readonly string[];
  /**
   * Why the sidecars cannot connect to Kafka or sign in there: its password or its CA cannot be had. Only they need it, so everything
   * else is planned.
   */
  readonly kafkaProblem: ReturnType<typeof caProblem>;
  /** What a person should mend in `spec.kafka.ca`, although some of its authorities count. */
  readonly kafkaRemarks: readonly string[];
  /** When the last authority of each of the node's own CAs expires, in milliseconds since 1970; undefined where that is not known. */
  readonly caExpiry: { readonly nats: number | undefined; readonly kafka: number | undefined };
  /** What keeps the sidecars from transmitting to a FHIR server that the spec names. */
  readonly fhirProblems: readonly FhirServerProblem[];
  /** Which workloads must take up the objects, and how. */
  readonly rollouts: readonly ConfigRollout[];
  /** While there is one, nothing but {@link revocations} is planned. */
  readonly problem: NodeProblem | undefined;
}

/** The node's own CAs, as its spec names them. */
interface NodeCas {
  readonly nats: ResolvedCa | undefined;
  readonly kafka: ResolvedCa | undefined;
}

/**
 * Plans everything that a node and its peers need. The same observation always gives the same objects.
 *
 * @param publicKeys the node's, as its peers know them, the one in force first; empty where no key may be used
 * @param now in milliseconds since 1970
 */
export function planNode(observed: Observed, publicKeys: readonly string[], derived: DerivedKeys, now: number): Plan {
  const { node } = observed;
  const cas = {
    nats: resolveCa(node.spec.nats.ca, 'spec.nats.ca', observed, now, MAX_OWN_CA),
    kafka: resolveCa(node.spec.kafka.ca, 'spec.kafka.ca', observed, now, MAX_OWN_CA),
  };
  const own = derived.own() ?? ownUsersIn(observed.written);
  const sidecars = derived.sidecars() ?? sidecarUsersIn(observed.written);
  const fhir = plannedFhirServers(observed, now);
  const ownCas = { nats: bytesOfCas([cas.nats]), cas: bytesOfCas([cas.nats, cas.kafka, ...fhir.servers]) };
  const peers = plannedPeers(observed, [...publicKeys, ...own, ...sidecars], derived, now, ownCas);
  const revocations = revocationsOf(observed, peers, derived);
  const onlyRevocations: Plan = {
    objects: revocations.configMaps,
    revocations: revocations.configMaps,
    peers,
    manual: new Map(
      peers.flatMap(({ peer }) => {
        const access = manualAccess(node.spec.lfhId, publicKeys, peer);
        return access ? [[peer.metadata.name, access] as const] : [];
      }),
    ),
    granted: peers.filter(isGranted).map(({ peer }) => peer),
    durables: peers.filter(needsDurable).map(({ peer }) => durableOf(peer)),
    keptDurables: keptDurables(peers),
    files: undefined,
    ownCa: cas.nats && bundle(cas.nats.authorities),
    addressProblem: observed.advertised.problem,
    remarks: remarksOn(node, cas.nats, publicKeys, now),
    ...kafkaFaults(observed, cas, now),
    caExpiry: caExpiryOf(cas),
    fhirProblems: fhir.problems,
    rollouts: revocations.rollouts,
    problem: nodeProblem(observed, cas.nats),
  };
  if (onlyRevocations.problem) return onlyRevocations;
  try {
    const access = natsAccess(node, { own, sidecars }, onlyRevocations.granted, derived);
    const trusted = trustedCas(cas, peers, roomForCas(access));
    const files = natsFiles(access, trusted.text, serversState(observed), derived);
    const settings = sidecarConfigMaps(
      node,
      sidecarFiles({
        node,
        peers: receivingPeers(peers),
        ownCa: cas.nats?.authorities,
        kafkaCa: cas.kafka?.authorities,
        fhirServers: fhir.servers,
        before: observed.writtenSettings,
        derived,
      }),
      observed.settingsIn,
    );
    const objects = [natsConfigMap(node, files.files), ...settings];
    const { servers, problem } = observed.advertised;
    // While the address is not known, an earlier invitation is better than one without a server.
    if (publicKeys.length > 0 && !problem) {
      objects.push(invitationConfigMap(node, invitation(node, servers, publicKeys, cas.nats?.authorities)));
    }
    const remarks = [...onlyRevocations.remarks, ...trusted.remarks];
    return { ...onlyRevocations, objects, remarks, files, rollouts: plannedRollouts(node, files.hash, settings) };
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return { ...onlyRevocations, problem: { reason: 'InvalidSpec', message: error.message } };
  }
}

function durableOf(peer: PeerObject): DurableConfig {
  const { lfhId } = peer.spec;
  return peerSpec(peer).send.client === 'Connect' ? pushDurableConfig(lfhId) : durableConfig(lfhId);
}

function caExpiryOf({ nats, kafka }: NodeCas): Plan['caExpiry'] {
  return { nats: nats?.expires, kafka: kafka?.expires };
}

function kafkaFaults(observed: Observed, { kafka }: NodeCas, now: number): Pick<Plan, 'kafkaProblem' | 'kafkaRemarks'> {
  return {
    kafkaProblem: kafkaPasswordProblem(observed) ?? caProblem(kafka),
    kafkaRemarks: caRemarks(kafka, 'spec.kafka.ca', now),
  };
}

/**
 * The `ca_file` of nats-server: the node's own authorities first, then those of its peers, the oldest first, as many as there is
 * room for. Nobody is refused for it, because nothing of ours reads it.
 */
function trustedCas(
  { nats }: NodeCas,
  peers: readonly PlannedPeer[],
  room: number,
): { readonly text: string; readonly remarks: readonly string[] } {
  const own = nats?.authorities ?? [];
  const admitted = peers.filter(({ conflict }) => conflict === undefined);
  const wanted = admitted.flatMap(({ ca }) => ca?.authorities ?? []);
  const { text, leftOut } = bundleWithin(own, wanted, room);
  const remark =
    `${CA_FILE} in the ConfigMap for NATS has no room for ${leftOut} CA(s) of the youngest peers: ` +
    'whoever gives that file to a program of theirs has to add them. lfh-sync does not use it';
  return { text, remarks: leftOut > 0 ? [remark] : [] };
}

function bytesOfCas(
  cas: readonly (Pick<ResolvedCa, 'authorities'> | { readonly authorities: undefined } | undefined)[],
): number {
  return bundle(cas.flatMap((ca) => ca?.authorities ?? [])).length;
}

function serversState({ node, written, liveHash, leavesOut }: Observed): ServersState {
  return { written, liveHash, leavesOut, restarts: nodeSpec(node).reload === 'Restart' };
}

function receivingPeers(peers: readonly PlannedPeer[]): ReceivingPeer[] {
  return peers.flatMap(({ settings, ca }) => (settings ? [{ settings, authorities: ca?.authorities }] : []));
}

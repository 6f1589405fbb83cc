import { dump } from 'js-yaml';
import { kafkaRights } from '../../common/contract/kafka-rights.ts';
import { KINDS } from '../../operator/api/objects.ts';
import { nodeNameOf, type PeerObject } from '../../operator/plan/observed/observed.ts';
import { peerSpec } from '../../operator/plan/observed/spec.ts';
import { OF_NODE } from '../args/command.ts';
import { UsageError } from '../args/parse.ts';
import { NotWellError } from '../io/errors.ts';
import { listed, nodeNamed, withId } from '../io/resources.ts';
import { connectPatch } from '../setup/connect.ts';
import { aclCommands, strimziUser } from '../setup/kafka-acls.ts';
import { chartValues, plainIncludes, tlsSecret } from '../setup/nats.ts';
import { clusterOf, defineCommand } from './command.ts';

/** Commands that print what an LfhSyncNode means for NATS, connect and Kafka. They change nothing. */

const YAML = { lineWidth: -1, noRefs: true } as const;

export const natsValues = defineCommand({
  name: 'nats-values',
  summary:
    'Prints what NATS needs to take up what the operator writes: values of its official chart, or lines of a nats-server.conf.',
  description: [
    'The values are merged with yours (`helm upgrade -f`). They are for a stream in an account of its own, or with isolation Users in the ' +
      'default account, as the node says.',
  ],
  arguments: [],
  options: {
    plain: { type: 'boolean', meaning: 'Lines for the nats-server.conf of a server of your own.' },
    ...OF_NODE,
  },
  examples: [
    { line: 'nats-values -n lfh > nats-values.yaml', meaning: 'for helm upgrade nats nats/nats -f nats-values.yaml' },
  ],
  notWell: 'there is no such node.',
  async run(call) {
    const node = await nodeNamed(await clusterOf(call), call.options.node);
    if (call.options.plain) call.terminal.print(plainIncludes(node));
    else {
      const note = `# The certificate of NATS and its key are in the Secret ${tlsSecret(node)}; write another name where that is not so.\n`;
      call.terminal.print(note + dump(chartValues(node), YAML));
    }
    return 'well';
  },
});

export const connectPatchCommand = defineCommand({
  name: 'connect-patch',
  summary: 'Prints a patch that gives connect its id, a key of its own, and the CA of NATS.',
  description: [
    'The Secret has the seed of connect as `nats-server.nk`, without a line end; its public key is spec.nats.connect.publicKey of the node. ' +
      'The patch starts connect again.',
  ],
  arguments: [],
  options: {
    'key-secret': { type: 'string', value: 'NAME', meaning: "The Secret with connect's seed. Absent: connect-nkey." },
    ...OF_NODE,
  },
  examples: [
    {
      line: 'connect-patch -n lfh > connect-patch.yaml',
      meaning: 'for kubectl patch deployment connect --patch-file connect-patch.yaml',
    },
  ],
  notWell: 'there is no such node, or it names no workload of connect.',
  async run(call) {
    const node = withId(await nodeNamed(await clusterOf(call), call.options.node));
    const patch = connectPatch(node, call.options['key-secret'] ?? 'connect-nkey');
    if (!patch) throw new NotWellError('spec.connect of the node names no workload of connect');
    if (node.spec.nats.ca?.inline !== undefined) {
      call.terminal.say(
        'Note: the CA is inline in the node: give it to connect as CONNECT_CA_FILE, from a ConfigMap of your own.',
      );
    }
    call.terminal.print(dump(patch, YAML));
    return 'well';
  },
});

const TARGETS = ['strimzi', 'cli'];

export const kafkaAcls = defineCommand({
  name: 'kafka-acls',
  summary: 'Prints the rights that the sidecars need in Kafka: a KafkaUser of Strimzi, or lines with kafka-acls.sh.',
  description: [
    'The topics are those of the formats that the peers of the node may bring. A format that is allowed later needs its right then.',
  ],
  arguments: [],
  options: {
    for: { type: 'string', value: 'WHAT', choices: TARGETS, meaning: 'In which form.' },
    user: { type: 'string', value: 'NAME', meaning: 'The user. Absent: spec.kafka.sasl.username, or lfh-sync.' },
    'strimzi-cluster': { type: 'string', value: 'NAME', meaning: "The name of Strimzi's Kafka. Absent: kafka." },
    ...OF_NODE,
  },
  examples: [{ line: 'kafka-acls --for strimzi -n lfh | kubectl apply -n kafka -f -', meaning: 'make the user' }],
  notWell: 'there is no such node.',
  async run(call) {
    const { options, terminal } = call;
    if (options.for === undefined) throw new UsageError(`kafka-acls needs --for ${TARGETS.join(' or --for ')}`);
    const cluster = await clusterOf(call);
    const node = await nodeNamed(cluster, options.node);
    const peers = await listed<PeerObject>(cluster, KINDS.peer, cluster.namespace);
    const formats = peers
      .filter((peer) => nodeNameOf(peer) === node.metadata.name)
      .flatMap((peer) => peerSpec(peer).receive.allowFormats);
    const rights = kafkaRights({
      node: node.metadata.name,
      ...(formats.length > 0 && { formats }),
      transmits: (node.spec.fhirServers ?? []).length > 0,
    });
    const user = options.user ?? node.spec.kafka.sasl?.username ?? 'lfh-sync';
    if (options.for === 'cli')
      terminal.print(aclCommands(rights, user, node.spec.kafka.brokers[0] ?? 'kafka:9092').join('\n'));
    else {
      const note = '# Before Strimzi 0.49 the apiVersion is kafka.strimzi.io/v1beta2.\n';
      terminal.print(note + dump(strimziUser(rights, user, options['strimzi-cluster'] ?? 'kafka'), YAML));
    }
    return 'well';
  },
});

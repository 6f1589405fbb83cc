import { isPublished, userPublicKey } from '../../../common/contract/nkeys.ts';
import type { Container, PodSpec, Volume, Workload } from '../../../operator/api/objects.ts';
import { settingsNamed } from '../../../operator/plan/injection/connect-settings.ts';
import { connectOf, type InjectionRefusal, injectionOf } from '../../../operator/plan/injection/injection.ts';
import { publishedUserProblem } from '../../../operator/plan/node/problem.ts';
import type { NodeObject, References } from '../../../operator/plan/observed/observed.ts';
import { nodeKeys } from '../../../operator/plan/observed/spec.ts';
import { workloadRef, workloadText } from '../../../operator/plan/observed/workload-ref.ts';
import type { CheckId } from './checks.ts';
import { type Finding, failed, fine, unknown } from './finding.ts';
import { type Contents, type Looked, referencesTo } from './looked.ts';

/** What is asked about connect before the operator injects the sidecar into it. The operator's own judgement is what counts. */

export interface ConnectSeen {
  readonly node: NodeObject;
  readonly workload: Looked<Workload>;
  readonly contents: Contents;
}

/** Where connect's image has its key, unless NATS_NK_FILE says otherwise (docs/upstream.md). */
const KEY_FILE = '/home/lfh/connect/config/nats-server.nk';

/** In the order in which `injectionOf` looks: what comes after a refusal was not looked at. */
const STEPS: readonly (readonly [reason: InjectionRefusal['reason'], check: CheckId, holds: string])[] = [
  ['WorkloadMissing', 'connect-workload', 'it exists'],
  ['Conflict', 'connect-sidecar', 'it has no lfh-sync of its own'],
  ['ContainerUnknown', 'connect-container', 'it is clear which container is that of connect'],
  ['ConnectAlsoSubscribes', 'connect-subscribers', 'connect does not subscribe to peers itself'],
  ['LfhIdMismatch', 'lfh-id', "connect has this node's id, or none, and is given it"],
];

export function connectFindings(seen: ConnectSeen): Finding[] {
  const { node, workload } = seen;
  const ref = node.spec.connect?.workloadRef;
  if (!ref) return admittedKeys(node);
  const name = workloadText(workloadRef(ref, 'Deployment'));
  if (workload.why !== undefined) {
    const why = `cannot look at ${name}: ${workload.why}`;
    return [...STEPS.map(([, check]) => unknown(check, why)), unknown('connect-key', why)];
  }
  return [...injection(seen, name, workload.value), ...key(seen, name, workload.value)];
}

function injection({ node, contents }: ConnectSeen, name: string, workload: Workload | undefined): Finding[] {
  const unread = new Set<string>();
  const references = referencesTo(contents, unread);
  const { refusal } = injectionOf({ node, image: 'lfh-sync', workload, references });
  const refusedAt = STEPS.findIndex(([reason]) => reason === refusal?.reason);
  return STEPS.map(([, check, holds], step) => {
    const isOfEnvironment = check === 'connect-subscribers' || check === 'lfh-id';
    if (isOfEnvironment && unread.size > 0 && !isCertain(refusal, unread, step === refusedAt)) {
      return unknown(
        check,
        `${name}: cannot look into ${[...unread].join(', ')}, from which connect has its environment`,
      );
    }
    if (refusal && step === refusedAt) return failed(check, refusal.message);
    if (refusal && step > refusedAt) return unknown(check, `not looked at: ${STEPS[refusedAt]?.[1]} comes first`);
    return fine(check, `${name}: ${holds}`);
  });
}

/** A refusal for something that could be read stays one, whatever else could not. */
function isCertain(refusal: InjectionRefusal | undefined, unread: ReadonlySet<string>, isThis: boolean): boolean {
  return isThis && refusal !== undefined && ![...unread].some((each) => refusal.message.includes(each));
}

function key({ node, contents }: ConnectSeen, name: string, workload: Workload | undefined): Finding[] {
  const problems = admittedKeys(node);
  if (problems.length > 0) return problems;
  if (!workload) return [unknown('connect-key', 'not looked at: connect-workload comes first')];
  const pod = workload.spec.template.spec;
  const container = connectOf(node, pod.containers);
  if (!container) return [unknown('connect-key', 'not looked at: connect-container comes first')];
  const unread = new Set<string>();
  const references = referencesTo(contents, unread);
  const file = settingsNamed(container, references, 'NATS_NK_FILE')[0]?.value ?? KEY_FILE;
  const place = mountedAt(file, container, pod);
  if (!place) return [ofImage(name, file)];
  return [judged(node, `${name}: Secret ${place.secret}, entry ${place.key}`, place, references, unread)];
}

/** What is wrong with the keys in the spec, whichever of them is that of connect. */
function admittedKeys(node: NodeObject): Finding[] {
  const published = publishedUserProblem(node);
  if (published !== undefined) return [failed('connect-key', published)];
  if (nodeKeys(node).length > 0) return [];
  const message =
    'neither spec.nats.connect.publicKey nor spec.nats.users names a key, so that NATS lets no connect in once it has our files';
  return [failed('connect-key', message)];
}

function ofImage(name: string, file: string): Finding {
  if (file !== KEY_FILE)
    return unknown('connect-key', `${name}: NATS_NK_FILE is ${file}, which is not mounted from a Secret`);
  const message = `${name} mounts no Secret at ${KEY_FILE}, so connect has the key that is in its image, which LinuxForHealth publishes with its seed`;
  return failed('connect-key', message);
}

interface Place {
  readonly secret: string;
  readonly key: string;
}

/** Which entry of which Secret a container finds at a path. */
function mountedAt(path: string, { volumeMounts = [] }: Container, { volumes = [] }: PodSpec): Place | undefined {
  for (const { name, mountPath, subPath } of volumeMounts) {
    const directory = mountPath.replace(/\/$/, '');
    const below = path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : undefined;
    const file = subPath === undefined ? below : path === directory ? subPath : undefined;
    const secret = volumes.find((volume) => volume.name === name)?.secret;
    if (file !== undefined && secret?.secretName !== undefined) {
      return { secret: secret.secretName, key: keyAt(file, secret) };
    }
  }
  return undefined;
}

function keyAt(file: string, { items = [] }: NonNullable<Volume['secret']>): string {
  return items.find(({ path }) => path === file)?.key ?? file;
}

function judged(
  node: NodeObject,
  where: string,
  { secret, key }: Place,
  references: References,
  unread: ReadonlySet<string>,
): Finding {
  const texts = references.secret(secret);
  if (unread.size > 0) return unknown('connect-key', `${where}: cannot look into ${[...unread].join(', ')}`);
  const seed = texts?.[key];
  if (seed === undefined) return failed('connect-key', `${where}: there is no such ${texts ? 'entry' : 'Secret'}`);
  const publicKey = userPublicKey(seed);
  if (publicKey === undefined) {
    return failed('connect-key', `${where}: this is not the seed of a user; is there a line end behind it?`);
  }
  if (isPublished(publicKey)) {
    return failed('connect-key', `${where}: this is the key that LinuxForHealth publishes with its seed`);
  }
  if (nodeKeys(node).includes(publicKey)) return fine('connect-key', `${where}: the spec lets ${publicKey} in`);
  const message = `${where}: connect's public key is ${publicKey}, which is neither spec.nats.connect.publicKey nor in spec.nats.users`;
  return failed('connect-key', message);
}

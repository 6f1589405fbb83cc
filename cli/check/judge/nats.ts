import { isTooOld, OLDEST_NATS } from '../../../common/nats-version.ts';
import { type Container, mountsConfigMap, type PodSpec, type Workload } from '../../../operator/api/objects.ts';
import { MAIN_FILE, NAMES, PEERS_FILE } from '../../../operator/plan/observed/names.ts';
import type { NodeObject, Texts } from '../../../operator/plan/observed/observed.ts';
import { nodeSpec } from '../../../operator/plan/observed/spec.ts';
import { workloadText } from '../../../operator/plan/observed/workload-ref.ts';
import type { CheckId } from './checks.ts';
import { type Finding, failed, fine, unknown, warning } from './finding.ts';
import type { Contents, Looked } from './looked.ts';
import { placesOf } from './nats-conf.ts';

/** What is asked about the workload of NATS: its mounts, what reloads it, and what its configuration includes. */

export interface NatsSeen {
  readonly node: NodeObject;
  readonly workload: Looked<Workload>;
  readonly contents: Contents;
}

const OF_WORKLOAD: readonly CheckId[] = ['nats-workload', 'nats-mount', 'nats-reload', 'nats-includes', 'nats-version'];

export function natsFindings({ node, workload, contents }: NatsSeen): Finding[] {
  const { workload: ref } = nodeSpec(node);
  if (!ref) return OF_WORKLOAD.map((check) => unknown(check, 'spec.nats.workloadRef does not say what runs NATS'));
  const name = workloadText(ref);
  if (workload.why !== undefined) {
    return OF_WORKLOAD.map((check) => unknown(check, `cannot look at ${name}: ${workload.why}`));
  }
  if (!workload.value) {
    const missing = failed('nats-workload', `spec.nats.workloadRef: there is no ${name} in this namespace`);
    const others = OF_WORKLOAD.filter((check) => check !== 'nats-workload');
    return [missing, ...others.map((check) => unknown(check, 'not looked at: nats-workload comes first'))];
  }
  return [
    fine('nats-workload', `${name} exists`),
    mount(node, name, workload.value),
    reload(node, name, workload.value),
    includes(node, name, workload.value, contents),
    version(name, workload.value),
  ];
}

/** Every container of a pod that runs for as long as it does, or may. */
function containersOf({ containers, initContainers = [] }: PodSpec): readonly Container[] {
  return [...containers, ...initContainers];
}

function isReloader({ name, image = '' }: Container): boolean {
  return /reload/i.test(name) || /reload/i.test(image);
}

/** The container of nats-server: the first that is named after it or has its image, or else the first of all. */
function serverIn({ containers }: PodSpec): Container | undefined {
  const others = containers.filter((each) => !isReloader(each));
  return others.find(({ name, image = '' }) => /nats/.test(name) || /nats/.test(image)) ?? others[0];
}

function mountsOf(container: Container | undefined, pod: PodSpec, configMap: string) {
  const volumes = (pod.volumes ?? []).filter((volume) => mountsConfigMap([volume], configMap));
  return (container?.volumeMounts ?? []).filter(({ name }) => volumes.some((volume) => volume.name === name));
}

function mount(node: NodeObject, name: string, workload: Workload): Finding {
  const check = 'nats-mount';
  const pod = workload.spec.template.spec;
  const configMap = NAMES.nats(node.metadata.name);
  const volume = (pod.volumes ?? []).find((each) => mountsConfigMap([each], configMap));
  if (!volume) return failed(check, `${name} has no volume of the ConfigMap ${configMap}`);
  const server = serverIn(pod);
  const mounts = mountsOf(server, pod, configMap);
  if (mounts.length === 0) {
    return failed(
      check,
      `${name}: the container ${server?.name ?? ''} does not mount the volume ${volume.name} (${configMap})`,
    );
  }
  if (mounts.some(({ subPath }) => subPath !== undefined) || volume.configMap?.items) {
    return failed(check, `${name} mounts ${configMap} in parts (subPath or items): what is mounted so never changes`);
  }
  return fine(check, `${name} mounts ${configMap} at ${mounts.map(({ mountPath }) => mountPath).join(', ')}`);
}

/** Annotations by which Stakater's Reloader restarts a workload whose ConfigMap has changed. */
const RESTARTING = /^(configmap\.)?reloader\.stakater\.com\/(auto|reload)$/;

function reload(node: NodeObject, name: string, workload: Workload): Finding {
  const check = 'nats-reload';
  const { reload: how } = nodeSpec(node);
  if (how === 'Restart') return fine(check, `the operator restarts ${name} for each change`);
  if (how === 'None')
    return warning(check, 'spec.nats.reload is None: you reload nats-server yourself, twice for a new peer');
  const restarting = Object.keys(workload.metadata.annotations ?? {}).find((each) => RESTARTING.test(each));
  if (restarting !== undefined) return fine(check, `${name} is restarted for each change (${restarting})`);
  const pod = workload.spec.template.spec;
  const reloaders = containersOf(pod).filter(isReloader);
  const configMap = NAMES.nats(node.metadata.name);
  const mounting = reloaders.find((each) => mountsOf(each, pod, configMap).length > 0);
  if (mounting) return fine(check, `${name}: the container ${mounting.name} reloads nats-server`);
  if (reloaders[0])
    return failed(
      check,
      `${name}: the container ${reloaders[0].name} does not mount ${configMap}, so it sees no change`,
    );
  const others = containersOf(pod).filter(
    (each) => each !== serverIn(pod) && mountsOf(each, pod, configMap).length > 0,
  );
  if (others[0])
    return unknown(
      check,
      `${name}: whether the container ${others[0].name} reloads nats-server cannot be told from its name or image`,
    );
  return failed(
    check,
    `${name} has no reloader, and spec.nats.reload is ${how}: nats-server would never take up a change`,
  );
}

function includes(node: NodeObject, name: string, workload: Workload, contents: Contents): Finding {
  const check = 'nats-includes';
  const pod = workload.spec.template.spec;
  const own = NAMES.nats(node.metadata.name);
  const maps = (pod.volumes ?? []).flatMap(({ configMap }) => configMap?.name ?? []).filter((each) => each !== own);
  const looked = maps.map((map) => ({ map, texts: contents.configMap(map) }));
  const files = new Map(looked.flatMap(({ texts }) => (texts.why === undefined ? confs(texts.value) : [])));
  const unread = looked.flatMap(({ map, texts }) => (texts.why === undefined ? [] : `ConfigMap ${map} (${texts.why})`));
  const wrong = wrongIncludes(node, files);
  if (files.size === 0 || (wrong.length > 0 && unread.length > 0)) {
    const why =
      unread.length > 0 ? `cannot look into ${unread.join(', ')}` : `${name} mounts no ConfigMap with a .conf`;
    return unknown(check, `${why}, so what nats-server includes is not known`);
  }
  const where = `ConfigMap ${maps.join(', ')} (${[...files.keys()].join(', ')})`;
  return wrong.length > 0
    ? failed(check, `${where}: ${wrong.join('; ')}`)
    : fine(check, `${where} includes what it should`);
}

function confs(texts: Texts = {}): [string, string][] {
  return Object.entries(texts).filter(([file]) => file.endsWith('.conf'));
}

function wrongIncludes(node: NodeObject, files: ReadonlyMap<string, string>): string[] {
  const { isolation, account } = nodeSpec(node);
  const wanted: readonly (readonly [file: string, blocks: readonly string[]])[] =
    isolation === 'Users'
      ? [[MAIN_FILE, ['authorization']]]
      : [
          [MAIN_FILE, ['accounts', account]],
          [PEERS_FILE, ['accounts']],
        ];
  return wanted.flatMap(([file, blocks]) => {
    const places = placesOf(file, files);
    const place = blocks.join(' / ');
    if (places.length === 0) return [`${file} is not included; it belongs inside ${place}`];
    const isRight = places.some((inside) => inside.join('\n').endsWith(blocks.join('\n')));
    const found = places[0]?.join(' / ') || 'no block';
    return isRight ? [] : [`${file} is included inside ${found}, and belongs inside ${place}`];
  });
}

/** From which version on nats-server can reset a durable to a message (docs/compatibility.md). */
const RESETS_SINCE = '2.14';

function version(name: string, workload: Workload): Finding {
  const check = 'nats-version';
  const { image = '' } = serverIn(workload.spec.template.spec) ?? {};
  const [, tag] = /:v?(\d+\.\d+(?:\.\d+)?)[^:/]*$/.exec(image.replace(/@.*$/, '')) ?? [];
  if (tag === undefined) return unknown(check, `${name}: the image ${image} does not say its version`);
  if (isTooOld(tag))
    return failed(check, `${name} runs nats-server ${tag}, and ${OLDEST_NATS} is the oldest that will do`);
  if (isTooOld(tag, RESETS_SINCE)) {
    return warning(check, `${name} runs nats-server ${tag}, which cannot reset a durable: ${RESETS_SINCE} can`);
  }
  return fine(check, `${name} runs nats-server ${tag}`);
}
